"""What `inspect` asks of a token: steps of reads, each of a cost that is known before it begins.

A production device is told what it will be asked, call for call. So a step has no loop whose length shows only
on the way: a search takes all handles in one call, and one that comes back full is made again as a step of its
own. Every step is a function for ``Worker.run``; beside it stands what it costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import attrs

from workbench import spec
from workbench.cryptoki import C, CryptokiError, SessionHandle, Template, trace
from workbench.cryptoki.attributes import AttributeValue, attribute_name, decode
from workbench.cryptoki.records import Info, Interface, MechanismInfo, SlotInfo, TokenInfo
from workbench.inspection.holdings import TokenObject, attributes_of
from workbench.tokens import Cost

if TYPE_CHECKING:
    from workbench.tokens import Token

__all__ = [
    "CLOSE",
    "LOOK",
    "ROOM",
    "Answered",
    "Found",
    "Look",
    "MechanismRow",
    "Terms",
    "announce",
    "attribute_cost",
    "class_cost",
    "close_session",
    "find",
    "find_again",
    "find_again_cost",
    "find_cost",
    "look",
    "mechanism_cost",
    "needs_login",
    "read_classes",
    "read_mechanisms",
    "read_objects",
    "terms",
]

T = TypeVar("T")
Calls = dict[str, int]  # function → how often; a Cost that can be added to

ROOM = 4096  # handles that one C_FindObjects is offered room for
LOOK: Calls = {"C_GetInfo": 1, "C_GetSlotInfo": 1, "C_GetTokenInfo": 1, "C_GetMechanismList": 2}
CLOSE: Calls = {"C_CloseSession": 1}
_CLASS = "CKA_CLASS"
# Where an unfiltered search is refused: certificates, the profiles that the token claims, and what the owner names.
_FEW: tuple[Template, ...] = ({"CKA_CLASS": "CKO_CERTIFICATE"}, {"CKA_CLASS": "CKO_PROFILE"})


@attrs.frozen
class Answered(Generic[T]):
    """What a step found, and the calls that it made."""

    value: T
    asked: Cost


@attrs.frozen
class Terms:
    """On what terms a token may be read.

    ``searches``: templates of what is looked for, the empty one for everything; ``login``: what a login costs;
    ``max_rate``: operations per second that its budget allows, None for no limit.
    """

    policy: str
    searches: tuple[Template, ...]
    login: Cost
    max_rate: float | None

    @property
    def whole(self) -> bool:
        """Whether all objects are looked for."""
        return {} in self.searches


@attrs.frozen
class Look:
    """What a token says of itself without a session. ``mechanisms``: their numbers, ascending."""

    module_path: str
    module: Info
    interfaces: tuple[Interface, ...]
    slot_number: int
    slot: SlotInfo
    token: TokenInfo
    mechanisms: tuple[int, ...]


@attrs.frozen
class MechanismRow:
    """A listed mechanism: its info, or the CKR with which C_GetMechanismInfo refused it."""

    number: int
    info: MechanismInfo | None
    refused: str | None = None

    @property
    def name(self) -> str:
        """The CKM name; ``CKM_0x80000123`` where the standard has none."""
        return spec.name("CKM", self.number)


@attrs.frozen
class Found:
    """The session that stays open for the next steps, and for each search its handles."""

    session: int
    handles: tuple[tuple[int, ...], ...]


def _counted(work: Callable[[], T]) -> Answered[T]:
    with trace() as calls:
        value = work()
    return Answered(value, dict(Counter(calls.functions())))


def terms(token: Token) -> Terms:
    """The terms for this token. Asks it nothing."""
    found = token.origin
    named: tuple[Template, ...] = tuple(key.uri.template() for key in found.keys)
    searches = (*named, *_FEW) if found.standing == "production" else ({},)
    rate = None if found.budget is None else found.budget.max_rate
    return Terms(token.policy.name, searches, token.login_cost, rate)


def announce(token: Token, cost: Cost) -> str:
    """Put calls to the token's guard before they are made; the announcement in words. Asks the token nothing.

    Errors: ``PolicyRefusal`` where they are beyond its budget.
    """
    return token.announce(cost)


def look(token: Token) -> Answered[Look]:
    """Module, slot, token and the list of mechanisms; costs ``LOOK``."""

    def ask() -> Look:
        module, slot = token.module, token.slot
        return Look(
            module.path,
            C.GetInfo(module),
            module.library.interfaces,
            slot,
            C.GetSlotInfo(module, slot),
            C.GetTokenInfo(module, slot),
            tuple(sorted(C.GetMechanismList(module, slot))),
        )

    return _counted(ask)


def mechanism_cost(numbers: Sequence[int]) -> Cost:
    """What ``read_mechanisms`` costs."""
    return {"C_GetMechanismInfo": len(numbers)}


def read_mechanisms(token: Token, numbers: Sequence[int]) -> Answered[tuple[MechanismRow, ...]]:
    """Key sizes and flags of these mechanisms."""

    def ask(number: int) -> MechanismRow:
        try:
            return MechanismRow(number, C.GetMechanismInfo(token.module, token.slot, number))
        except CryptokiError as error:
            return MechanismRow(number, None, error.name)

    return _counted(lambda: tuple([ask(number) for number in numbers]))


def needs_login(info: TokenInfo) -> bool:
    """Whether private objects show only after a login, and there is a PIN to log in with."""
    return {"CKF_LOGIN_REQUIRED", "CKF_USER_PIN_INITIALIZED"} <= set(info.flag_names)


def find_cost(searches: Sequence[Template], login: Cost | None) -> Cost:
    """What ``find`` costs. ``login``: what a login costs, None for a search without one."""
    return {"C_OpenSession": 1, **(login or {}), **_search_cost(len(searches))}


def _search_cost(count: int) -> Calls:
    return {"C_FindObjectsInit": count, "C_FindObjects": count, "C_FindObjectsFinal": count}


def find(token: Token, searches: Sequence[Template], login: bool) -> Answered[Found]:
    """Open a read-only session, log the user in if asked to, and search; the session stays open.

    Of each search at most ``ROOM`` handles: one that fills it has more, which ``find_again`` finds.
    """

    def ask() -> Found:
        session = token.session(rw=False, login=login)
        try:
            handles = tuple([_search(session.handle, template, ROOM) for template in searches])
        except BaseException:
            session.close()
            raise
        return Found(int(session.handle), handles)

    return _counted(ask)


def find_again_cost() -> Cost:
    """What ``find_again`` costs."""
    return _search_cost(1)


def find_again(token: Token, session: int, template: Template, room: int) -> Answered[tuple[int, ...]]:
    """One search once more, with room for so many handles."""
    return _counted(lambda: _search(_opened(token, session), template, room))


def _search(session: SessionHandle, template: Template, room: int) -> tuple[int, ...]:
    C.FindObjectsInit(session, template)
    try:
        return tuple(C.FindObjects(session, room))
    finally:
        C.FindObjectsFinal(session)


def _opened(token: Token, session: int) -> SessionHandle:
    """The session that ``find`` left open; between the steps it travels as its number."""
    return SessionHandle(session, token.module, token.slot)


def class_cost(handles: Sequence[int]) -> Cost:
    """What ``read_classes`` costs: the size of CKA_CLASS is known, so one call for each object."""
    return {"C_GetAttributeValue": len(handles)}


def read_classes(token: Token, session: int, handles: Sequence[int]) -> Answered[tuple[int | None, ...]]:
    """CKA_CLASS of each object; None where the token does not tell."""
    opened = _opened(token, session)

    def ask(handle: int) -> int | None:
        values, _ = _attributes(opened, handle, (_CLASS,))
        return cast("int | None", values.get(_CLASS))

    return _counted(lambda: tuple([ask(handle) for handle in handles]))


def attribute_cost(count: int) -> Cost:
    """What ``read_objects`` costs: lengths and values of each object's attributes, then the session's end."""
    return {"C_GetAttributeValue": 2 * count} | CLOSE


def read_objects(
    token: Token, session: int, objects: Sequence[tuple[int, int | None]]
) -> Answered[tuple[TokenObject, ...]]:
    """The attributes that ``attributes_of`` names for each object, given as (handle, CKA_CLASS).

    Closes the session. A value that the token keeps back, or does not have, is absent.
    """
    opened = _opened(token, session)

    def ask(handle: int, number: int | None) -> TokenObject:
        values, refused = _attributes(opened, handle, attributes_of(number))
        return TokenObject(handle, number, values, refused)

    def ask_all() -> tuple[TokenObject, ...]:
        try:
            return tuple([ask(handle, number) for handle, number in objects])
        finally:
            C.CloseSession(opened)

    return _counted(ask_all)


def close_session(token: Token, session: int) -> Answered[None]:
    """The session's end, where no object is left to be read; costs ``CLOSE``."""
    return _counted(lambda: C.CloseSession(_opened(token, session)))


def _attributes(
    session: SessionHandle, handle: int, names: Sequence[str]
) -> tuple[dict[str, AttributeValue], str | None]:
    """The values that the token gives, and the CKR where it gives none at all."""
    try:
        values = C.GetAttributeValue(session, handle, names)
        return {name: value for name, value in values.items() if value is not None}, None
    except CryptokiError as error:
        if not error.results:
            return {}, error.name
        rows = cast("list[tuple[int, Any]]", error.results[0])
        return {attribute_name(n): decode(n, raw) for n, raw in rows if isinstance(raw, bytes)}, None
