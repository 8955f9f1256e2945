"""Keys that this run did not make: found by the name that workbench.toml gives them, used as it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workbench import spec
from workbench.cryptoki import C
from workbench.faults import WorkbenchError
from workbench.tokens.guard import Guard

if TYPE_CHECKING:
    from workbench.tokens.session import Session
    from workbench.tokens.spending import Cost
    from workbench.tokens.token import Token

__all__ = ["FINDING", "NamedKey", "find_key"]

FINDING: Cost = {
    "C_FindObjectsInit": 1,
    "C_FindObjects": 1,
    "C_FindObjectsFinal": 1,
    "C_GetAttributeValue": 1,
}
"""What finding one key asks of the token."""

# Of fixed size, so that one call gives them.
_READ = ("CKA_CLASS", "CKA_KEY_TYPE", "CKA_ALWAYS_AUTHENTICATE")
_READ_PUBLIC = ("CKA_CLASS", "CKA_KEY_TYPE")
_PRIVATE = spec.value("CKO_PRIVATE_KEY")


@attrs.frozen
class NamedKey:
    """A foreign key: ``handle`` serves in the calls of its ``uses``, and in no others.

    ``always_authenticate``: the user must log in anew for every use (CKU_CONTEXT_SPECIFIC); no loop uses it.
    """

    name: str
    handle: int
    object_class: str
    key_type: str
    uses: frozenset[str]
    always_authenticate: bool


def find_key(token: Token, session: Session, name: str) -> NamedKey:
    """Find the key on the token. Errors: ``WorkbenchError`` unless exactly one object fits."""
    from workbench.tokens.origin import DeclaredOrigin

    if not isinstance(token.origin, DeclaredOrigin) or not isinstance(token.policy, Guard):
        raise WorkbenchError(f"token {token.name!r} is a sandbox: its keys are found with session.find")
    declared = {key.name: key for key in token.origin.declared.keys}
    if name not in declared:
        listed = ", ".join(declared) or "none"
        raise WorkbenchError(
            f"token {token.name!r} has no key {name!r} in workbench.toml; it names: {listed}"
        )
    allowed = declared[name]
    template = allowed.uri.template()
    if allowed.uri.type is None:
        template["CKA_CLASS"] = "CKO_PRIVATE_KEY" if "sign" in allowed.allow else "CKO_PUBLIC_KEY"
    C.FindObjectsInit(session, template)
    found = C.FindObjects(session, 2)
    C.FindObjectsFinal(session)
    if len(found) != 1:
        many = "no key" if not found else "more than one key"
        raise WorkbenchError(
            f"token {token.name!r} has {many} that fits {allowed.uri} ({name!r} in workbench.toml)"
        )
    private = template["CKA_CLASS"] == "CKO_PRIVATE_KEY"
    values = C.GetAttributeValue(session, found[0], _READ if private else _READ_PUBLIC)
    token.policy.vouch_for(found[0], allowed.allow)
    return NamedKey(
        name,
        found[0],
        spec.name("CKO", _number(values["CKA_CLASS"])),
        spec.name("CKK", _number(values["CKA_KEY_TYPE"])),
        allowed.allow,
        bool(values.get("CKA_ALWAYS_AUTHENTICATE", False)),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
