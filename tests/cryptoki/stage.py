"""Where the scenarios of ``scenarios.py`` play: a token, a session, and keys that are made when asked for."""

from __future__ import annotations

from functools import cached_property

from workbench import spec
from workbench.cryptoki import C, Mechanism, Parameter
from workbench.keys import KeyPair, generate_key_pair
from workbench.tokens import Session, Token

__all__ = ["BLOCK", "CBC", "SECRET", "USABLE", "Stage", "message"]

CBC = Mechanism(spec.value("CKM_AES_CBC"), b"\1" * 16)
SECRET = b"a known secret of 32 bytes length"[:32]
BLOCK = b"sixteen bytes..."
USABLE = {"CKA_TOKEN": False, "CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False}


class Stage:
    """A token with a session, and keys made when a scenario asks for them."""

    def __init__(self, token: Token, session: Session) -> None:
        self.token, self.session, self.module = token, session, token.module

    @cached_property
    def rsa(self) -> KeyPair:
        """A pair that also recovers, where it may be a session object."""
        if not self.token.offers("session-objects"):
            return generate_key_pair(self.session, "RSA", token=True)  # the token is thrown away
        public = {"CKA_MODULUS_BITS": 2048, "CKA_PUBLIC_EXPONENT": b"\1\0\1", "CKA_TOKEN": False}
        can = {"CKA_VERIFY": True, "CKA_VERIFY_RECOVER": True, "CKA_ENCRYPT": True, "CKA_WRAP": True}
        private = {"CKA_SIGN": True, "CKA_SIGN_RECOVER": True, "CKA_DECRYPT": True, "CKA_TOKEN": False}
        made = C.GenerateKeyPair(self.session, "CKM_RSA_PKCS_KEY_PAIR_GEN", {**public, **can}, private)
        return KeyPair(self.session, "RSA", *made)

    @cached_property
    def aes(self) -> int:
        """A key for everything that AES does."""
        can = dict.fromkeys(("CKA_ENCRYPT", "CKA_DECRYPT", "CKA_WRAP", "CKA_UNWRAP"), True)
        return C.GenerateKey(self.session, "CKM_AES_KEY_GEN", {"CKA_VALUE_LEN": 32, **can, **USABLE})

    @cached_property
    def secret(self) -> int:
        """A generic secret of a known value, to sign and verify with."""
        template = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_GENERIC_SECRET", "CKA_VALUE": SECRET}
        return C.CreateObject(self.session, {**template, "CKA_SIGN": True, "CKA_VERIFY": True, **USABLE})

    def data(self, label: str = "every function") -> int:
        """A data object."""
        return C.CreateObject(self.session, {"CKA_CLASS": "CKO_DATA", "CKA_LABEL": label, "CKA_VALUE": b"x"})

    @cached_property
    def kem(self) -> tuple[int, int]:
        """An ML-KEM-768 pair."""
        public = {"CKA_PARAMETER_SET": 2, "CKA_ENCAPSULATE": True, "CKA_TOKEN": False}
        private = {"CKA_DECAPSULATE": True, "CKA_TOKEN": False}
        return C.GenerateKeyPair(self.session, "CKM_ML_KEM_KEY_PAIR_GEN", public, private)

    @cached_property
    def cipher(self) -> tuple[Mechanism | str, int, int]:
        """A mechanism with the keys that encrypt and decrypt: AES-CBC, or RSA where there is none."""
        if self.token.offers("CKM_AES_CBC", "CKM_AES_KEY_GEN"):
            return CBC, self.aes, self.aes
        return "CKM_RSA_PKCS", self.rsa.public_handle, self.rsa.private_handle

    @cached_property
    def signer(self) -> tuple[Mechanism | str, int, int]:
        """A mechanism with the keys that sign and verify: HMAC, or RSA where no secret can be imported."""
        if self.token.offers("session-objects", "CKM_SHA256_HMAC"):
            return "CKM_SHA256_HMAC", self.secret, self.secret
        return "CKM_SHA256_RSA_PKCS", self.rsa.private_handle, self.rsa.public_handle

    def begin_encryption(self) -> None:
        how, key, _ = self.cipher
        C.EncryptInit(self.session, how, key)

    def begin_decryption(self) -> bytes:
        """Begin to decrypt; the ciphertext of ``BLOCK``."""
        self.begin_encryption()
        encrypted = C.Encrypt(self.session, BLOCK)
        how, _, key = self.cipher
        C.DecryptInit(self.session, how, key)
        return encrypted

    def begin_mac(self) -> None:
        how, key, _ = self.signer
        C.SignInit(self.session, how, key)

    def mac(self, message: bytes) -> bytes:
        self.begin_mac()
        return C.Sign(self.session, message)

    def begin_check(self) -> None:
        how, _, key = self.signer
        C.VerifyInit(self.session, how, key)

    def signature(self) -> bytes:
        C.SignInit(self.session, "CKM_SHA256_RSA_PKCS", self.rsa.private)
        return C.Sign(self.session, b"abc")


def message(tag: bytes = bytes(16)) -> Parameter:
    """The parameter of one AES-GCM message: an IV that the caller chose, and room for the tag."""
    fixed = {"ulIvFixedBits": 0, "ivGenerator": spec.value("CKG_NO_GENERATE"), "ulTagBits": 128}
    return Parameter("CK_GCM_MESSAGE_PARAMS", {"pIv": b"\5" * 12, **fixed, "pTag": tag})
