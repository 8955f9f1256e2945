"""One small scenario for each of the 104 functions: sensible arguments, and a look at what came of it.

A scenario gives False where the result is not what the standard promises; None or anything else is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from stage import BLOCK, SECRET, USABLE, Stage, message

from workbench import spec
from workbench.cryptoki import C, Parameter, errors, mechanism
from workbench.keys import CURVES

__all__ = ["scenarios"]

Scenarios = dict[str, Callable[[], object]]
SHA256 = hashlib.sha256(b"abc").digest()
KEM = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_GENERIC_SECRET", "CKA_VALUE_LEN": 32, **USABLE}
AES_KEY = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES", "CKA_ENCRYPT": True, **USABLE}


def _encrypted_message(stage: Stage) -> tuple[bytes, Parameter]:
    C.MessageEncryptInit(stage.session, "CKM_AES_GCM", stage.aes)
    ciphertext, used = C.EncryptMessage(stage.session, message(), b"header", b"abc")
    C.MessageEncryptFinal(stage.session)
    assert isinstance(used, Parameter)
    return ciphertext, used


def _signed_message(stage: Stage) -> bytes:
    C.MessageSignInit(stage.session, "CKM_SHA256_RSA_PKCS", stage.rsa.private)
    return C.SignMessage(stage.session, None, b"abc")


def _general(stage: Stage) -> Scenarios:
    t, m = stage.token, stage.module

    def again() -> bool:
        m.call("C_Finalize", ())
        C.Initialize(m)
        t.find_slot()
        return True

    return {
        "C_Initialize": again,
        "C_Finalize": again,
        "C_GetInfo": lambda: C.GetInfo(m).cryptokiVersion >= (2, 20),
        "C_GetFunctionList": lambda: C.GetFunctionList(m) >= (2, 20),
        "C_GetInterfaceList": lambda: any(one.name == "PKCS 11" for one in C.GetInterfaceList(m)),
        "C_GetInterface": lambda: C.GetInterface(m).name == "PKCS 11",
        "C_GetSlotList": lambda: t.slot in C.GetSlotList(m),
        "C_GetSlotInfo": lambda: "CKF_TOKEN_PRESENT" in C.GetSlotInfo(m, t.slot).flag_names,
        "C_GetTokenInfo": lambda: C.GetTokenInfo(m, t.slot).label == t.label,
        "C_WaitForSlotEvent": lambda: C.WaitForSlotEvent(m),
        "C_GetMechanismList": lambda: spec.value("CKM_ECDSA") in C.GetMechanismList(m, t.slot),
        "C_GetMechanismInfo": lambda: "CKF_SIGN" in C.GetMechanismInfo(m, t.slot, "CKM_ECDSA").flag_names,
    }


def _sessions(stage: Stage) -> Scenarios:
    s, t, m = stage.session, stage.token, stage.module

    def user() -> None:
        C.Logout(s)
        C.Login(s, "CKU_USER", t.pin)

    def by_name() -> None:
        C.Logout(s)
        C.LoginUser(s, "CKU_USER", t.pin, "")

    def user_pin_set() -> None:
        C.Login(s, "CKU_SO", b"" if t.name.startswith("nss") else t.so_pin)  # NSS: none after C_InitToken
        C.InitPIN(s, t.pin)
        C.Logout(s)
        C.Login(s, "CKU_USER", t.pin)

    def another_pin() -> None:
        assert t.pin is not None
        another = t.pin.reveal()[1:] + t.pin.reveal()[:1]  # openCryptoki wants a new one to be new
        C.SetPIN(s, t.pin, another)
        C.SetPIN(s, another, t.pin)

    def resumed() -> None:
        C.DigestInit(s, "CKM_SHA256")
        C.DigestUpdate(s, b"a")
        state = C.GetOperationState(s)
        C.DigestFinal(s)
        C.SetOperationState(s, state)
        C.DigestUpdate(s, b"bc")
        assert C.DigestFinal(s) == SHA256

    def cancelled() -> None:
        stage.begin_mac()
        C.SessionCancel(s, spec.value("CKF_SIGN"))
        try:
            C.Sign(s, b"abc")
        except errors.error_class("CKR_OPERATION_NOT_INITIALIZED"):
            return
        raise AssertionError("the operation was not cancelled")

    def all_closed() -> None:
        C.CloseAllSessions(m, t.slot)
        try:
            C.GetSessionInfo(s)
        except errors.error_class("CKR_SESSION_HANDLE_INVALID"):
            return
        raise AssertionError("the session is still open")

    def initialised() -> None:
        C.CloseAllSessions(m, t.slot)
        C.InitToken(m, t.slot, t.so_pin, t.label)

    return {
        "C_InitToken": initialised,
        "C_InitPIN": user_pin_set,
        "C_SetPIN": another_pin,
        "C_OpenSession": lambda: C.CloseSession(C.OpenSession(m, t.slot)),
        "C_CloseSession": lambda: C.CloseSession(C.OpenSession(m, t.slot)),
        "C_CloseAllSessions": all_closed,
        "C_GetSessionInfo": lambda: C.GetSessionInfo(s).state_name == "CKS_RW_USER_FUNCTIONS",
        "C_GetOperationState": resumed,
        "C_SetOperationState": resumed,
        "C_Login": user,
        "C_LoginUser": by_name,
        "C_Logout": user,
        "C_SessionCancel": cancelled,
        "C_GetSessionValidationFlags": lambda: C.GetSessionValidationFlags(s) >= 0,
    }


def _objects(stage: Stage) -> Scenarios:
    s = stage.session

    def label(handle: int) -> object:
        return C.GetAttributeValue(s, handle, ["CKA_LABEL"])["CKA_LABEL"]

    def renamed() -> bool:
        handle = stage.data()
        C.SetAttributeValue(s, handle, {"CKA_LABEL": "another"})
        return label(handle) == "another"

    def destroyed() -> bool:
        C.DestroyObject(s, stage.data("gone"))
        return s.find({"CKA_LABEL": "gone"}) == []

    def found() -> bool:
        return stage.data("found") in s.find({"CKA_LABEL": "found"})

    return {
        "C_CreateObject": lambda: label(stage.data()) == "every function",
        "C_CopyObject": lambda: label(C.CopyObject(s, stage.data(), {"CKA_LABEL": "copy"})) == "copy",
        "C_DestroyObject": destroyed,
        "C_GetObjectSize": lambda: C.GetObjectSize(s, stage.data()) >= 0,
        "C_GetAttributeValue": lambda: label(stage.data()) == "every function",
        "C_SetAttributeValue": renamed,
        "C_FindObjectsInit": found,
        "C_FindObjects": found,
        "C_FindObjectsFinal": found,
    }


def _ciphers(stage: Stage) -> Scenarios:
    s = stage.session

    def there_and_back() -> bool:
        return C.Decrypt(s, stage.begin_decryption()) == BLOCK

    def in_parts() -> bool:
        stage.begin_encryption()
        encrypted = C.EncryptUpdate(s, BLOCK) + C.EncryptFinal(s)
        how, _, key = stage.cipher
        C.DecryptInit(s, how, key)
        return C.DecryptUpdate(s, encrypted) + C.DecryptFinal(s) == BLOCK

    def messages() -> bool:
        ciphertext, used = _encrypted_message(stage)
        C.MessageDecryptInit(s, "CKM_AES_GCM", stage.aes)
        plain = C.DecryptMessage(s, used, b"header", ciphertext)
        C.MessageDecryptFinal(s)
        return plain == b"abc"

    def encrypted_parts() -> bytes:
        C.MessageEncryptInit(s, "CKM_AES_GCM", stage.aes)
        used = C.EncryptMessageBegin(s, message(), b"header")
        ciphertext, _ = C.EncryptMessageNext(s, used, b"abc", flags="CKF_END_OF_MESSAGE")
        C.MessageEncryptFinal(s)
        return ciphertext

    def decrypted_parts() -> bool:
        ciphertext, used = _encrypted_message(stage)
        C.MessageDecryptInit(s, "CKM_AES_GCM", stage.aes)
        C.DecryptMessageBegin(s, used, b"header")
        plain = C.DecryptMessageNext(s, used, ciphertext, flags="CKF_END_OF_MESSAGE")
        C.MessageDecryptFinal(s)
        return plain == b"abc"

    return {
        **dict.fromkeys(("C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt"), there_and_back),
        **dict.fromkeys(("C_EncryptUpdate", "C_EncryptFinal", "C_DecryptUpdate", "C_DecryptFinal"), in_parts),
        **dict.fromkeys(
            (
                "C_MessageEncryptInit", "C_EncryptMessage", "C_MessageEncryptFinal",
                "C_MessageDecryptInit", "C_DecryptMessage", "C_MessageDecryptFinal",
            ),
            messages,
        ),
        **dict.fromkeys(("C_EncryptMessageBegin", "C_EncryptMessageNext"), lambda: len(encrypted_parts()) == 3),
        **dict.fromkeys(("C_DecryptMessageBegin", "C_DecryptMessageNext"), decrypted_parts),
    }  # fmt: skip


def _digests(stage: Stage) -> Scenarios:
    s = stage.session

    def whole() -> bool:
        C.DigestInit(s, "CKM_SHA256")
        return C.Digest(s, b"abc") == SHA256

    def in_parts() -> bool:
        C.DigestInit(s, "CKM_SHA256")
        C.DigestUpdate(s, b"ab")
        C.DigestUpdate(s, b"c")
        return C.DigestFinal(s) == SHA256

    def of_a_key() -> bool:
        C.DigestInit(s, "CKM_SHA256")
        C.DigestKey(s, stage.secret)
        return C.DigestFinal(s) == hashlib.sha256(SECRET).digest()

    return {
        **dict.fromkeys(("C_DigestInit", "C_Digest"), whole),
        **dict.fromkeys(("C_DigestUpdate", "C_DigestFinal"), in_parts),
        "C_DigestKey": of_a_key,
    }


def _signatures(stage: Stage) -> Scenarios:
    s = stage.session

    def whole() -> None:
        mac = stage.mac(b"abc")
        stage.begin_check()
        C.Verify(s, b"abc", mac)

    def in_parts() -> None:
        stage.begin_mac()
        C.SignUpdate(s, b"abc")
        mac = C.SignFinal(s)
        stage.begin_check()
        C.VerifyUpdate(s, b"abc")
        C.VerifyFinal(s, mac)

    def recovered() -> bool:
        C.SignRecoverInit(s, "CKM_RSA_PKCS", stage.rsa.private)
        signature = C.SignRecover(s, b"abc")
        C.VerifyRecoverInit(s, "CKM_RSA_PKCS", stage.rsa.public)
        return C.VerifyRecover(s, signature) == b"abc"

    def known_first() -> None:
        signature = stage.signature()
        C.VerifySignatureInit(s, "CKM_SHA256_RSA_PKCS", stage.rsa.public, signature)
        C.VerifySignature(s, b"abc")

    def known_first_in_parts() -> None:
        signature = stage.signature()
        C.VerifySignatureInit(s, "CKM_SHA256_RSA_PKCS", stage.rsa.public, signature)
        C.VerifySignatureUpdate(s, b"abc")
        C.VerifySignatureFinal(s)

    def messages() -> None:
        signature = _signed_message(stage)
        C.MessageSignFinal(s)
        C.MessageVerifyInit(s, "CKM_SHA256_RSA_PKCS", stage.rsa.public)
        C.VerifyMessage(s, None, b"abc", signature)
        C.MessageVerifyFinal(s)

    def signed_parts() -> bytes:
        C.MessageSignInit(s, "CKM_SHA256_RSA_PKCS", stage.rsa.private)
        C.SignMessageBegin(s, None)
        return C.SignMessageNext(s, None, b"abc", pSignature=None)

    def verified_parts() -> None:
        signature = stage.signature()
        C.MessageVerifyInit(s, "CKM_SHA256_RSA_PKCS", stage.rsa.public)
        C.VerifyMessageBegin(s, None)
        C.VerifyMessageNext(s, None, b"abc", signature)

    recovering = ("C_SignRecoverInit", "C_SignRecover", "C_VerifyRecoverInit", "C_VerifyRecover")
    signing = ("C_MessageSignInit", "C_SignMessage", "C_MessageSignFinal")
    verifying = ("C_MessageVerifyInit", "C_VerifyMessage", "C_MessageVerifyFinal")
    parts = ("C_SignUpdate", "C_SignFinal", "C_VerifyUpdate", "C_VerifyFinal")
    return {
        **dict.fromkeys(("C_SignInit", "C_Sign", "C_VerifyInit", "C_Verify"), whole),
        **dict.fromkeys(parts, in_parts),
        **dict.fromkeys(recovering, recovered),
        **dict.fromkeys(("C_VerifySignatureInit", "C_VerifySignature"), known_first),
        **dict.fromkeys(("C_VerifySignatureUpdate", "C_VerifySignatureFinal"), known_first_in_parts),
        **dict.fromkeys((*signing, *verifying), messages),
        **dict.fromkeys(("C_SignMessageBegin", "C_SignMessageNext"), lambda: len(signed_parts()) == 256),
        **dict.fromkeys(("C_VerifyMessageBegin", "C_VerifyMessageNext"), verified_parts),
    }


def _both_at_once(stage: Stage) -> Scenarios:
    s = stage.session

    def digest_encrypt() -> bool:
        C.DigestInit(s, "CKM_SHA256")
        stage.begin_encryption()
        encrypted = C.DigestEncryptUpdate(s, BLOCK)
        return len(encrypted) == 16 and C.DigestFinal(s) == hashlib.sha256(BLOCK).digest()

    def decrypt_digest() -> bool:
        encrypted = stage.begin_decryption()
        C.DigestInit(s, "CKM_SHA256")
        return C.DecryptDigestUpdate(s, encrypted) == BLOCK

    def sign_encrypt() -> bool:
        stage.begin_mac()
        stage.begin_encryption()
        return len(C.SignEncryptUpdate(s, BLOCK)) == 16

    def decrypt_verify() -> bool:
        encrypted = stage.begin_decryption()
        stage.begin_check()
        return C.DecryptVerifyUpdate(s, encrypted) == BLOCK

    return {
        "C_DigestEncryptUpdate": digest_encrypt,
        "C_DecryptDigestUpdate": decrypt_digest,
        "C_SignEncryptUpdate": sign_encrypt,
        "C_DecryptVerifyUpdate": decrypt_verify,
    }


def _keys(stage: Stage) -> Scenarios:
    s = stage.session

    def value(handle: int) -> object:
        return C.GetAttributeValue(s, handle, ["CKA_VALUE"])["CKA_VALUE"]

    def wrapped() -> tuple[int, bytes]:
        key = C.GenerateKey(s, "CKM_AES_KEY_GEN", {"CKA_VALUE_LEN": 16, **USABLE})
        return key, C.WrapKey(s, "CKM_AES_KEY_WRAP", stage.aes, key)

    def unwrapped() -> bool:
        key, blob = wrapped()
        again = C.UnwrapKey(s, "CKM_AES_KEY_WRAP", stage.aes, blob, AES_KEY)
        return value(again) == value(key)

    def authenticated() -> bool:
        key = C.GenerateKey(s, "CKM_AES_KEY_GEN", {"CKA_VALUE_LEN": 16, **USABLE})
        how = mechanism("CKM_AES_GCM", message())
        blob = C.WrapKeyAuthenticated(s, how, stage.aes, key, b"header")
        again = C.UnwrapKeyAuthenticated(s, how, stage.aes, blob, AES_KEY, b"header")
        return value(again) == value(key)

    def derived() -> bool:
        curve = {"CKA_EC_PARAMS": CURVES["P-256"].params, "CKA_TOKEN": False}
        derives = {"CKA_DERIVE": True, "CKA_TOKEN": False}
        theirs, ours = C.GenerateKeyPair(s, "CKM_EC_KEY_PAIR_GEN", curve, derives)
        point = C.GetAttributeValue(s, theirs, ["CKA_EC_POINT"])["CKA_EC_POINT"]
        assert isinstance(point, bytes)
        agreement = Parameter("CK_ECDH1_DERIVE_PARAMS", {"kdf": 1, "pPublicData": point[-65:]})
        template = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_GENERIC_SECRET", "CKA_VALUE_LEN": 32}
        handle = C.DeriveKey(s, mechanism("CKM_ECDH1_DERIVE", agreement), ours, {**template, **USABLE})
        return handle > 0

    def encapsulated() -> bool:
        public, private = stage.kem
        ciphertext, secret = C.EncapsulateKey(s, "CKM_ML_KEM", public, KEM)
        again = C.DecapsulateKey(s, "CKM_ML_KEM", private, KEM, ciphertext)
        return len(ciphertext) == 1088 and value(again) == value(secret)

    return {
        "C_GenerateKey": lambda: stage.aes > 0,
        "C_GenerateKeyPair": lambda: stage.rsa.public_handle != stage.rsa.private_handle,
        "C_WrapKey": lambda: len(wrapped()[1]) == 24,
        "C_UnwrapKey": unwrapped,
        **dict.fromkeys(("C_WrapKeyAuthenticated", "C_UnwrapKeyAuthenticated"), authenticated),
        "C_DeriveKey": derived,
        **dict.fromkeys(("C_EncapsulateKey", "C_DecapsulateKey"), encapsulated),
    }


def _the_rest(stage: Stage) -> Scenarios:
    s = stage.session
    return {
        "C_SeedRandom": lambda: C.SeedRandom(s, b"a seed of some bytes"),
        "C_GenerateRandom": lambda: len(C.GenerateRandom(s, 32)) == 32,
        "C_GetFunctionStatus": lambda: C.GetFunctionStatus(s),
        "C_CancelFunction": lambda: C.CancelFunction(s),
        "C_AsyncComplete": lambda: C.AsyncComplete(s, "C_Sign"),
        "C_AsyncGetID": lambda: C.AsyncGetID(s, "C_Sign"),
        "C_AsyncJoin": lambda: C.AsyncJoin(s, "C_Sign", 1, 16),
    }


def scenarios(stage: Stage) -> Scenarios:
    """The scenarios by function, ready to play on this stage."""
    tables = (
        _general, _sessions, _objects, _ciphers, _digests, _signatures, _both_at_once, _keys, _the_rest,
    )  # fmt: skip
    return {name: call for table in tables for name, call in table(stage).items()}
