"""Generated keys and domain parameters: of the size asked for, different each time, and working."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils, x448, x25519

from workbench.cryptoki import AttributeValue, C, mechanism, mechanisms
from workbench.inspection.probe.objects import READABLE, template
from workbench.inspection.probe.recipes.hashes import PYCA
from workbench.inspection.probe.recipes.model import MESSAGE, Recipe, Stage, Wrong, same
from workbench.inspection.probe.recipes.pairs import (
    OIDS,
    domain,
    ec_public,
    edwards_pair,
    generated,
    rsa_public,
)
from workbench.inspection.probe.recipes.signatures import DIGEST_INFO
from workbench.keys import rs_to_der

__all__ = ["RECIPES", "ec_generated", "rsa_generated"]

BY = "pyca/cryptography"
SIGNS: dict[str, AttributeValue] = {"CKA_SIGN": True}


def _secret(name: str, key_type: str, length: int, variable: bool = True) -> Recipe:
    """Two keys: as long as asked for, and not the same."""

    def run(stage: Stage) -> str:
        values = []
        for _ in range(2):
            wanted = stage.bench.wanted(key_type, length if variable else None)
            values.append(stage.bench.value(stage.mine(C.GenerateKey(stage.session, name, wanted))))
        if {len(value) for value in values} != {length}:
            raise Wrong(f"a key of {len(values[0])} bytes where {length} were asked for")
        if values[0] == values[1]:
            raise Wrong("the same key twice")
        return "its value"

    return Recipe(name, "CKF_GENERATE", run)


def rsa_generated(stage: Stage, bits: int, name: str = "CKM_RSA_PKCS_KEY_PAIR_GEN") -> str:
    """A new RSA pair: pyca has its public key, finds its size right, and verifies what it signs."""
    asked: dict[str, AttributeValue] = {
        "CKA_MODULUS_BITS": bits,
        "CKA_PUBLIC_EXPONENT": 65537,
        "CKA_VERIFY": True,
    }
    public, private = generated(stage.bench, name, asked, SIGNS)
    theirs = rsa_public(stage.bench, public)
    if theirs.key_size != bits:
        raise Wrong(f"a modulus of {theirs.key_size} bits where {bits} were asked for")
    C.SignInit(stage.session, "CKM_RSA_PKCS", private)
    digest = bytes(range(32))
    signature = C.Sign(stage.session, DIGEST_INFO + digest)
    try:
        theirs.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(PYCA["SHA256"]))
    except InvalidSignature:
        raise Wrong(f"{BY} refuses what the new key signed") from None
    return BY


def ec_generated(stage: Stage, curve: str, params: bytes | None = None) -> str:
    """A new pair on the curve: pyca takes its point and verifies what it signs (or agrees on a key with it)."""
    if curve in ("Ed25519", "Ed448"):
        return _edwards(stage, curve)
    if curve in ("X25519", "X448"):
        return _montgomery(stage, curve)
    asked: dict[str, AttributeValue] = {
        "CKA_EC_PARAMS": params or bytes.fromhex(OIDS[curve]),
        "CKA_VERIFY": True,
    }
    public, private = generated(stage.bench, "CKM_EC_KEY_PAIR_GEN", asked, SIGNS)
    theirs = ec_public(stage.bench, public, curve)
    C.SignInit(stage.session, "CKM_ECDSA", private)
    signature = C.Sign(stage.session, bytes(range(32)))
    size = (theirs.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise Wrong(f"a signature of {len(signature)} bytes; r‖s of {curve} has {2 * size}")
    try:
        theirs.verify(rs_to_der(signature), bytes(range(32)), ec.ECDSA(utils.Prehashed(PYCA["SHA256"])))
    except InvalidSignature:
        raise Wrong(f"{BY} refuses what the new key signed") from None
    return BY


def _edwards(stage: Stage, curve: str) -> str:
    pair = edwards_pair(stage.bench, curve)
    how = mechanism("CKM_EDDSA", None if curve == "Ed25519" else mechanisms.eddsa())
    C.SignInit(stage.session, how, pair.private)
    signature = C.Sign(stage.session, MESSAGE, 64 if curve == "Ed25519" else 114)
    try:
        pair.theirs.verify(signature, MESSAGE)
    except InvalidSignature:
        raise Wrong(f"{BY} refuses what the new key signed") from None
    return BY


def _montgomery(stage: Stage, curve: str) -> str:
    pair = edwards_pair(stage.bench, curve)
    ours = x25519.X25519PrivateKey.generate() if curve == "X25519" else x448.X448PrivateKey.generate()
    how = mechanism("CKM_ECDH1_DERIVE", mechanisms.ecdh1(ours.public_key().public_bytes_raw()))
    right = ours.exchange(pair.theirs)
    wanted = stage.bench.wanted("CKK_GENERIC_SECRET", len(right))
    made = stage.mine(C.DeriveKey(stage.session, how, pair.private, wanted))
    same(stage.bench.value(made), right, "the agreed key")
    return BY


def _discrete(name: str, key_type: str, domain_name: str, signs: bool) -> Recipe:
    """A DSA or DH pair: its public value is the base to the power of the private one."""
    group = domain(domain_name)
    names = {"prime": "CKA_PRIME", "subprime": "CKA_SUBPRIME", "base": "CKA_BASE"}

    def run(stage: Stage) -> str:
        asked: dict[str, AttributeValue] = {
            attribute: group[key] for key, attribute in names.items() if key in group
        }
        use: dict[str, AttributeValue] = {"CKA_SIGN": True} if signs else {"CKA_DERIVE": True}
        public, private = generated(stage.bench, name, asked, {**use, **READABLE})
        prime, base = (int.from_bytes(group[key], "big") for key in ("prime", "base"))
        x, y = (int.from_bytes(stage.bench.value(handle), "big") for handle in (private, public))
        if pow(base, x, prime) != y:
            raise Wrong("the public value is not the base to the power of the private one")
        return "Python's integers"

    return Recipe(name, "CKF_GENERATE_KEY_PAIR", run)


def _domain_parameters(name: str, key_type: str, bits: int) -> Recipe:
    def run(stage: Stage) -> str:
        wanted = template(
            stage.bench.token,
            {
                "CKA_CLASS": "CKO_DOMAIN_PARAMETERS",
                "CKA_KEY_TYPE": key_type,
                "CKA_PRIME_BITS": bits,
            },
        )
        made = stage.mine(C.GenerateKey(stage.session, name, wanted))
        prime, base = (
            int.from_bytes(stage.bench.value(made, one), "big") for one in ("CKA_PRIME", "CKA_BASE")
        )
        if prime.bit_length() != bits or pow(3, prime - 1, prime) != 1:
            raise Wrong(f"the prime has {prime.bit_length()} bits, or is none")
        if not 1 < base < prime:
            raise Wrong("the base is not in the group")
        return "Fermat's test"

    return Recipe(name, "CKF_GENERATE", run)


def _pbkdf2() -> Recipe:
    """The length of the password is passed as a number (v2.40 erratum and later) or by pointer (before): the second
    is read by modules that would follow the first as an address, so only it is safe to try on a stranger.
    """

    def run(stage: Stage) -> str:
        parameter = mechanisms.pbkdf2(b"password", b"saltsalt", 1000, "SHA-256", length_by_pointer=True)
        wanted = stage.bench.wanted("CKK_GENERIC_SECRET", 32)
        how = mechanism("CKM_PKCS5_PBKD2", parameter)
        made = stage.mine(C.GenerateKey(stage.session, how, wanted))
        right = hashlib.pbkdf2_hmac("sha256", b"password", b"saltsalt", 1000, 32)
        same(stage.bench.value(made), right, "the key")
        return "hashlib"

    return Recipe("CKM_PKCS5_PBKD2", "CKF_GENERATE", run)


def _pair(name: str, run: Callable[[Stage], str]) -> Recipe:
    return Recipe(name, "CKF_GENERATE_KEY_PAIR", run)


SECRETS = (
    ("CKM_AES_KEY_GEN", "CKK_AES", 32, True),
    ("CKM_AES_XTS_KEY_GEN", "CKK_AES_XTS", 64, True),
    ("CKM_GENERIC_SECRET_KEY_GEN", "CKK_GENERIC_SECRET", 32, True),
    ("CKM_DES_KEY_GEN", "CKK_DES", 8, False),
    ("CKM_DES2_KEY_GEN", "CKK_DES2", 16, False),
    ("CKM_DES3_KEY_GEN", "CKK_DES3", 24, False),
    ("CKM_CAMELLIA_KEY_GEN", "CKK_CAMELLIA", 32, True),
    ("CKM_ARIA_KEY_GEN", "CKK_ARIA", 32, True),
    ("CKM_SEED_KEY_GEN", "CKK_SEED", 16, False),
    ("CKM_CHACHA20_KEY_GEN", "CKK_CHACHA20", 32, False),
    ("CKM_POLY1305_KEY_GEN", "CKK_POLY1305", 32, False),
    ("CKM_HKDF_KEY_GEN", "CKK_HKDF", 32, True),
    ("CKM_RC2_KEY_GEN", "CKK_RC2", 16, True),
    ("CKM_RC4_KEY_GEN", "CKK_RC4", 16, True),
    ("CKM_CDMF_KEY_GEN", "CKK_CDMF", 8, False),
    ("CKM_BLOWFISH_KEY_GEN", "CKK_BLOWFISH", 16, True),
    ("CKM_CAST128_KEY_GEN", "CKK_CAST128", 16, True),
    ("CKM_IDEA_KEY_GEN", "CKK_IDEA", 16, False),
    *(
        (f"CKM_{stem}_KEY_GEN", f"CKK_{stem}_HMAC", 32, True)
        for stem in ("SHA_1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3_256", "SHA3_384", "SHA3_512")
    ),
)

RECIPES: tuple[Recipe, ...] = (
    *(_secret(*row) for row in SECRETS),
    _pair("CKM_RSA_PKCS_KEY_PAIR_GEN", lambda stage: rsa_generated(stage, 2048)),
    _pair(
        "CKM_RSA_X9_31_KEY_PAIR_GEN",
        lambda stage: rsa_generated(stage, 2048, "CKM_RSA_X9_31_KEY_PAIR_GEN"),
    ),
    _pair("CKM_EC_KEY_PAIR_GEN", lambda stage: ec_generated(stage, "P-256")),
    _pair("CKM_EC_EDWARDS_KEY_PAIR_GEN", lambda stage: ec_generated(stage, "Ed25519")),
    _pair("CKM_EC_MONTGOMERY_KEY_PAIR_GEN", lambda stage: ec_generated(stage, "X25519")),
    _discrete("CKM_DSA_KEY_PAIR_GEN", "CKK_DSA", "DSA-1024", signs=True),
    _discrete("CKM_DH_PKCS_KEY_PAIR_GEN", "CKK_DH", "MODP-2048", signs=False),
    _domain_parameters("CKM_DSA_PARAMETER_GEN", "CKK_DSA", 1024),
    _domain_parameters("CKM_DH_PKCS_PARAMETER_GEN", "CKK_DH", 512),
    _pbkdf2(),
)
