"""The policies *guest* and *production*: what may be asked of a token that is not ours.

A guest's token is somebody's: session objects may be made and used, within limits. A token in production is
read, and used by name and budget alone. On both, keys that this run did not make are *foreign*: they sign,
verify or encrypt where the configuration names them for it, and serve for nothing else whatever anybody says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal

from workbench import spec
from workbench.cryptoki import CryptokiError, Mechanism
from workbench.cryptoki.attributes import numbered
from workbench.cryptoki.policy import LOOKS, RW, Policy
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.tokens.arguments import handle_places, made_handles, wishes
from workbench.tokens.handles import Handles
from workbench.tokens.key_parameters import handles_in, parameter_fault
from workbench.tokens.rules import (
    ASYNC,
    CHANGES,
    CLASS,
    CONTEXT_SPECIFIC,
    GONE,
    KEYLESS,
    LABEL,
    LOGIN_MOOT,
    LOGINS,
    NEVER,
    OBJECT_READS,
    PIN_REFUSED,
    PUBLIC_CLASSES,
    RAW_RSA,
    SECURITY_OFFICER,
    STREAMS,
    TOKEN,
    USES,
    VALUES,
    VENDOR_CODES,
)
from workbench.tokens.spending import Cost, Spending, creates, objects_in

__all__ = ["Claim", "Gate", "Guard", "Standing"]

Standing = Literal["guest", "production"]
Gate = Callable[[bytes | None], None]
"""Raises ``PolicyRefusal`` where a login with this PIN must not be tried."""
Claim = Literal["run", "swept", "none"]
"""Whose an object is by its label: this run's; another's that may be removed; nobody's that we know of."""


