"""Why a module does not load or log in: its file, its surroundings, then one call after the other."""

from __future__ import annotations

from collections.abc import Callable

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.inspection.check import Check
from workbench.inspection.diagnosis.calls import ask, login_cost
from workbench.inspection.diagnosis.file import look_at_file
from workbench.inspection.diagnosis.subject import Subject, subject
from workbench.inspection.diagnosis.surroundings import QUIET_SOURCES, look_around
from workbench.tokens import describe_cost

__all__ = ["diagnose"]

STEP_SECONDS = 60.0
ITSELF = ("file", "format", "entry point")  # the checks of the file alone, without what it needs


def diagnose(
    name: str,
    login: bool | None = None,
    seconds: float = STEP_SECONDS,
    on_announcement: Callable[[str], None] = lambda told: None,
) -> tuple[Check, ...]:
    """Look at a token, or at a module by its path, step by step, up to the first call that fails.

    ``login``: whether the user is logged in, once. None: on a sandbox, and on a guest whose PIN source troubles
    nobody; never on production. ``seconds``: how long one call may take. The module is loaded in a process of its
    own and, but for the login, asked only what changes nothing. ``on_announcement`` is told what a login will
    cost a token that is not ours, before it is tried.
    Errors: ``WorkbenchError`` for a name that nobody knows.
    """
    about = subject(name)
    start = (*about.found_out, _profile(about))
    if about.module is None:
        return (*start, _no_module(about))
    file = tuple(look_at_file(about.module, about.surroundings, about.elsewhere))
    if not about.ready:  # what the module needs around it is made when the token is
        later = Check("loading", "note", "not tried before the token is up")
        return (*start, *(check for check in file if check.name in ITSELF), later)
    around = tuple(look_around(about))
    if any(check.bad for check in file if check.name in ITSELF):
        return (*start, *file, *around)  # there is nothing to load
    pin = None
    logs_in = _wants_login(about, login, around)
    if logs_in:
        try:
            pin = tokens.asked_pin(about.name)
        except WorkbenchError as error:
            logs_in = False
            around = (*(check for check in around if check.name != "PIN"), Check("PIN", "failed", str(error)))
    if logs_in and about.policy != "sandbox":
        cost = describe_cost(login_cost(about.user))
        on_announcement(f"token {about.name!r} ({about.policy}) will be asked for {cost}")
    calls = tuple(ask(about, logs_in, pin, seconds))
    if any(check.name == "loading" and not check.bad for check in calls):
        file = tuple(_softened(check) for check in file)
    return (*start, *file, *around, *calls)


def _softened(check: Check) -> Check:
    """The loader has the last word: what it got over was no failure."""
    if not check.bad:
        return check
    return Check(check.name, "note", f"{check.detail}; yet it loads")


def _profile(about: Subject) -> Check:
    if about.profile is None:
        return Check("profile", "note", "the module is not one that there is a profile of")
    return Check("profile", "ok", f"{about.profile.name}: workbench profile show {about.profile.slug}")


def _no_module(about: Subject) -> Check:
    install = about.profile.module.install if about.profile is not None else None
    return Check("file", "missing", "the module is in none of its usual places", install)


def _wants_login(about: Subject, login: bool | None, around: tuple[Check, ...]) -> bool:
    if not about.ready or any(check.name == "PIN" and check.bad for check in around):
        return False
    if login is not None:
        return login
    quiet = about.pin is not None and about.pin.kind in QUIET_SOURCES
    return about.policy == "sandbox" or (about.policy == "guest" and quiet)
