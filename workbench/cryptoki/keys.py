"""Chapter 5.18: key management."""

from __future__ import annotations

from workbench.cryptoki.attributes import Template, encode_template
from workbench.cryptoki.call import on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = ["C_DeriveKey", "C_GenerateKey", "C_GenerateKeyPair", "C_UnwrapKey", "C_WrapKey"]


def C_GenerateKey(hSession: SessionLike, pMechanism: Mechanism | str | int, pTemplate: Template) -> int:
    """Generate a secret key or domain parameters (5.18.1); the handle."""
    handle: int = on_session(hSession, "C_GenerateKey", mechanism(pMechanism), encode_template(pTemplate))[0]
    return handle


def C_GenerateKeyPair(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    pPublicKeyTemplate: Template,
    pPrivateKeyTemplate: Template,
) -> tuple[int, int]:
    """Generate a key pair (5.18.2); the handles ``(public, private)``."""
    public, private = on_session(
        hSession,
        "C_GenerateKeyPair",
        mechanism(pMechanism),
        encode_template(pPublicKeyTemplate),
        encode_template(pPrivateKeyTemplate),
    )
    return public, private


def C_WrapKey(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    hWrappingKey: ObjectLike,
    hKey: ObjectLike,
    pWrappedKey: int | None = None,
) -> bytes:
    """Encrypt a key under another (5.18.3). ``pWrappedKey``: the size of the buffer offered; None offers plenty."""
    wrapping, key = object_handle(hWrappingKey), object_handle(hKey)
    return sized(hSession, "C_WrapKey", mechanism(pMechanism), wrapping, key, room=pWrappedKey)


def C_UnwrapKey(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    hUnwrappingKey: ObjectLike,
    pWrappedKey: bytes,
    pTemplate: Template,
) -> int:
    """Decrypt a wrapped key into a new key object (5.18.4); its handle."""
    unwrapping, template = object_handle(hUnwrappingKey), encode_template(pTemplate)
    handle: int = on_session(
        hSession, "C_UnwrapKey", mechanism(pMechanism), unwrapping, pWrappedKey, template
    )[0]
    return handle


def C_DeriveKey(
    hSession: SessionLike, pMechanism: Mechanism | str | int, hBaseKey: ObjectLike, pTemplate: Template
) -> int:
    """Derive a key from another (5.18.5); its handle."""
    base, template = object_handle(hBaseKey), encode_template(pTemplate)
    handle: int = on_session(hSession, "C_DeriveKey", mechanism(pMechanism), base, template)[0]
    return handle
