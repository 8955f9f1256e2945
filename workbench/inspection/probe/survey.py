"""What a token says of itself, read once before the trials: they are planned by it."""

from __future__ import annotations

from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki import C, CryptokiError
from workbench.tokens import Token

__all__ = ["Listed", "Survey", "survey"]


@attrs.frozen
class Listed:
    """A mechanism of the list as C_GetMechanismInfo describes it; sizes None where it was refused."""

    flags: frozenset[str]
    least: int | None
    most: int | None


@attrs.frozen
class Survey:
    """Policy, provenance, mechanisms by name, functions that have an address, and the limit of sessions (None: none said)."""

    policy: str
    provenance: dict[str, Any]
    mechanisms: dict[str, Listed]
    functions: frozenset[str]
    most_sessions: int | None


def survey(token: Token) -> Survey:
    """Ask for everything that takes no session."""
    module, slot = token.module, token.slot
    listed = {}
    for number in token.mechanisms:
        try:
            info = C.GetMechanismInfo(module, slot, number)
            row = Listed(frozenset(info.flag_names), info.ulMinKeySize, info.ulMaxKeySize)
        except CryptokiError:
            row = Listed(frozenset(), None, None)
        listed[spec.name("CKM", number)] = row
    most = token.info.ulMaxSessionCount
    return Survey(
        token.policy.name,
        token.provenance(),
        listed,
        frozenset(one.name for one in spec.functions() if module.native.missing(one.name) is None),
        most or None,  # 0: CK_EFFECTIVELY_INFINITE
    )
