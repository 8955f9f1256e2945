"""The operations that can be measured, and the calls that each of them consists of."""

from __future__ import annotations

from workbench.faults import WorkbenchError

__all__ = ["ALONE", "CLEANING", "MULTI_PART", "OPERATIONS", "QUERIES", "TIMED", "calls_of"]

# The kernel's number of each operation is its place here.
OPERATIONS: dict[str, tuple[str, ...]] = {
    "sign": ("C_SignInit", "C_Sign"),
    "verify": ("C_VerifyInit", "C_Verify"),
    "encrypt": ("C_EncryptInit", "C_Encrypt"),
    "decrypt": ("C_DecryptInit", "C_Decrypt"),
    "digest": ("C_DigestInit", "C_Digest"),
    "random": ("C_GenerateRandom",),
    "seed": ("C_SeedRandom",),
    "generate_key": ("C_GenerateKey", "C_DestroyObject"),
    "generate_key_pair": ("C_GenerateKeyPair", "C_DestroyObject", "C_DestroyObject"),
    "wrap": ("C_WrapKey",),
    "unwrap": ("C_UnwrapKey", "C_DestroyObject"),
    "derive": ("C_DeriveKey", "C_DestroyObject"),
    "encapsulate": ("C_EncapsulateKey", "C_DestroyObject"),
    "decapsulate": ("C_DecapsulateKey", "C_DestroyObject"),
    "find": ("C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal"),
    "attributes": ("C_GetAttributeValue",),
    "session": ("C_OpenSession", "C_CloseSession"),
    "login": ("C_Login", "C_Logout"),
    "initialize": ("C_Finalize", "C_Initialize"),
}
# What is made by an operation is destroyed before the next one: never on the clock, but in the wall time.
CLEANING = frozenset({"C_DestroyObject"})
# In parts, the second call gives way to these (5.8.3 to 5.16.5): so many updates, and the final call.
MULTI_PART: dict[str, tuple[str, str]] = {
    "sign": ("C_SignUpdate", "C_SignFinal"),
    "verify": ("C_VerifyUpdate", "C_VerifyFinal"),
    "encrypt": ("C_EncryptUpdate", "C_EncryptFinal"),
    "decrypt": ("C_DecryptUpdate", "C_DecryptFinal"),
    "digest": ("C_DigestUpdate", "C_DigestFinal"),
}
# Single calls that many programs make twice, the first time to learn how long the answer will be (5.2).
QUERIES = {
    "sign": "C_Sign",
    "encrypt": "C_Encrypt",
    "decrypt": "C_Decrypt",
    "digest": "C_Digest",
    "wrap": "C_WrapKey",
}
# They end what every other session of the process holds: one thread, in a worker of their own.
ALONE = frozenset({"login", "initialize"})
# Which calls the clock is on: all, the first (C_…Init, C_OpenSession, C_Login; of initialize: C_Initialize), or the
# others. Operations of one call, cleaning aside, have no parts to tell apart.
TIMED = ("all", "init", "rest")


def calls_of(operation: str, parts: int = 0, length_query: bool = False) -> tuple[str, ...]:
    """The functions of one operation in order, each as often as it is called.

    Errors: ``WorkbenchError`` for an operation that is none, or that has no parts or no length to ask for.
    """
    if operation not in OPERATIONS:
        raise WorkbenchError(f"no operation {operation!r}; one of {', '.join(OPERATIONS)}")
    calls = OPERATIONS[operation]
    if parts and operation not in MULTI_PART:
        raise WorkbenchError(f"{operation} is not done in parts; what is: {', '.join(MULTI_PART)}")
    if length_query and (parts or operation not in QUERIES):
        raise WorkbenchError(
            f"a length query goes before a single call of {', '.join(QUERIES)}, not before {operation}"
            + (" in parts" if parts else "")
        )
    if parts:
        update, final = MULTI_PART[operation]
        return (calls[0], *[update] * parts, final)
    if length_query:
        place = calls.index(QUERIES[operation])
        return (*calls[:place], calls[place], *calls[place:])
    return calls
