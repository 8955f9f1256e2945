"""Show what a module and the token in one of its slots say of themselves."""

from __future__ import annotations

import PyKCS11


def run(library: PyKCS11.PyKCS11Lib, slot: int, pin: str) -> None:
    info = library.getInfo()
    print("Library:", info.libraryDescription.strip(), info.libraryVersion)
    print("Slots:", len(library.getSlotList(tokenPresent=True)))
    print("Slot:", library.getSlotInfo(slot).slotDescription.strip())
    token = library.getTokenInfo(slot)
    print("Token:", token.label.strip(), token.flags2text())
    for mechanism in library.getMechanismList(slot)[:3]:
        print("Mechanism:", mechanism, library.getMechanismInfo(slot, mechanism).flags2text())
    session = library.openSession(slot)
    print("Session:", session.getSessionInfo().state2text())
    session.closeSession()
