"""Chapter 5.5: slots and tokens."""

from __future__ import annotations

from workbench import spec
from workbench.cryptoki.call import BUFFER_TOO_SMALL, on_module, on_session
from workbench.cryptoki.module import Module, SessionLike
from workbench.cryptoki.records import MechanismInfo, SlotInfo, TokenInfo
from workbench.cryptoki.secret import Secret, reveal

__all__ = [
    "C_GetMechanismInfo",
    "C_GetMechanismList",
    "C_GetSlotInfo",
    "C_GetSlotList",
    "C_GetTokenInfo",
    "C_InitPIN",
    "C_InitToken",
    "C_SetPIN",
    "C_WaitForSlotEvent",
]

DONT_BLOCK = spec.value("CKF_DONT_BLOCK")


def _listed(module: Module, function: str, *arguments: int, slot: int | None = None) -> list[int]:
    """A list whose length is asked first and may grow before the second call (5.2)."""
    count = on_module(module, function, *arguments, None, slot=slot)[0]
    while True:
        room = count if isinstance(count, int) else len(count)
        rv, results = module.call(function, (*arguments, room), slot, accept=(BUFFER_TOO_SMALL,))
        if not rv:
            return list(results[0])
        count = on_module(module, function, *arguments, None, slot=slot)[0]


def C_GetSlotList(module: Module, tokenPresent: bool = True) -> list[int]:
    """The slot numbers (5.5.1), of all slots or of those with a token. Numbers may change: find by label."""
    return _listed(module, "C_GetSlotList", int(tokenPresent))


def C_GetSlotInfo(module: Module, slotID: int) -> SlotInfo:
    """What the slot is (5.5.2)."""
    info: SlotInfo = on_module(module, "C_GetSlotInfo", slotID, slot=slotID)[0]
    return info


def C_GetTokenInfo(module: Module, slotID: int) -> TokenInfo:
    """What the token in the slot is: label, serial number, flags, limits (5.5.3)."""
    info: TokenInfo = on_module(module, "C_GetTokenInfo", slotID, slot=slotID)[0]
    return info


def C_WaitForSlotEvent(module: Module, flags: int = DONT_BLOCK) -> int:
    """The slot where a token came or went (5.5.4); CKR_NO_EVENT where none did."""
    slot: int = on_module(module, "C_WaitForSlotEvent", flags)[0]
    return slot


def C_GetMechanismList(module: Module, slotID: int) -> list[int]:
    """The numbers of the token's mechanisms (5.5.5), as the module gave them.

    PyKCS11 1.5.20's own ``getMechanismList()`` adds CKM_ML_DSA to every token; its low level does not.
    """
    return _listed(module, "C_GetMechanismList", slotID, slot=slotID)


def C_GetMechanismInfo(module: Module, slotID: int, type: int | str) -> MechanismInfo:
    """Key sizes and uses of one mechanism (5.5.6)."""
    number = spec.value(type) if isinstance(type, str) else type
    info: MechanismInfo = on_module(module, "C_GetMechanismInfo", slotID, number, slot=slotID)[0]
    return info


def C_InitToken(module: Module, slotID: int, pPin: Secret | str | bytes | None, pLabel: str) -> None:
    """Initialise the token (5.5.7): everything on it is destroyed. ``pPin``: the SO PIN; label: 32 bytes at most."""
    on_module(module, "C_InitToken", slotID, reveal(pPin), pLabel, slot=slotID)


def C_InitPIN(hSession: SessionLike, pPin: Secret | str | bytes | None) -> None:
    """Set the user's PIN (5.5.8), in a read/write session where the SO is logged in."""
    on_session(hSession, "C_InitPIN", reveal(pPin))


def C_SetPIN(
    hSession: SessionLike, pOldPin: Secret | str | bytes | None, pNewPin: Secret | str | bytes | None
) -> None:
    """Change the PIN of whoever is logged in, the user's if nobody is (5.5.9)."""
    on_session(hSession, "C_SetPIN", reveal(pOldPin), reveal(pNewPin))
