"""RSA encryption, and keys wrapped under keys: a wrapped key is opened by somebody else, and somebody else's is unwrapped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import attrs
from cryptography.hazmat.primitives import hashes, keywrap, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import aead, modes

from workbench.cryptoki import C, Mechanism, mechanism, mechanisms
from workbench.inspection.probe.recipes import ciphers
from workbench.inspection.probe.recipes.model import ITSELF, MESSAGE, Recipe, Stage, Wrong, same
from workbench.inspection.probe.recipes.pairs import Pair, rsa_pair

__all__ = ["RECIPES", "WRAPPED", "unwrap_pad"]

BY = "pyca/cryptography"
WRAPPED = bytes(range(200, 232))  # the value of the AES key that travels
AES = ciphers.AES
USES = ("CKA_WRAP", "CKA_UNWRAP", "CKA_ENCRYPT", "CKA_DECRYPT")
OAEP = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
PKCS1 = rsa_padding.PKCS1v15()


def unwrap_pad(blob: bytes) -> tuple[bytes, str] | None:
    """The key in a CKM_AES_KEY_WRAP_PAD blob, and which of the three ways of padding made it; None: none of them."""
    with suppress(keywrap.InvalidUnwrap, ValueError):
        return keywrap.aes_key_unwrap_with_padding(AES.key, blob), "RFC 5649"
    with suppress(keywrap.InvalidUnwrap, ValueError):
        opened = keywrap.aes_key_unwrap(AES.key, blob)
        for block in (8, 16):
            unpadder = padding.PKCS7(8 * block).unpadder()
            with suppress(ValueError):
                value = unpadder.update(opened) + unpadder.finalize()
                return value, f"PKCS#7 with {len(opened) - len(value)} bytes, then RFC 3394"
    return None


@attrs.frozen
class Wrapping:
    """One way of wrapping: the mechanism, who can open and make a blob (None: nobody else)."""

    name: str
    how: Callable[[], Mechanism]
    open: Callable[[bytes], bytes] | None
    make: Callable[[bytes], bytes] | None
    family: ciphers.BlockCipher = AES


def _target(stage: Stage) -> int:
    return stage.bench.kept("wrapped", lambda: stage.bench.secret("CKK_AES", WRAPPED, "CKA_ENCRYPT"))


def _symmetric(way: Wrapping) -> tuple[Recipe, Recipe]:
    def blob(stage: Stage) -> bytes:
        return C.WrapKey(stage.session, way.how(), way.family.handle(stage, *USES), _target(stage))

    def wrap(stage: Stage) -> str:
        made = blob(stage)
        if way.open is None:
            return ITSELF
        try:
            opened = way.open(made)
        except (keywrap.InvalidUnwrap, ValueError):
            opened = b""
        same(opened, WRAPPED, f"the key in a blob of {len(made)} bytes")
        return BY

    def unwrap(stage: Stage) -> str:
        made = blob(stage) if way.make is None else way.make(WRAPPED)
        key = way.family.handle(stage, *USES)
        again = _unwrapped(stage, way.how(), key, made)
        same(stage.bench.value(again), WRAPPED, "the unwrapped key")
        return ITSELF if way.make is None else BY

    return Recipe(way.name, "CKF_WRAP", wrap), Recipe(way.name, "CKF_UNWRAP", unwrap)


def _unwrapped(stage: Stage, how: Mechanism, key: int, blob: bytes) -> int:
    wanted = stage.bench.wanted("CKK_AES", None, "CKA_ENCRYPT")
    return stage.mine(C.UnwrapKey(stage.session, how, key, blob, wanted))


def _open_pad(blob: bytes) -> bytes:
    found = unwrap_pad(blob)
    return found[0] if found else b""


def _cbc_ways(family: ciphers.BlockCipher) -> tuple[Wrapping, ...]:
    iv, bits = ciphers.IV[: family.block], 8 * family.block
    ecb, cbc, pad = (f"CKM_{family.stem}_{mode}" for mode in ("ECB", "CBC", "CBC_PAD"))
    if family.algorithm is None:
        return tuple(
            Wrapping(name, partial(mechanism, name, p), None, None, family)
            for name, p in ((ecb, None), (cbc, iv), (pad, iv))
        )

    def opened(mode: Any, blob: bytes) -> bytes:
        decryptor = family.cipher(mode).decryptor()
        made: bytes = decryptor.update(blob) + decryptor.finalize()
        return made

    def sealed(mode: Any, value: bytes) -> bytes:
        encryptor = family.cipher(mode).encryptor()
        made: bytes = encryptor.update(value) + encryptor.finalize()
        return made

    def unpadded(blob: bytes) -> bytes:
        unpadder = padding.PKCS7(bits).unpadder()
        return unpadder.update(opened(modes.CBC(iv), blob)) + unpadder.finalize()

    def padded(value: bytes) -> bytes:
        padder = padding.PKCS7(bits).padder()
        return sealed(modes.CBC(iv), padder.update(value) + padder.finalize())

    return (
        Wrapping(
            ecb,
            lambda: mechanism(ecb),
            lambda b: opened(modes.ECB(), b),
            lambda v: sealed(modes.ECB(), v),
            family,
        ),
        Wrapping(
            cbc,
            lambda: mechanism(cbc, iv),
            lambda b: opened(modes.CBC(iv), b),
            lambda v: sealed(modes.CBC(iv), v),
            family,
        ),
        Wrapping(pad, lambda: mechanism(pad, iv), unpadded, padded, family),
    )


WAYS = (
    *(way for family in ciphers.FAMILIES for way in _cbc_ways(family)),
    Wrapping(
        "CKM_AES_KEY_WRAP",
        lambda: mechanism("CKM_AES_KEY_WRAP"),
        lambda blob: keywrap.aes_key_unwrap(AES.key, blob),
        lambda value: keywrap.aes_key_wrap(AES.key, value),
    ),
    Wrapping("CKM_AES_KEY_WRAP_PAD", lambda: mechanism("CKM_AES_KEY_WRAP_PAD"), _open_pad, None),
    Wrapping(
        "CKM_AES_KEY_WRAP_KWP",
        lambda: mechanism("CKM_AES_KEY_WRAP_KWP"),
        lambda blob: keywrap.aes_key_unwrap_with_padding(AES.key, blob),
        lambda value: keywrap.aes_key_wrap_with_padding(AES.key, value),
    ),
    Wrapping(
        "CKM_AES_KEY_WRAP_PKCS7",
        lambda: mechanism("CKM_AES_KEY_WRAP_PKCS7"),
        _open_pad,
        None,
    ),
    Wrapping(
        "CKM_AES_GCM",
        lambda: mechanism("CKM_AES_GCM", mechanisms.gcm(ciphers.NONCE)),
        lambda blob: aead.AESGCM(AES.key).decrypt(ciphers.NONCE, blob, None),
        lambda value: aead.AESGCM(AES.key).encrypt(ciphers.NONCE, value, None),
    ),
)


def _rsa(stage: Stage) -> Pair:
    return rsa_pair(stage.bench)


def _rsa_transport(name: str, parameter: Callable[[], Any], scheme: Any) -> tuple[Recipe, ...]:
    """RSA with a padding: a message and a key, each way, the other side by pyca (where the private key is known)."""

    def how() -> Mechanism:
        return mechanism(name, parameter())

    def opened(stage: Stage, sealed: bytes, expected: bytes) -> str:
        pair = _rsa(stage)
        if len(sealed) != 256:
            raise Wrong(f"a ciphertext of {len(sealed)} bytes under a modulus of 256")
        if pair.ours is None:
            C.DecryptInit(stage.session, how(), pair.private)
            same(C.Decrypt(stage.session, sealed), expected, "the plaintext")
            return ITSELF
        same(pair.ours.decrypt(sealed, scheme), expected, "the plaintext")
        return BY

    def encrypt(stage: Stage) -> str:
        C.EncryptInit(stage.session, how(), _rsa(stage).public)
        return opened(stage, C.Encrypt(stage.session, MESSAGE), MESSAGE)

    def decrypt(stage: Stage) -> str:
        C.DecryptInit(stage.session, how(), _rsa(stage).private)
        sealed = _rsa(stage).theirs.encrypt(MESSAGE, scheme)
        same(C.Decrypt(stage.session, sealed), MESSAGE, "the plaintext")
        return BY

    def wrap(stage: Stage) -> str:
        blob = C.WrapKey(stage.session, how(), _rsa(stage).public, _target(stage))
        return opened(stage, blob, WRAPPED)

    def unwrap(stage: Stage) -> str:
        blob = _rsa(stage).theirs.encrypt(WRAPPED, scheme)
        again = _unwrapped(stage, how(), _rsa(stage).private, blob)
        same(stage.bench.value(again), WRAPPED, "the unwrapped key")
        return BY

    uses = {"CKF_ENCRYPT": encrypt, "CKF_DECRYPT": decrypt, "CKF_WRAP": wrap, "CKF_UNWRAP": unwrap}
    return tuple(Recipe(name, flag, run) for flag, run in uses.items())


def _raw_rsa() -> tuple[Recipe, ...]:
    data = b"\0" + bytes(range(255))

    def encrypt(stage: Stage) -> str:
        C.EncryptInit(stage.session, "CKM_RSA_X_509", _rsa(stage).public)
        public = _rsa(stage).theirs.public_numbers()
        power = pow(int.from_bytes(data, "big"), public.e, public.n).to_bytes(256, "big")
        same(C.Encrypt(stage.session, data), power, "a power")
        return "Python's integers"

    def decrypt(stage: Stage) -> str:
        public = _rsa(stage).theirs.public_numbers()
        power = pow(int.from_bytes(data, "big"), public.e, public.n).to_bytes(256, "big")
        C.DecryptInit(stage.session, "CKM_RSA_X_509", _rsa(stage).private)
        same(C.Decrypt(stage.session, power), data, "the plaintext")
        return "Python's integers"

    return (
        Recipe("CKM_RSA_X_509", "CKF_ENCRYPT", encrypt),
        Recipe("CKM_RSA_X_509", "CKF_DECRYPT", decrypt),
    )


RECIPES: tuple[Recipe, ...] = (
    *(recipe for way in WAYS for recipe in _symmetric(way)),
    *_rsa_transport("CKM_RSA_PKCS", lambda: None, PKCS1),
    *_rsa_transport("CKM_RSA_PKCS_OAEP", lambda: mechanisms.rsa_oaep("SHA-1"), OAEP),
    *_raw_rsa(),
)