class Guard(Policy):
    """The policy of one token, for one run, in one process.

    ``gate``: raises where a login must not be tried; ``refused``: told of a PIN that the token refused.
    ``claim``: whose the object with a label is, the runs that the user named counted in. ``made``: told of a
    token object's label before the object is made. ``users``: the kinds of user, with their names for
    C_LoginUser, as which the configuration logs in. ``consents``: what the owner has consented to
    (``token-objects``); ``operations``: key-less operations that a token in production may do (``random``,
    ``digest``). ``handles`` and ``spending`` outlive one opening of the token.
    """

    attentive = True

    def __init__(
        self,
        name: str,
        standing: Standing,
        spending: Spending,
        handles: Handles,
        *,
        gate: Gate,
        refused: Callable[[bytes | None], None],
        claim: Callable[[str, frozenset[str]], Claim],
        made: Callable[[str], None],
        users: frozenset[tuple[int, bytes | None]],
        consents: frozenset[str] = frozenset(),
        operations: frozenset[str] = frozenset(),
        read_write: bool = True,
    ) -> None:
        self.token = name
        self.name: str = standing
        self.standing = standing
        self.spending = spending
        self.handles = handles
        self.paced = spending.budget.max_rate is not None
        self.announces = spending.must_announce
        self.most_sessions = spending.budget.max_sessions or Policy.most_sessions
        self.read_write = read_write
        self._gate, self._refused, self._claim, self._made = gate, refused, claim, made
        self._users, self._consents, self._operations = users, consents, operations
        self._runs: frozenset[str] = frozenset()
        self._active: dict[int, tuple[object, ...]] = {}
        self._sought: dict[int, bytes | None] = {}

    # --- what the owner's configuration says

    def vouch_for(self, handle: int, session: int, uses: frozenset[str]) -> None:
        """A token object that the configuration names, found in the session: it may be used so, and no further."""
        self.handles.learn(handle, session, stored=True, uses=uses)

    def name_runs(self, runs: frozenset[str]) -> None:
        """Runs whose objects the user asks to have removed, whatever host made them."""
        self._runs = runs

    def announce(self, cost: Cost) -> None:
        """Take note of calls that the user has been told of. Errors: ``PolicyRefusal`` beyond the budget."""
        self.spending.announce(cost)

    # --- before a call

    def check(self, function: str, arguments: Sequence[Any]) -> None:
        """Judge the call, then account for it."""
        self.judge(function, arguments)
        labels = self._labels(function, arguments)
        # of each object made, CKA_TOKEN is read back, and what should not be there destroyed
        spare = 2 * objects_in({function: 1}) if creates(function) else 0
        self.spending.before(function, spare=spare)
        for label in labels:
            self._made(label)

    def judge(self, function: str, arguments: Sequence[Any]) -> None:
        """Whether a call like this may be made at all. Errors: ``PolicyRefusal``."""
        if function in LOOKS:
            return
        if function in NEVER:
            raise self._refusal(function, "that is for sandbox tokens, which the workbench made")
        if function in LOGINS:
            self._login(function, arguments)
        elif function == "C_OpenSession":
            self._session(function, int(arguments[1]))
        elif function == "C_FindObjectsInit" and self.standing == "production" and not arguments[1]:
            raise self._refusal(function, "without a template it lists everything; name what you look for")
        elif function in KEYLESS or function == "C_SeedRandom":
            self._keyless(function)
        elif creates(function) and self.standing == "production":
            raise self._refusal(function, "nothing is made on a token in production")
        self._mechanism(function, arguments)
        self._objects(function, arguments)

    def _refusal(self, function: str, why: str) -> PolicyRefusal:
        return PolicyRefusal(f"{function} is refused on token {self.token!r} (policy {self.name!r}): {why}")

    def _session(self, function: str, flags: int) -> None:
        if flags & RW and not self.read_write:
            raise self._refusal(function, "a token in production is read: leave CKF_RW_SESSION out")
        if flags & ASYNC:
            raise self._refusal(function, "what an asynchronous call made cannot be looked at in time")

    def _login(self, function: str, arguments: Sequence[Any]) -> None:
        user, name = int(arguments[1]), arguments[3] if function == "C_LoginUser" else None
        if user == SECURITY_OFFICER:
            raise self._refusal(function, "the security officer logs in to sandbox tokens only")
        if user != CONTEXT_SPECIFIC and (user, name) not in self._users:
            raise self._refusal(
                function, "workbench.toml does not say that this user logs in (user, user_type)"
            )
        if self.spending.login_failed is not None:
            raise self._refusal(
                function, f"a login was answered {self.spending.login_failed}, and a run does not try twice"
            )
        if self.spending.tripped is None:
            self._gate(arguments[2])

    def _keyless(self, function: str) -> None:
        if self.standing == "production" and KEYLESS.get(function) not in self._operations:
            wanted = KEYLESS.get(function)
            way = f'; operations = ["{wanted}"] in workbench.toml allows it' if wanted else ""
            raise self._refusal(function, f"it uses a device in service up{way}")

    def _mechanism(self, function: str, arguments: Sequence[Any]) -> None:
        chosen = next((a for a in arguments if isinstance(a, Mechanism)), None)
        if chosen is None or chosen.parameter is None:
            return
        fault = parameter_fault(chosen)
        if fault is not None:
            raise self._refusal(function, f"{chosen.name}: {fault}")
        if not all(self.handles.get(handle).own for handle in handles_in(chosen)):
            raise self._refusal(
                function, f"the parameter of {chosen.name} names a key that this run did not make"
            )

    def _objects(self, function: str, arguments: Sequence[Any]) -> None:
        handles = [int(arguments[place]) for place in handle_places(function)]
        if function in OBJECT_READS:
            if function == "C_GetAttributeValue":
                self._attributes(handles[0], arguments[2])
        elif function in USES:
            if arguments[1] is not None:  # without a mechanism it ends an operation (5.8.1)
                self._use(function, handles[0], arguments[1])
        elif function == "C_DestroyObject" and self.handles.get(handles[0]).removable:
            return
        elif not all(self.handles.get(handle).own for handle in handles if handle):
            raise self._refusal(function, "an object that this run did not make is never used so")

    def _attributes(self, handle: int, wanted: Sequence[tuple[int, object]]) -> None:
        known = self.handles.get(handle)
        if known.own or known.kind in PUBLIC_CLASSES:
            return
        for attribute, _ in wanted:
            if attribute in VALUES:
                raise self._refusal(
                    "C_GetAttributeValue",
                    f"{spec.name('CKA', attribute)} is read of objects that this run made, and of public keys "
                    "and certificates once their CKA_CLASS was read",
                )

    def _use(self, function: str, handle: int, mechanism: Mechanism) -> None:
        known = self.handles.get(handle)
        if known.own:
            return
        use = USES[function]
        if use not in known.uses:
            named = (
                f"it is named for {', '.join(sorted(known.uses))} only"
                if known.uses
                else "the configuration does not name it"
            )
            raise self._refusal(
                function, f'{named}; a key of yours is used with [[tokens.NAME.keys]] … allow = ["{use}"] '
                "in workbench.toml, and token.key(NAME)"
            )  # fmt: skip
        if use == "sign" and mechanism.type == RAW_RSA:
            raise self._refusal(function, "CKM_RSA_X_509 with a private key decrypts as well as it signs")
        if use == "encrypt" and mechanism.type in STREAMS:
            raise self._refusal(function, f"{mechanism.name} with an IV of one's own decrypts as well")

    def _labels(self, function: str, arguments: Sequence[Any]) -> list[str]:
        """The labels that token objects get by the call; each must be this run's, so that a sweep finds it."""
        changes = function == "C_SetAttributeValue"
        if not changes and not creates(function):
            return []
        was_stored = function in CHANGES and self.handles.get(int(arguments[1])).stored is not False
        labels = []
        for wish in wishes(function, arguments):
            if wish.fault:
                raise self._refusal(function, wish.fault)
            if changes and wish.stored and not was_stored:
                raise self._refusal(function, "a session object stays one")
            if not (was_stored if wish.stored is None else wish.stored):
                continue
            if wish.lasting:
                raise self._refusal(function, "with CKA_DESTROYABLE false it could never be removed again")
            if not changes or wish.label is not None:
                labels.append(self._label(function, wish.label or ""))
        return labels

    def _label(self, function: str, label: str) -> str:
        if "token-objects" not in self._consents:
            raise self._refusal(
                function,
                'token objects stay on the device: consent = ["token-objects"] in workbench.toml allows it',
            )
        if self._claim(label, frozenset()) != "run":
            raise self._refusal(
                function,
                "a token object carries the run's label: make it with Session.generate, or label it token.run_label(…)",
            )
        return label

    # --- after a call

    def answered(
        self, function: str, arguments: Sequence[Any], rv: int, results: Sequence[Any], seconds: float
    ) -> None:
        """Learn handles, labels and classes; forget what has gone; see whether the device has had enough."""
        session = int(arguments[0]) if arguments and isinstance(arguments[0], int) else 0
        if function.endswith("Init") and function != "C_FindObjectsInit":
            self._active[session] = tuple(
                a if isinstance(a, int) else getattr(a, "type", None) for a in arguments[1:]
            )
        sizes = tuple(len(a).bit_length() for a in arguments if isinstance(a, bytes))
        self.spending.after(function, rv, seconds, (self._active.get(session), sizes))
        if function == "C_GetAttributeValue" and results:
            self._learn(session, int(arguments[1]), results[0])  # what it keeps back does not hide the rest
        if function in LOGINS:
            self._logged_in(rv, arguments[2])
        elif function == "C_OpenSession":
            self.spending.opened(results[0] if not rv else None)
        elif function == "C_CloseSession" and (not rv or rv in GONE):
            self.spending.closed(session)
            self.handles.session_closed(session)
        if rv in GONE or (not rv and function == "C_Logout"):
            self.handles.clear()
        if rv:
            return
        if function == "C_CloseAllSessions":
            self.spending.closed()
            self.handles.clear()
        elif function == "C_CloseSession" and not self.spending.sessions:
            self.handles.clear()  # the last session logs the user out (5.6.2)
        elif function == "C_DestroyObject":
            self.handles.destroyed(int(arguments[1]))
        elif function == "C_FindObjectsInit":
            self._sought[session] = dict(arguments[1] or ()).get(CLASS)
        elif function == "C_FindObjects":
            for handle in results[0]:
                self.handles.learn(handle, session, kind=self._sought.get(session))
        elif creates(function):
            self._created(function, arguments, made_handles(function, arguments, results))

    def ended(self) -> None:
        """The library was finalised, or starts anew: no session and no handle is left."""
        self.spending.closed()
        self.handles.clear()

    def _logged_in(self, rv: int, pin: bytes | None) -> None:
        if rv not in LOGIN_MOOT:
            self.spending.login_failed = spec.name("CKR", rv)
        if rv in PIN_REFUSED or rv >= VENDOR_CODES:
            self._refused(pin)

    def _learn(self, session: int, handle: int, rows: Sequence[tuple[int, object]]) -> None:
        values = {attribute: value for attribute, value in rows if isinstance(value, bytes)}
        token = values.get(TOKEN)
        stored = any(token) if token else None
        self.handles.learn(handle, session, stored=stored, kind=values.get(CLASS))
        if LABEL in values and self.handles.get(handle).stored:
            whose = self._claim(values[LABEL].decode("utf-8", "replace"), self._runs)
            self.handles.learn(handle, session, own=whose == "run", removable=whose == "swept")

    def _created(self, function: str, arguments: Sequence[Any], made: Sequence[int]) -> None:
        """Note the objects; one that was to be a session object is looked at, and destroyed when it is none."""
        session, wanted = arguments[0], wishes(function, arguments)
        source = self.handles.get(int(arguments[1])) if function == "C_CopyObject" else None
        astray = []
        for handle, wish in zip(made, wanted, strict=False):
            stored = bool(source and source.stored) if wish.stored is None else wish.stored
            self.handles.made(handle, int(session), stored)
            if not stored and not self._is_session_object(session, handle):
                astray.append(handle)
        if not astray:
            return
        left = [handle for handle in made if self._ask(session, "C_DestroyObject", handle)[0]]
        raise WorkbenchError(
            f"{function} made a token object on token {self.token!r}, though a session object was asked for; "
            + (f"it could not be destroyed again: handle {left[0]}" if left else "it was destroyed at once")
        )

    def _is_session_object(self, session: Any, handle: int) -> bool:
        """Read CKA_TOKEN back, on the path of every call: it is counted, and a trace shows it."""
        rv, results = self._ask(session, "C_GetAttributeValue", handle, [(TOKEN, 1)])
        value = results[0][0][1] if not rv else None
        return isinstance(value, bytes) and bool(value) and not any(value)

    @staticmethod
    def _ask(session: Any, function: str, *arguments: Any) -> tuple[int, Sequence[Any]]:
        try:
            answer: tuple[int, Sequence[Any]] = session.module.call(
                function, (session, *arguments), session.slot, session
            )
        except CryptokiError as error:
            return error.rv, ()
        return answer

    # --- the load kernel

    def reserve(self, calls: Mapping[str, int]) -> int:
        """One round where the budget sets a pace, else as many as it has left."""
        if self.paced:
            for function, count in calls.items():
                self.spending.before(function, count)
            return 1
        return self.spending.left_for(next(iter(calls)))

    def spent(
        self,
        calls: Mapping[str, int],
        rounds: int,
        errors: Mapping[str, int],
        seconds: float,
        alike: Hashable = None,
    ) -> None:
        """Account for what the kernel did."""
        if not self.paced:
            for function, count in calls.items():
                self.spending.made[function] += count * rounds
        for code in errors:
            self.spending.after(next(iter(calls)), numbered(code) if code.startswith("CKR_") else 0, seconds)
        if not errors and rounds:
            self.spending.after(list(calls)[-1], 0, seconds, ("kernel", alike))
