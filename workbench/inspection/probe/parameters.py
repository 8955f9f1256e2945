"""Variants of parameters: salts, labels, IVs, tags, counters, key derivations, forms of a point."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from workbench.cryptoki import AttributeValue, C, Parameter, mechanism, mechanisms
from workbench.inspection.probe.judging import staged
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import ITSELF, Deviation, Stage, Wrong, ciphers
from workbench.inspection.probe.recipes.derivation import PEER, POINT
from workbench.inspection.probe.recipes.generation import ec_generated
from workbench.inspection.probe.recipes.hashes import PYCA
from workbench.inspection.probe.recipes.model import MESSAGE, same
from workbench.inspection.probe.recipes.pairs import der_octets, ec_pair, generated, rsa_pair
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "parameters"
BY = "pyca/cryptography"
HASH_NAMES = {"SHA-1": "SHA1", "SHA-256": "SHA256", "SHA-384": "SHA384", "SHA-512": "SHA512"}
IV16 = bytes(range(16))


@attrs.frozen
class Variant:
    """One parameter of one mechanism, and what is done with it. ``sound``: the standard allows the combination."""

    mechanism: str
    aspect: str
    run: Callable[[Stage], str]
    sound: bool = True


def _pss(hash: str, salt: int, mgf: str | None = None) -> Variant:
    """A raw PSS signature of a SHA-256 digest under these parameters, verified by pyca with the same."""
    chosen = PYCA[HASH_NAMES[hash]]
    scheme = padding.PSS(padding.MGF1(PYCA[HASH_NAMES[mgf or hash]]), salt)

    def run(stage: Stage) -> str:
        pair = rsa_pair(stage.bench)
        digest = bytes(range(chosen.digest_size))
        C.SignInit(
            stage.session, mechanism("CKM_RSA_PKCS_PSS", mechanisms.rsa_pss(hash, salt, mgf)), pair.private
        )
        signature = C.Sign(stage.session, digest)
        try:
            pair.theirs.verify(signature, digest, scheme, utils.Prehashed(chosen))
        except InvalidSignature:
            raise Wrong(f"{BY} refuses the signature") from None
        return BY

    also = f", MGF1 of {mgf}" if mgf else ""
    return Variant("CKM_RSA_PKCS_PSS", f"{hash}, salt of {salt}{also}", run)


def _pss_mismatch() -> Variant:
    """CKM_SHA256_RSA_PKCS_PSS with a parameter that says SHA-1: the standard has no such signature."""

    def run(stage: Stage) -> str:
        pair = rsa_pair(stage.bench)
        how = mechanism("CKM_SHA256_RSA_PKCS_PSS", mechanisms.rsa_pss("SHA-1", 20))
        C.SignInit(stage.session, how, pair.private)
        signature = C.Sign(stage.session, MESSAGE)
        scheme = padding.PSS(padding.MGF1(hashes.SHA1()), 20)  # what was asked for
        for name in ("SHA256", "SHA1"):
            try:
                pair.theirs.verify(signature, MESSAGE, scheme, PYCA[name])
            except InvalidSignature:
                continue
            raise Wrong(f"signed with {name}, though mechanism and parameter name different hashes")
        raise Wrong("signed, though mechanism and parameter name different hashes")

    return Variant("CKM_SHA256_RSA_PKCS_PSS", "hashAlg of another hash", run, sound=False)


def _oaep(hash: str, label: bytes = b"", mgf: str | None = None) -> Variant:
    scheme = padding.OAEP(padding.MGF1(PYCA[HASH_NAMES[mgf or hash]]), PYCA[HASH_NAMES[hash]], label or None)

    def run(stage: Stage) -> str:
        pair = rsa_pair(stage.bench)
        how = mechanism("CKM_RSA_PKCS_OAEP", mechanisms.rsa_oaep(hash, label, mgf))
        C.DecryptInit(stage.session, how, pair.private)
        sealed = pair.theirs.encrypt(MESSAGE, scheme)
        same(C.Decrypt(stage.session, sealed), MESSAGE, "the plaintext")
        return BY

    also = (f", MGF1 of {mgf}" if mgf else "") + (f", label of {len(label)}" if label else "")
    return Variant("CKM_RSA_PKCS_OAEP", f"{hash}{also}", run)


def _gcm(iv: int, tag: int, iv_bits: int | None = None) -> Variant:
    nonce, data = bytes(range(1, iv + 1)), bytes(range(100))
    bits = 8 * iv if iv_bits is None else iv_bits

    def run(stage: Stage) -> str:
        parameter = Parameter("CK_GCM_PARAMS", {"pIv": nonce, "ulIvBits": bits, "ulTagBits": tag})
        key = ciphers.AES.handle(stage)
        C.EncryptInit(stage.session, mechanism("CKM_AES_GCM", parameter), key)
        sealed = C.Encrypt(stage.session, data)
        encryptor = Cipher(algorithms.AES(ciphers.AES.key), modes.GCM(nonce)).encryptor()
        right = encryptor.update(data) + encryptor.finalize() + encryptor.tag[: tag // 8]
        same(sealed, right, "the ciphertext with its tag")
        return BY

    said = f", ulIvBits {bits}" if iv_bits is not None else ""
    return Variant("CKM_AES_GCM", f"IV of {iv}, tag of {tag} bits{said}", run)


def _ctr(bits: int) -> Variant:
    """The counter begins at its highest value, so that the second block overflows it: to be refused (6.11)."""
    block = IV16[: 16 - bits // 8] + b"\xff" * (bits // 8)
    data = bytes(48)

    def run(stage: Stage) -> str:
        how = mechanism("CKM_AES_CTR", mechanisms.ctr(block, bits))
        C.EncryptInit(stage.session, how, ciphers.AES.handle(stage))
        made = C.Encrypt(stage.session, data)
        first = int.from_bytes(block, "big")
        fixed = first >> bits << bits
        ways = {
            "the counter begins anew within its bits": [fixed | (first + i) % 2**bits for i in range(3)],
            "the counter runs over into the rest of the block": [(first + i) % 2**128 for i in range(3)],
        }
        for what, counters in ways.items():
            ecb = Cipher(algorithms.AES(ciphers.AES.key), modes.ECB()).encryptor()
            if made == b"".join(ecb.update(one.to_bytes(16, "big")) for one in counters):
                raise Deviation(f"encrypted all the same, and {what}; CKR_DATA_LEN_RANGE is right")
        raise Wrong("encrypted all the same, with a counter that nobody can tell")

    return Variant("CKM_AES_CTR", f"{bits}-bit counter that overflows", run, sound=False)


def _ctr_length() -> Variant:
    def run(stage: Stage) -> str:
        how = mechanism("CKM_AES_CTR", mechanisms.ctr(IV16))
        C.EncryptInit(stage.session, how, ciphers.AES.handle(stage))
        encryptor = Cipher(algorithms.AES(ciphers.AES.key), modes.CTR(IV16)).encryptor()
        same(C.Encrypt(stage.session, bytes(100)), encryptor.update(bytes(100)), "the ciphertext")
        return BY

    return Variant("CKM_AES_CTR", "100 bytes, no multiple of the block", run)


KDFS = {
    "CKD_SHA1_KDF": "sha1",
    "CKD_SHA224_KDF": "sha224",
    "CKD_SHA256_KDF": "sha256",
    "CKD_SHA384_KDF": "sha384",
    "CKD_SHA512_KDF": "sha512",
}


def _ecdh(kdf: str, der: bool = False) -> Variant:
    point = der_octets(POINT) if der else POINT

    def run(stage: Stage) -> str:
        pair = ec_pair(stage.bench)
        shared = PEER.exchange(ec.ECDH(), pair.theirs)
        right = b""
        if kdf != "CKD_NULL":
            right = hashlib.new(KDFS[kdf], shared + (1).to_bytes(4, "big") + b"info").digest()
        # without a KDF a shorter key loses the leading bytes (6.3); a KDF makes as many as are asked for
        right = shared[-20:] if kdf == "CKD_NULL" else right[:20]
        how = mechanism(
            "CKM_ECDH1_DERIVE", mechanisms.ecdh1(point, kdf, b"info" if kdf != "CKD_NULL" else b"")
        )
        wanted = stage.bench.wanted("CKK_GENERIC_SECRET", 20)
        made = stage.mine(C.DeriveKey(stage.session, how, pair.private, wanted))
        value = stage.bench.value(made)
        if kdf == "CKD_NULL" and value == shared[:20]:
            raise Wrong("a shorter key loses the last bytes of the shared secret; by 6.3 it loses the first")
        same(value, right, "the derived key")
        return BY if kdf == "CKD_NULL" else "hashlib"

    aspect = ("DER point" if der else "raw point") if kdf == "CKD_NULL" else kdf
    return Variant("CKM_ECDH1_DERIVE", aspect, run)


def _ed25519(printable: bool) -> Variant:
    params = b"\x13\x0cedwards25519" if printable else None

    def run(stage: Stage) -> str:
        if params is None:
            return ec_generated(stage, "Ed25519")
        public: dict[str, AttributeValue] = {"CKA_EC_PARAMS": params, "CKA_VERIFY": True}
        generated(stage.bench, "CKM_EC_EDWARDS_KEY_PAIR_GEN", public, {"CKA_SIGN": True})
        return ITSELF

    return Variant(
        "CKM_EC_EDWARDS_KEY_PAIR_GEN", "curve by printable name" if printable else "curve by OID", run
    )


VARIANTS: tuple[Variant, ...] = (
    *(_pss("SHA-256", salt) for salt in (0, 20, 32, 222)),
    _pss("SHA-1", 20),
    _pss("SHA-512", 64),
    _pss("SHA-256", 32, "SHA-1"),
    _pss_mismatch(),
    *(_oaep(hash) for hash in HASH_NAMES),
    _oaep("SHA-256", b"a label"),
    _oaep("SHA-1", b"a label"),
    _oaep("SHA-256", mgf="SHA-1"),
    *(_gcm(iv, 128) for iv in (8, 12, 16, 60)),
    *(_gcm(12, tag) for tag in (96, 104, 112, 120)),
    _gcm(12, 128, iv_bits=0),
    _gcm(12, 128, iv_bits=96),
    *(_ctr(bits) for bits in (8, 32, 64, 128)),
    _ctr_length(),
    _ecdh("CKD_NULL"),
    _ecdh("CKD_NULL", der=True),
    *(_ecdh(kdf) for kdf in KDFS),
    _ed25519(printable=False),
    _ed25519(printable=True),
)


def trials(survey: Survey) -> list[Trial]:
    """One trial for each variant of a mechanism that the token lists."""
    return [
        Trial(FAMILY, one.mechanism, one.aspect, attempt, (place,))
        for place, one in enumerate(VARIANTS)
        if one.mechanism in survey.mechanisms
    ]


def attempt(token: Token, place: int) -> list[Finding]:
    """Try one variant."""
    one = VARIANTS[place]
    made = staged(token, (FAMILY, one.mechanism, one.aspect), one.run)
    if not one.sound and made.outcome is Outcome.NOT_OFFERED:
        return [attrs.evolve(made, outcome=Outcome.VERIFIED, detail="refused, as it should be")]
    return [made]
