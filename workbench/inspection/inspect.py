"""A token inspected: the steps of reading in their order, each announced with its cost before it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import attrs

from workbench.cryptoki import Template
from workbench.inspection import reading
from workbench.inspection.holdings import TokenObject
from workbench.inspection.lint import Finding, lint
from workbench.inspection.reading import Answered, Cost, Look, MechanismRow
from workbench.workers import Worker

if TYPE_CHECKING:
    from workbench.tokens import Token

__all__ = ["EVERYTHING", "FEW", "Announce", "Inspection", "Step", "inspect"]

STEP_SECONDS = 300.0  # a smart card with a hundred objects takes its time
EVERYTHING: tuple[Template, ...] = ({},)
# What is looked for where an unfiltered search is refused: certificates, the profiles that the token claims, and
# the keys that the configuration names.
FEW: tuple[Template, ...] = ({"CKA_CLASS": "CKO_CERTIFICATE"}, {"CKA_CLASS": "CKO_PROFILE"})
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


Announce = Callable[[str, Cost], None]


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

    def __init__(self, worker: Worker, announce: Announce) -> None:
        self.worker = worker
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
        self.announce(name, cost)
        answered = self.worker.run(function, *args, timeout=STEP_SECONDS)
        self.steps.append(Step(name, cost, answered.asked))
        return answered.value


def inspect(
    worker: Worker,
    *,
    login: bool = True,
    named: Sequence[Template] = (),
    announce: Announce = lambda name, cost: None,
) -> Inspection:
    """Read the worker's token: nothing is made, changed, used or provoked.

    ``login`` False reads what anybody may see. ``named``: templates of the objects that the configuration
    names; on a production token they are looked for, and certificates and profiles, and nothing else.
    ``announce(step, cost)`` is called before each step is asked, and ends the inspection where it raises.
    Errors: those of ``Worker.run``; ``CryptokiError`` where the token refuses a whole step.
    """
    policy = worker.run(reading.policy_name)
    reader = _Reader(worker, announce)
    look = reader.take("look", reading.LOOK, reading.look)
    mechanisms = reader.take(
        "mechanisms",
        reading.mechanism_cost(look.mechanisms),
        reading.read_mechanisms,
        look.mechanisms,
    )
    login = login and reading.needs_login(look.token)
    whole = policy != "production"
    objects = _objects(reader, EVERYTHING if whole else (*named, *FEW), login)
    return Inspection(
        worker.token,
        policy,
        look,
        mechanisms,
        objects,
        lint(objects, complete=whole and (login or not reading.needs_login(look.token))),
        login,
        whole,
        tuple(reader.steps),
    )


def _objects(reader: _Reader, searches: tuple[Template, ...], login: bool) -> tuple[TokenObject, ...]:
    found = reader.take("find", reading.find_cost(searches, login), reading.find, searches, login)
    handles: dict[int, None] = {}  # two searches may find the same object
    for template, some in zip(searches, found.handles, strict=True):
        room = reading.ROOM
        while len(some) == room:
            room *= 2
            some = reader.take(
                "find again",
                reading.find_again_cost(),
                reading.find_again,
                found.session,
                template,
                room,
            )
        handles |= dict.fromkeys(some)
    if not handles:
        reader.take("close", reading.CLOSE, reading.close_session, found.session)
        return ()
    listed = tuple(handles)
    classes = reader.take(
        "classes",
        reading.class_cost(listed),
        reading.read_classes,
        found.session,
        listed,
    )
    return reader.take(
        "attributes",
        reading.attribute_cost(len(listed)),
        reading.read_objects,
        found.session,
        tuple(zip(listed, classes, strict=True)),
    )
