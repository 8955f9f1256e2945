"""The functions of the standard without their prefix: ``C.Sign`` is C_Sign. One line each, by chapter."""

from __future__ import annotations

from workbench.cryptoki.annotation import annotate
from workbench.cryptoki.asynchronous import (
    C_AsyncComplete as AsyncComplete,
)
from workbench.cryptoki.asynchronous import (
    C_AsyncGetID as AsyncGetID,
)
from workbench.cryptoki.asynchronous import (
    C_AsyncJoin as AsyncJoin,
)
from workbench.cryptoki.call import length_of
from workbench.cryptoki.decryption import (
    C_Decrypt as Decrypt,
)
from workbench.cryptoki.decryption import (
    C_DecryptFinal as DecryptFinal,
)
from workbench.cryptoki.decryption import (
    C_DecryptInit as DecryptInit,
)
from workbench.cryptoki.decryption import (
    C_DecryptUpdate as DecryptUpdate,
)
from workbench.cryptoki.digesting import (
    C_Digest as Digest,
)
from workbench.cryptoki.digesting import (
    C_DigestFinal as DigestFinal,
)
from workbench.cryptoki.digesting import (
    C_DigestInit as DigestInit,
)
from workbench.cryptoki.digesting import (
    C_DigestKey as DigestKey,
)
from workbench.cryptoki.digesting import (
    C_DigestUpdate as DigestUpdate,
)
from workbench.cryptoki.dual import (
    C_DecryptDigestUpdate as DecryptDigestUpdate,
)
from workbench.cryptoki.dual import (
    C_DecryptVerifyUpdate as DecryptVerifyUpdate,
)
from workbench.cryptoki.dual import (
    C_DigestEncryptUpdate as DigestEncryptUpdate,
)
from workbench.cryptoki.dual import (
    C_SignEncryptUpdate as SignEncryptUpdate,
)
from workbench.cryptoki.encryption import (
    C_Encrypt as Encrypt,
)
from workbench.cryptoki.encryption import (
    C_EncryptFinal as EncryptFinal,
)
from workbench.cryptoki.encryption import (
    C_EncryptInit as EncryptInit,
)
from workbench.cryptoki.encryption import (
    C_EncryptUpdate as EncryptUpdate,
)
from workbench.cryptoki.general import (
    C_Finalize as Finalize,
)
from workbench.cryptoki.general import (
    C_GetFunctionList as GetFunctionList,
)
from workbench.cryptoki.general import (
    C_GetInfo as GetInfo,
)
from workbench.cryptoki.general import (
    C_GetInterface as GetInterface,
)
from workbench.cryptoki.general import (
    C_GetInterfaceList as GetInterfaceList,
)
from workbench.cryptoki.general import (
    C_Initialize as Initialize,
)
from workbench.cryptoki.keys import (
    C_DecapsulateKey as DecapsulateKey,
)
from workbench.cryptoki.keys import (
    C_DeriveKey as DeriveKey,
)
from workbench.cryptoki.keys import (
    C_EncapsulateKey as EncapsulateKey,
)
from workbench.cryptoki.keys import (
    C_GenerateKey as GenerateKey,
)
from workbench.cryptoki.keys import (
    C_GenerateKeyPair as GenerateKeyPair,
)
from workbench.cryptoki.keys import (
    C_UnwrapKey as UnwrapKey,
)
from workbench.cryptoki.keys import (
    C_UnwrapKeyAuthenticated as UnwrapKeyAuthenticated,
)
from workbench.cryptoki.keys import (
    C_WrapKey as WrapKey,
)
from workbench.cryptoki.keys import (
    C_WrapKeyAuthenticated as WrapKeyAuthenticated,
)
from workbench.cryptoki.message_decryption import (
    C_DecryptMessage as DecryptMessage,
)
from workbench.cryptoki.message_decryption import (
    C_DecryptMessageBegin as DecryptMessageBegin,
)
from workbench.cryptoki.message_decryption import (
    C_DecryptMessageNext as DecryptMessageNext,
)
from workbench.cryptoki.message_decryption import (
    C_MessageDecryptFinal as MessageDecryptFinal,
)
from workbench.cryptoki.message_decryption import (
    C_MessageDecryptInit as MessageDecryptInit,
)
from workbench.cryptoki.message_encryption import (
    C_EncryptMessage as EncryptMessage,
)
from workbench.cryptoki.message_encryption import (
    C_EncryptMessageBegin as EncryptMessageBegin,
)
from workbench.cryptoki.message_encryption import (
    C_EncryptMessageNext as EncryptMessageNext,
)
from workbench.cryptoki.message_encryption import (
    C_MessageEncryptFinal as MessageEncryptFinal,
)
from workbench.cryptoki.message_encryption import (
    C_MessageEncryptInit as MessageEncryptInit,
)
from workbench.cryptoki.message_signing import (
    C_MessageSignFinal as MessageSignFinal,
)
from workbench.cryptoki.message_signing import (
    C_MessageSignInit as MessageSignInit,
)
from workbench.cryptoki.message_signing import (
    C_SignMessage as SignMessage,
)
from workbench.cryptoki.message_signing import (
    C_SignMessageBegin as SignMessageBegin,
)
from workbench.cryptoki.message_signing import (
    C_SignMessageNext as SignMessageNext,
)
from workbench.cryptoki.message_verifying import (
    C_MessageVerifyFinal as MessageVerifyFinal,
)
from workbench.cryptoki.message_verifying import (
    C_MessageVerifyInit as MessageVerifyInit,
)
from workbench.cryptoki.message_verifying import (
    C_VerifyMessage as VerifyMessage,
)
from workbench.cryptoki.message_verifying import (
    C_VerifyMessageBegin as VerifyMessageBegin,
)
from workbench.cryptoki.message_verifying import (
    C_VerifyMessageNext as VerifyMessageNext,
)
from workbench.cryptoki.objects import (
    C_CopyObject as CopyObject,
)
from workbench.cryptoki.objects import (
    C_CreateObject as CreateObject,
)
from workbench.cryptoki.objects import (
    C_DestroyObject as DestroyObject,
)
from workbench.cryptoki.objects import (
    C_FindObjects as FindObjects,
)
from workbench.cryptoki.objects import (
    C_FindObjectsFinal as FindObjectsFinal,
)
from workbench.cryptoki.objects import (
    C_FindObjectsInit as FindObjectsInit,
)
from workbench.cryptoki.objects import (
    C_GetAttributeValue as GetAttributeValue,
)
from workbench.cryptoki.objects import (
    C_GetObjectSize as GetObjectSize,
)
from workbench.cryptoki.objects import (
    C_SetAttributeValue as SetAttributeValue,
)
from workbench.cryptoki.parallel import (
    C_CancelFunction as CancelFunction,
)
from workbench.cryptoki.parallel import (
    C_GetFunctionStatus as GetFunctionStatus,
)
from workbench.cryptoki.random import (
    C_GenerateRandom as GenerateRandom,
)
from workbench.cryptoki.random import (
    C_SeedRandom as SeedRandom,
)
from workbench.cryptoki.sessions import (
    C_CloseAllSessions as CloseAllSessions,
)
from workbench.cryptoki.sessions import (
    C_CloseSession as CloseSession,
)
from workbench.cryptoki.sessions import (
    C_GetOperationState as GetOperationState,
)
from workbench.cryptoki.sessions import (
    C_GetSessionInfo as GetSessionInfo,
)
from workbench.cryptoki.sessions import (
    C_GetSessionValidationFlags as GetSessionValidationFlags,
)
from workbench.cryptoki.sessions import (
    C_Login as Login,
)
from workbench.cryptoki.sessions import (
    C_LoginUser as LoginUser,
)
from workbench.cryptoki.sessions import (
    C_Logout as Logout,
)
from workbench.cryptoki.sessions import (
    C_OpenSession as OpenSession,
)
from workbench.cryptoki.sessions import (
    C_SessionCancel as SessionCancel,
)
from workbench.cryptoki.sessions import (
    C_SetOperationState as SetOperationState,
)
from workbench.cryptoki.signing import (
    C_Sign as Sign,
)
from workbench.cryptoki.signing import (
    C_SignFinal as SignFinal,
)
from workbench.cryptoki.signing import (
    C_SignInit as SignInit,
)
from workbench.cryptoki.signing import (
    C_SignRecover as SignRecover,
)
from workbench.cryptoki.signing import (
    C_SignRecoverInit as SignRecoverInit,
)
from workbench.cryptoki.signing import (
    C_SignUpdate as SignUpdate,
)
from workbench.cryptoki.slots import (
    C_GetMechanismInfo as GetMechanismInfo,
)
from workbench.cryptoki.slots import (
    C_GetMechanismList as GetMechanismList,
)
from workbench.cryptoki.slots import (
    C_GetSlotInfo as GetSlotInfo,
)
from workbench.cryptoki.slots import (
    C_GetSlotList as GetSlotList,
)
from workbench.cryptoki.slots import (
    C_GetTokenInfo as GetTokenInfo,
)
from workbench.cryptoki.slots import (
    C_InitPIN as InitPIN,
)
from workbench.cryptoki.slots import (
    C_InitToken as InitToken,
)
from workbench.cryptoki.slots import (
    C_SetPIN as SetPIN,
)
from workbench.cryptoki.slots import (
    C_WaitForSlotEvent as WaitForSlotEvent,
)
from workbench.cryptoki.verifying import (
    C_Verify as Verify,
)
from workbench.cryptoki.verifying import (
    C_VerifyFinal as VerifyFinal,
)
from workbench.cryptoki.verifying import (
    C_VerifyInit as VerifyInit,
)
from workbench.cryptoki.verifying import (
    C_VerifyRecover as VerifyRecover,
)
from workbench.cryptoki.verifying import (
    C_VerifyRecoverInit as VerifyRecoverInit,
)
from workbench.cryptoki.verifying import (
    C_VerifySignature as VerifySignature,
)
from workbench.cryptoki.verifying import (
    C_VerifySignatureFinal as VerifySignatureFinal,
)
from workbench.cryptoki.verifying import (
    C_VerifySignatureInit as VerifySignatureInit,
)
from workbench.cryptoki.verifying import (
    C_VerifySignatureUpdate as VerifySignatureUpdate,
)
from workbench.cryptoki.verifying import (
    C_VerifyUpdate as VerifyUpdate,
)

