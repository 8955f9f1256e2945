"""Sessions: how many there may be, what they share, what they leave behind."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from workbench import spec
from workbench.cryptoki import AttributeValue, C, CryptokiError, SessionHandle, SessionLike, operations
from workbench.inspection.probe import objects
from workbench.inspection.probe.judging import code_of
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "sessions"
MANY = 4096
DATA: dict[str, AttributeValue] = {"CKA_CLASS": "CKO_DATA", "CKA_TOKEN": False, "CKA_VALUE": b"x"}


def trials(survey: Survey) -> list[Trial]:
    """The trials; a login of the SO only on a sandbox."""
    made = [
        Trial(FAMILY, "number", "at once", number, (survey.most_sessions,), seconds=90),
        Trial(FAMILY, "session object", "seen by other sessions", seen_by_others),
        Trial(FAMILY, "session object", "after its session", after_its_session),
        Trial(FAMILY, "read-only session", "token object", read_only),
        Trial(FAMILY, "login", "shared by sessions", login_shared),
    ]
    if survey.policy == "sandbox":
        made.append(Trial(FAMILY, "read-only session", "SO login beside it", so_beside_read_only))
    return made


def _found(subject: str, aspect: str, outcome: Outcome, detail: str, code: str | None = None) -> Finding:
    return Finding(FAMILY, subject, aspect, outcome, detail, code)


def number(token: Token, most: int | None) -> list[Finding]:
    """Open sessions until the token refuses, or there are many, or one more than it says it can; close them again."""
    module, slot = token.module, token.slot
    before = token.info.ulSessionCount
    goal = MANY if most is None else min(MANY, most + 1)
    opened: list[SessionHandle] = []
    code = None
    try:
        for _ in range(goal):
            opened.append(C.OpenSession(module, slot, 0))
    except CryptokiError as error:
        code = error.name
    finally:
        during = token.info.ulSessionCount
        for handle in opened:
            with suppress(CryptokiError):
                C.CloseSession(handle)
    after = token.info.ulSessionCount
    return [
        _number_found(len(opened), code, most),
        _count_found(len(opened), before, during, after),
    ]


def _number_found(opened: int, code: str | None, most: int | None) -> Finding:
    place = "number", "at once"
    if code is None and most is not None and opened > most:
        return _found(*place, Outcome.DEVIATES, f"{opened} opened, ulMaxSessionCount says {most}")
    if code is None:
        return _found(*place, Outcome.OBSERVED, f"{opened} opened, and no limit was met")
    said = "no limit is announced" if most is None else f"ulMaxSessionCount says {most}"
    fits = code == "CKR_SESSION_COUNT"
    detail = f"{opened} opened, then refused; {said}"
    return _found(*place, Outcome.OBSERVED if fits else Outcome.DEVIATES, detail, code)


def _count_found(opened: int, before: int | None, during: int | None, after: int | None) -> Finding:
    place = "number", "ulSessionCount"
    if before is None or during is None or after is None:
        return _found(*place, Outcome.OBSERVED, "the token does not count")
    if after != before:
        return _found(*place, Outcome.WRONG, f"{before} before, {after} after all were closed again")
    if during - before != opened:
        return _found(*place, Outcome.DEVIATES, f"{opened} opened, and the count rose by {during - before}")
    return _found(*place, Outcome.VERIFIED, "rises with each session, and falls again")


def _seen_and_destroyed(session: SessionLike, label: str) -> bool:
    """Whether the session finds the object; it is destroyed then, for some tokens keep what they were told not to."""
    found = list(operations.finding(session, {"CKA_LABEL": label}))
    for handle in found:
        C.DestroyObject(session, handle)
    return bool(found)


def seen_by_others(token: Token) -> list[Finding]:
    """A session object belongs to the application: its other sessions find it (4.4)."""
    objects.bench(token)  # stays logged in: a guest's budget has two logins
    label = token.run_label("shared")
    with token.session() as first, token.session() as second:
        try:
            C.CreateObject(first, {**DATA, "CKA_LABEL": label})
        except CryptokiError as error:
            return [_found("session object", "seen by other sessions", Outcome.NOT_OFFERED, "", error.name)]
        seen = _seen_and_destroyed(second, label)
    if seen:
        return [
            _found("session object", "seen by other sessions", Outcome.VERIFIED, "another session finds it")
        ]
    detail = "another session of this application does not find it"
    return [_found("session object", "seen by other sessions", Outcome.DEVIATES, detail)]


def after_its_session(token: Token) -> list[Finding]:
    """It goes when the session that made it closes (5.6.2)."""
    objects.bench(token)
    label = token.run_label("gone")
    place = "session object", "after its session"
    with token.session() as other:
        with token.session() as maker:
            try:
                C.CreateObject(maker, {**DATA, "CKA_LABEL": label})
            except CryptokiError as error:
                return [_found(*place, Outcome.NOT_OFFERED, "", error.name)]
        left = _seen_and_destroyed(other, label)
    if left:
        return [_found(*place, Outcome.WRONG, "it is still there")]
    return [_found(*place, Outcome.VERIFIED, "it is gone")]


def read_only(token: Token) -> list[Finding]:
    """A read-only session makes session objects, and no token objects."""
    objects.bench(token)
    rows = []
    with token.session(rw=False) as session:
        for lasting, aspect, right in (
            (True, "token object", "CKR_SESSION_READ_ONLY"),
            (False, "session object", "CKR_OK"),
        ):
            code = code_of(partial(_made_and_destroyed, session, lasting, token.run_label("read-only")))
            outcome = Outcome.VERIFIED if code == right else Outcome.DEVIATES
            rows.append(_found("read-only session", aspect, outcome, f"{right} is right", code))
    return rows


def _made_and_destroyed(session: SessionLike, lasting: bool, label: str) -> None:
    made = C.CreateObject(session, {**DATA, "CKA_TOKEN": lasting, "CKA_LABEL": label})
    C.DestroyObject(session, made)


def login_shared(token: Token) -> list[Finding]:
    """Who is logged in is logged in in every session (5.6.8)."""
    with (
        token.session(),
        token.session(rw=True, login=False) as rw,
        token.session(rw=False, login=False) as ro,
    ):
        states = [spec.name("CKS", C.GetSessionInfo(one).state) for one in (rw, ro)]
    right = ["CKS_RW_USER_FUNCTIONS", "CKS_RO_USER_FUNCTIONS"]
    outcome = Outcome.VERIFIED if states == right else Outcome.DEVIATES
    return [_found("login", "shared by sessions", outcome, " and ".join(states))]


def so_beside_read_only(token: Token) -> list[Finding]:
    """The SO may not log in while a read-only session is open (5.6.8). The right PIN is given, so that nothing is lost."""
    objects.clear(token)  # its session keeps the user logged in
    place = "read-only session", "SO login beside it"
    with token.session(login=False) as rw, token.session(rw=False, login=False):
        code = code_of(lambda: C.Login(rw, "CKU_SO", token.so_pin))
        if code == "CKR_OK":
            C.Logout(rw)
            return [_found(*place, Outcome.DEVIATES, "the SO was let in")]
    fits = code == "CKR_SESSION_READ_ONLY_EXISTS"
    detail = "" if fits else "CKR_SESSION_READ_ONLY_EXISTS is right"
    return [_found(*place, Outcome.VERIFIED if fits else Outcome.DEVIATES, detail, code)]
