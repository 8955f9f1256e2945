"""Keys that this run did not make: found by the name that workbench.toml gives them, used as it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workbench import spec
from workbench.cryptoki import C, SessionHandle
from workbench.cryptoki.attributes import KEPT_BACK
from workbench.faults import WorkbenchError
from workbench.keys.encodings import CURVES
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

# One call reads them: of the modulus its length alone, and each token answers those that its key has.
_READ: tuple[tuple[str, int | None], ...] = (
    ("CKA_CLASS", 8),
    ("CKA_KEY_TYPE", 8),
    ("CKA_ALWAYS_AUTHENTICATE", 1),
    ("CKA_VALUE_LEN", 8),
    ("CKA_EC_PARAMS", 64),
    ("CKA_MODULUS", None),
)


@attrs.frozen
class NamedKey:
    """A foreign key: ``handle`` serves in the calls of its ``uses``, and in no others.

    ``bits``: of the modulus or the secret; ``curve``: its name, where the key is on one that we know.
    ``always_authenticate``: the user must log in anew for every use (CKU_CONTEXT_SPECIFIC); no loop uses it.
    """

    name: str
    handle: int
    object_class: str
    key_type: str
    bits: int
    curve: str
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
    template = {**allowed.uri.template(), "CKA_TOKEN": True}  # a session object is nobody's key
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
    values = _read(session.handle, found[0])
    token.policy.vouch_for(found[0], session.handle, allowed.allow)
    secret, modulus, params = values["CKA_VALUE_LEN"], values["CKA_MODULUS"], values["CKA_EC_PARAMS"]
    return NamedKey(
        name,
        found[0],
        spec.name("CKO", _number(values["CKA_CLASS"])),
        spec.name("CKK", _number(values["CKA_KEY_TYPE"])),
        8 * (modulus if isinstance(modulus, int) else _number(secret)),
        _curve(params),
        allowed.allow,
        bool(_number(values["CKA_ALWAYS_AUTHENTICATE"])),
    )


def _read(session: SessionHandle, handle: int) -> dict[str, bytes | int | None]:
    template = [(spec.value(name), room) for name, room in _READ]
    arguments = (session, handle, template)
    _, results = session.module.call("C_GetAttributeValue", arguments, session.slot, session, KEPT_BACK)
    return {name: answer for (name, _), (_, answer) in zip(_READ, results[0], strict=True)}


def _number(value: bytes | int | None) -> int:
    return int.from_bytes(value, "little") if isinstance(value, bytes) else 0


def _curve(params: bytes | int | None) -> str:
    return next((name for name, curve in CURVES.items() if curve.params == params), "")