__all__ = [
    "AsyncComplete",
    "AsyncGetID",
    "AsyncJoin",
    "CancelFunction",
    "CloseAllSessions",
    "CloseSession",
    "CopyObject",
    "CreateObject",
    "DecapsulateKey",
    "Decrypt",
    "DecryptDigestUpdate",
    "DecryptFinal",
    "DecryptInit",
    "DecryptMessage",
    "DecryptMessageBegin",
    "DecryptMessageNext",
    "DecryptUpdate",
    "DecryptVerifyUpdate",
    "DeriveKey",
    "DestroyObject",
    "Digest",
    "DigestEncryptUpdate",
    "DigestFinal",
    "DigestInit",
    "DigestKey",
    "DigestUpdate",
    "EncapsulateKey",
    "Encrypt",
    "EncryptFinal",
    "EncryptInit",
    "EncryptMessage",
    "EncryptMessageBegin",
    "EncryptMessageNext",
    "EncryptUpdate",
    "Finalize",
    "FindObjects",
    "FindObjectsFinal",
    "FindObjectsInit",
    "GenerateKey",
    "GenerateKeyPair",
    "GenerateRandom",
    "GetAttributeValue",
    "GetFunctionList",
    "GetFunctionStatus",
    "GetInfo",
    "GetInterface",
    "GetInterfaceList",
    "GetMechanismInfo",
    "GetMechanismList",
    "GetObjectSize",
    "GetOperationState",
    "GetSessionInfo",
    "GetSessionValidationFlags",
    "GetSlotInfo",
    "GetSlotList",
    "GetTokenInfo",
    "InitPIN",
    "InitToken",
    "Initialize",
    "Login",
    "LoginUser",
    "Logout",
    "MessageDecryptFinal",
    "MessageDecryptInit",
    "MessageEncryptFinal",
    "MessageEncryptInit",
    "MessageSignFinal",
    "MessageSignInit",
    "MessageVerifyFinal",
    "MessageVerifyInit",
    "OpenSession",
    "SeedRandom",
    "SessionCancel",
    "SetAttributeValue",
    "SetOperationState",
    "SetPIN",
    "Sign",
    "SignEncryptUpdate",
    "SignFinal",
    "SignInit",
    "SignMessage",
    "SignMessageBegin",
    "SignMessageNext",
    "SignRecover",
    "SignRecoverInit",
    "SignUpdate",
    "UnwrapKey",
    "UnwrapKeyAuthenticated",
    "Verify",
    "VerifyFinal",
    "VerifyInit",
    "VerifyMessage",
    "VerifyMessageBegin",
    "VerifyMessageNext",
    "VerifyRecover",
    "VerifyRecoverInit",
    "VerifySignature",
    "VerifySignatureFinal",
    "VerifySignatureInit",
    "VerifySignatureUpdate",
    "VerifyUpdate",
    "WaitForSlotEvent",
    "WrapKey",
    "WrapKeyAuthenticated",
    "length_of",
]

annotate(__name__)
