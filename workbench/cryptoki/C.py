"""The functions of the standard without their prefix: ``C.Sign`` is C_Sign. One line each, by chapter."""

from __future__ import annotations

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
    C_GetInfo as GetInfo,
)
from workbench.cryptoki.general import (
    C_Initialize as Initialize,
)
from workbench.cryptoki.keys import (
    C_DeriveKey as DeriveKey,
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
    C_WrapKey as WrapKey,
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
    C_GetSessionInfo as GetSessionInfo,
)
from workbench.cryptoki.sessions import (
    C_Login as Login,
)
from workbench.cryptoki.sessions import (
    C_Logout as Logout,
)
from workbench.cryptoki.sessions import (
    C_OpenSession as OpenSession,
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
    C_VerifyUpdate as VerifyUpdate,
)

__all__ = [
    "CloseAllSessions",
    "CloseSession",
    "CopyObject",
    "CreateObject",
    "Decrypt",
    "DecryptFinal",
    "DecryptInit",
    "DecryptUpdate",
    "DeriveKey",
    "DestroyObject",
    "Digest",
    "DigestFinal",
    "DigestInit",
    "DigestKey",
    "DigestUpdate",
    "Encrypt",
    "EncryptFinal",
    "EncryptInit",
    "EncryptUpdate",
    "Finalize",
    "FindObjects",
    "FindObjectsFinal",
    "FindObjectsInit",
    "GenerateKey",
    "GenerateKeyPair",
    "GenerateRandom",
    "GetAttributeValue",
    "GetInfo",
    "GetMechanismInfo",
    "GetMechanismList",
    "GetObjectSize",
    "GetSessionInfo",
    "GetSlotInfo",
    "GetSlotList",
    "GetTokenInfo",
    "InitPIN",
    "InitToken",
    "Initialize",
    "Login",
    "Logout",
    "OpenSession",
    "SeedRandom",
    "SetAttributeValue",
    "SetPIN",
    "Sign",
    "SignFinal",
    "SignInit",
    "SignUpdate",
    "UnwrapKey",
    "Verify",
    "VerifyFinal",
    "VerifyInit",
    "VerifyUpdate",
    "WaitForSlotEvent",
    "WrapKey",
    "length_of",
]
