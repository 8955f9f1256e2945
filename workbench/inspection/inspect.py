"""A token inspected: the steps of reading in their order, each announced with its cost before it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import attrs

from workbench.inspection import reading
from workbench.inspection.holdings import TokenObject
from workbench.inspection.lint import Finding, lint
from workbench.inspection.reading import Answered, Look, MechanismRow, Terms
from workbench.tokens import Cost
from workbench.workers import Worker

if TYPE_CHECKING:
    from workbench.tokens import Token

__all__ = ["Announce", "Inspection", "Step", "inspect"]

STEP_SECONDS = 300.0  # a smart card with a hundred objects takes its time
P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class Step:
    """A part of the reading: the calls that were announced for it, and those that were made."""

    name: str
    announced: Cost
    asked: Cost

    @property
    def kept(self) -> bool:
        """Whether exactly the calls that were announced were made."""
        return Counter(self.announced) == Counter(self.asked)


Announce = Callable[[str, Cost, str], None]
"""Told of each step before it is asked: its name, its cost, and the announcement in words."""


@attrs.frozen
class Inspection:
    """Everything that was read of one token, and what lint has to say about its objects.

    ``whole``: whether all objects were looked for, or only the named ones. ``logged_in``: whether private
    objects could show.
    """

    token: str
    policy: str
    look: Look
    mechanisms: tuple[MechanismRow, ...]
    objects: tuple[TokenObject, ...]
    findings: tuple[Finding, ...]
    logged_in: bool
    whole: bool
    steps: tuple[Step, ...]

    @property
    def asked(self) -> Cost:
        """How often each function was called, over all steps."""
        return dict(sum((Counter(step.asked) for step in self.steps), Counter()))


class _Reader:
    """Takes the steps one by one: announce, ask, write down."""

    def __init__(self, worker: Worker, terms: Terms, announce: Announce) -> None:
        self.worker = worker
        self.terms = terms
        self.announce = announce
        self.steps: list[Step] = []

    def take(
        self,
        name: str,
        cost: Cost,
        function: Callable[Concatenate[Token, P], Answered[T]],
        *args: P.args,
        **_: P.kwargs,
    ) -> T:
        self.announce(name, cost, self.worker.run(reading.announce, cost))
        pace = sum(cost.values()) / self.terms.max_rate if self.terms.max_rate else 0.0
        answered = self.worker.run(function, *args, timeout=STEP_SECONDS + pace)
        self.steps.append(Step(name, cost, answered.asked))
        return answered.value


def inspect(
    worker: Worker, *, login: bool = True, announce: Announce = lambda step, cost, said: None
) -> Inspection:
    """Read the worker's token: nothing is made, changed, used or provoked.

    On a token in production certificates, profiles and the objects that its configuration names are looked for,
    elsewhere everything. ``login`` False reads what anybody may see. ``announce`` ends the inspection where it
    raises. Errors: those of ``Worker.run``; ``PolicyRefusal`` where a step is beyond the token's budget;
    ``CryptokiError`` where the token refuses a whole step.
    """
    terms = worker.run(reading.terms)
    reader = _Reader(worker, terms, announce)
    look = reader.take("look", reading.LOOK, reading.look)
    mechanisms = reader.take(
        "mechanisms", reading.mechanism_cost(look.mechanisms), reading.read_mechanisms, look.mechanisms
    )
    private = reading.needs_login(look.token)
    objects = _objects(reader, login and private)
    return Inspection(
        worker.token,
        terms.policy,
        look,
        mechanisms,
        objects,
        lint(objects, complete=terms.whole and (login or not private)),
        login and private,
        terms.whole,
        tuple(reader.steps),
    )


def _objects(reader: _Reader, login: bool) -> tuple[TokenObject, ...]:
    searches = reader.terms.searches
    cost = reading.find_cost(searches, reader.terms.login if login else None)
    found = reader.take("find", cost, reading.find, searches, login)
    handles: dict[int, None] = {}  # two searches may find the same object
    for template, some in zip(searches, found.handles, strict=True):
        room = reading.ROOM
        while len(some) == room:
            room *= 2
            some = reader.take(
                "find again", reading.find_again_cost(), reading.find_again, found.session, template, room
            )
        handles |= dict.fromkeys(some)
    if not handles:
        reader.take("close", reading.CLOSE, reading.close_session, found.session)
        return ()
    listed = tuple(handles)
    classes = reader.take("classes", reading.class_cost(listed), reading.read_classes, found.session, listed)
    of_class = tuple(zip(listed, classes, strict=True))
    cost = reading.attribute_cost(len(listed))
    return reader.take("attributes", cost, reading.read_objects, found.session, of_class)
