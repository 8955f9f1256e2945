"""Chapter 5.18: key management."""

from __future__ import annotations

from workbench.cryptoki.attributes import Template, encode_template
from workbench.cryptoki.call import Room, filled, on_session, sized
from workbench.cryptoki.mechanisms import Mechanism, mechanism
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle

__all__ = [
    "C_DecapsulateKey",
    "C_DeriveKey",
    "C_EncapsulateKey",
    "C_GenerateKey",
    "C_GenerateKeyPair",
    "C_UnwrapKey",
    "C_UnwrapKeyAuthenticated",
    "C_WrapKey",
    "C_WrapKeyAuthenticated",
]


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


def C_WrapKeyAuthenticated(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    hWrappingKey: ObjectLike,
    hKey: ObjectLike,
    pAssociatedData: bytes = b"",
    pWrappedKey: int | None = None,
) -> bytes:
    """Encrypt a key under another by an AEAD mechanism (5.18.6, since v3.2)."""
    handles = object_handle(hWrappingKey), object_handle(hKey)
    function = "C_WrapKeyAuthenticated"
    return sized(hSession, function, mechanism(pMechanism), *handles, pAssociatedData, room=pWrappedKey)


def C_UnwrapKeyAuthenticated(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    hUnwrappingKey: ObjectLike,
    pWrappedKey: bytes,
    pTemplate: Template,
    pAssociatedData: bytes = b"",
) -> int:
    """Decrypt a key wrapped by an AEAD mechanism into a new key object (5.18.7, since v3.2); its handle."""
    arguments = (object_handle(hUnwrappingKey), pWrappedKey, encode_template(pTemplate), pAssociatedData)
    handle: int = on_session(hSession, "C_UnwrapKeyAuthenticated", mechanism(pMechanism), *arguments)[0]
    return handle


def C_EncapsulateKey(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    hPublicKey: ObjectLike,
    pTemplate: Template,
    pCiphertext: int | None = None,
) -> tuple[bytes, int]:
    """Make a shared secret for the holder of a public key (5.18.8, since v3.2): ``(ciphertext, key handle)``."""
    public, template = object_handle(hPublicKey), encode_template(pTemplate)
    arguments = (mechanism(pMechanism), public, template, Room(pCiphertext))
    ciphertext, handle = filled(hSession, "C_EncapsulateKey", *arguments)
    return ciphertext, handle


def C_DecapsulateKey(
    hSession: SessionLike,
    pMechanism: Mechanism | str | int,
    hPrivateKey: ObjectLike,
    pTemplate: Template,
    pCiphertext: bytes,
) -> int:
    """The shared secret from a ciphertext, by the private key (5.18.9, since v3.2); the key's handle."""
    private, template = object_handle(hPrivateKey), encode_template(pTemplate)
    arguments = (mechanism(pMechanism), private, template, pCiphertext)
    handle: int = on_session(hSession, "C_DecapsulateKey", *arguments)[0]
    return handle
