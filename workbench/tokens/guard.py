"""The policies *guest* and *production*: what may be asked of a token that is not ours.

A guest's token is somebody's: session objects may be made and used, within limits. A token in production is
read, and used by name and budget alone. On both, keys that this run did not make are *foreign*: they sign,
verify or encrypt where the configuration names them for it, and serve for nothing else whatever anybody says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from workbench import spec
from workbench.cryptoki import Mechanism
from workbench.cryptoki.policy import LOOKS, RW, Policy
from workbench.faults import PolicyRefusal
from workbench.tokens.arguments import (
    handle_places,
    handles_in,
    hides_handles,
    stores,
    stores_inside,
    templates,
)
from workbench.tokens.spending import Cost, Spending, creates

__all__ = ["Gate", "Guard", "Standing"]

Standing = Literal["guest", "production"]
Gate = Callable[[bytes | None], None]
"""Raises ``PolicyRefusal`` where a login with this PIN must not be tried."""

# What a key may be named for, and the calls that begin it. Whatever else takes a key's handle is for own keys.
USES = {
    "C_SignInit": "sign",
    "C_SignRecoverInit": "sign",
    "C_MessageSignInit": "sign",
    "C_VerifyInit": "verify",
    "C_VerifyRecoverInit": "verify",
    "C_VerifySignatureInit": "verify",
    "C_MessageVerifyInit": "verify",
    "C_EncryptInit": "encrypt",
    "C_MessageEncryptInit": "encrypt",
}
OBJECT_READS = frozenset({"C_GetAttributeValue", "C_GetObjectSize"})
# They change the token or its users, or bring in a state that nobody can judge.
NEVER = frozenset({"C_InitToken", "C_InitPIN", "C_SetPIN", "C_SetOperationState"})
LOGINS = frozenset({"C_Login", "C_LoginUser"})
PIN_REFUSED = frozenset(
    spec.value(name)
    for name in ("CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE", "CKR_PIN_LOCKED")
)
# Signing with the bare RSA operation is decrypting by another name.
DECRYPTS_TOO = spec.value("CKM_RSA_X_509")
KEYLESS = {"C_DigestInit": "digest", "C_GenerateRandom": "random"}
SECURITY_OFFICER = spec.value("CKU_SO")
CONTEXT_SPECIFIC = spec.value("CKU_CONTEXT_SPECIFIC")
CLASS, LABEL, TOKEN = (spec.value(f"CKA_{name}") for name in ("CLASS", "LABEL", "TOKEN"))
PUBLIC_CLASSES = frozenset(
    spec.value(name).to_bytes(8, "little")
    for name in ("CKO_CERTIFICATE", "CKO_PUBLIC_KEY", "CKO_DOMAIN_PARAMETERS", "CKO_PROFILE", "CKO_MECHANISM")
)
# What makes a private or secret key: it is asked of no foreign object that is not known to be public.
VALUES = frozenset(
    spec.value(f"CKA_{name}")
    for name in (
        "VALUE",
        "PRIVATE_EXPONENT",
        "PRIME_1",
        "PRIME_2",
        "EXPONENT_1",
        "EXPONENT_2",
        "COEFFICIENT",
        "SEED",
    )
)


@attrs.define
class _Known:
    """What this process has learnt of an object's handle."""

    session: int
    own: bool = False
    stored: bool = False
    kind: bytes | None = None
    uses: frozenset[str] = frozenset()


class Guard(Policy):
    """The policy of one token, for one run, in one process.

    ``gate``: raises where a login must not be tried; ``refused``: told of a PIN that the token refused.
    ``claims``: whether a label is of an object that we may remove. ``made``: told of a token object's label
    before the object is made. ``consents``: what the owner has consented to (``token-objects``);
    ``operations``: key-less operations that a token in production may do (``random``, ``digest``).
    """

    attentive = True

    def __init__(
        self,
        name: str,
        standing: Standing,
        spending: Spending,
        *,
        gate: Gate,
        refused: Callable[[bytes | None], None],
        claims: Callable[[str, frozenset[str]], bool],
        made: Callable[[str], None],
        consents: frozenset[str] = frozenset(),
        operations: frozenset[str] = frozenset(),
        read_write: bool = True,
    ) -> None:
        self.token = name
        self.name: str = standing
        self.standing = standing
        self.spending = spending
        self.paced = spending.budget.max_rate is not None
        self.announces = spending.must_announce
        self.most_sessions = spending.budget.max_sessions or Policy.most_sessions
        self.read_write = read_write
        self._gate, self._refused, self._claims, self._made = gate, refused, claims, made
        self._consents, self._operations = consents, operations
        self._runs: frozenset[str] = frozenset()
        self._known: dict[int, _Known] = {}
        self._active: dict[int, tuple[object, ...]] = {}
        self._sought: dict[int, bytes | None] = {}

    # --- what the owner's configuration says

    def vouch_for(self, handle: int, uses: frozenset[str]) -> None:
        """A key that the configuration names, found on the token: it may be used so, and no further."""
        self._known.setdefault(handle, _Known(0)).uses = uses

    def name_runs(self, runs: frozenset[str]) -> None:
        """Runs whose objects the user asked to have removed, whatever host made them."""
        self._runs = runs

    def announce(self, cost: Cost) -> None:
        """Take note of calls that the user has been told of. Errors: ``PolicyRefusal`` beyond the budget."""
        self.spending.announce(cost)

    # --- before a call

    def check(self, function: str, arguments: Sequence[Any]) -> None:
        """Judge the call, then account for it."""
        self.judge(function, arguments)
        labels = self._stored_labels(function, arguments)
        self.spending.before(function)
        for label in labels:
            self._made(label)

    def judge(self, function: str, arguments: Sequence[Any]) -> None:
        """Whether a call like this may be made at all. Errors: ``PolicyRefusal``."""
        if function in LOOKS and function not in NEVER:
            return
        if function in NEVER:
            raise self._refusal(function, "that is for sandbox tokens, which the workbench made")
        if function in LOGINS:
            self._login(function, arguments)
        elif function == "C_OpenSession" and not self.read_write and int(arguments[1]) & RW:
            raise self._refusal(function, "a token in production is read: leave CKF_RW_SESSION out")
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

    def _login(self, function: str, arguments: Sequence[Any]) -> None:
        if int(arguments[1]) == SECURITY_OFFICER:
            raise self._refusal(function, "the security officer logs in to sandbox tokens only")
        if int(arguments[1]) != CONTEXT_SPECIFIC and self.spending.tripped is None:
            self._gate(arguments[2])

    def _keyless(self, function: str) -> None:
        if self.standing == "production" and KEYLESS.get(function) not in self._operations:
            wanted = KEYLESS.get(function)
            way = f'; operations = ["{wanted}"] in workbench.toml allows it' if wanted else ""
            raise self._refusal(function, f"it uses a device in service up{way}")

    def _mechanism(self, function: str, arguments: Sequence[Any]) -> None:
        chosen = next((a for a in arguments if isinstance(a, Mechanism)), None)
        if chosen is None:
            return
        inside = [handle for handle in handles_in(chosen) if handle]
        for handle in inside:
            if not self._is_own(handle):
                raise self._refusal(
                    function, f"the parameter of {chosen.name} names a key that this run did not make"
                )
        if stores_inside(chosen):
            raise self._refusal(function, f"the parameter of {chosen.name} asks for a token object")
        if hides_handles(chosen):
            raise self._refusal(
                function, f"the parameter of {chosen.name} holds a key: give it as a Parameter, not as bytes"
            )

    def _objects(self, function: str, arguments: Sequence[Any]) -> None:
        handles = [int(arguments[place]) for place in handle_places(function)]
        if function in OBJECT_READS:
            if function == "C_GetAttributeValue":
                self._attributes(handles[0], arguments[2])
        elif function in USES and arguments[1] is not None:
            self._use(function, handles[0], arguments[1])
        elif function not in USES:
            for handle in handles:
                if handle and not self._is_own(handle):
                    raise self._refusal(
                        function, f"object {handle} was not made by this run, and is never used so"
                    )

    def _attributes(self, handle: int, wanted: Sequence[tuple[int, object]]) -> None:
        known = self._known.get(handle)
        if known is not None and (known.own or known.kind in PUBLIC_CLASSES):
            return
        for attribute, _ in wanted:
            if attribute in VALUES:
                raise self._refusal(
                    "C_GetAttributeValue",
                    f"{spec.name('CKA', attribute)} is read of objects that this run made, and of public keys "
                    "and certificates once their CKA_CLASS was read",
                )

    def _use(self, function: str, handle: int, mechanism: Mechanism) -> None:
        if self._is_own(handle):
            return
        use, uses = USES[function], self._known[handle].uses if handle in self._known else frozenset()
        if use not in uses:
            named = (
                f"it is named for {', '.join(sorted(uses))} only"
                if uses
                else "the configuration does not name it"
            )
            raise self._refusal(
                function, f'{named}; a key of yours is used with [[tokens.NAME.keys]] … allow = ["{use}"] '
                "in workbench.toml, and token.key(NAME)"
            )  # fmt: skip
        if use == "sign" and mechanism.type == DECRYPTS_TOO:
            raise self._refusal(function, "CKM_RSA_X_509 with a private key decrypts as well as it signs")

    def _is_own(self, handle: int) -> bool:
        known = self._known.get(handle)
        return known is not None and known.own

    def _stored_labels(self, function: str, arguments: Sequence[Any]) -> list[str]:
        """The labels of the token objects that the call will make, which must be ours to make."""
        labels = []
        for template in templates(function, arguments) if creates(function) else ():
            given = dict(template)
            if not any(given.get(TOKEN, b"\0")):
                continue
            if "token-objects" not in self._consents:
                raise self._refusal(
                    function,
                    'token objects stay on the device: consent = ["token-objects"] in workbench.toml allows it',
                )
            label = given.get(LABEL, b"").decode("utf-8", "replace")
            if not self._claims(label, frozenset()):
                raise self._refusal(
                    function,
                    "a token object carries the run's label: make it with Session.generate, or label it token.run_label(…)",
                )
            labels.append(label)
        return labels

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
        if function not in LOOKS:
            self.spending.after(function, rv, seconds, (self._active.get(session), sizes))
        if function == "C_GetAttributeValue" and results:
            self._learn(session, int(arguments[1]), results)  # what it keeps back does not hide the rest
        if rv:
            if function in LOGINS and int(arguments[1]) != CONTEXT_SPECIFIC and rv in PIN_REFUSED:
                self._refused(arguments[2])
            return
        if function == "C_OpenSession":
            self.spending.sessions += 1
        elif function == "C_CloseSession":
            self.spending.sessions -= 1
            self._forget(lambda known: known.session == session and not known.stored)
        elif function == "C_CloseAllSessions":
            self.spending.sessions = 0
            self._forget(lambda known: True)
        elif function == "C_Logout":
            self._forget(lambda known: not known.stored)
        elif function == "C_DestroyObject":
            self._known.pop(int(arguments[1]), None)
        elif function == "C_FindObjectsInit":
            self._sought[session] = dict(arguments[1] or ()).get(CLASS)
        elif function == "C_FindObjects":
            for handle in results[0]:
                self._known.setdefault(handle, _Known(session, stored=True)).kind = self._sought.get(session)
        elif creates(function):
            stored = stores(function, arguments)
            for handle in (r for r in results if isinstance(r, int)):
                self._known[handle] = _Known(session, own=True, stored=stored)

    def _learn(self, session: int, handle: int, results: Sequence[Any]) -> None:
        values = {attribute: value for attribute, value in results[0] if isinstance(value, bytes)}
        known = self._known.setdefault(handle, _Known(session, stored=True))
        known.kind = values.get(CLASS, known.kind)
        if LABEL in values and self._claims(values[LABEL].decode("utf-8", "replace"), self._runs):
            known.own = True

    def _forget(self, gone: Callable[[_Known], bool]) -> None:
        self._known = {handle: known for handle, known in self._known.items() if not gone(known)}

    # --- the load kernel

    def reserve(self, calls: Mapping[str, int]) -> int:
        """One round where the budget sets a pace, else as many as it has left."""
        if self.paced:
            for function, count in calls.items():
                self.spending.before(function, count)
            return 1
        if self.spending.tripped is not None or not self.spending.left():
            self.spending.before(next(iter(calls)))  # says which limit is reached
        return self.spending.left()

    def spent(self, calls: Mapping[str, int], rounds: int, errors: Mapping[str, int], seconds: float) -> None:
        """Account for what the kernel did."""
        if not self.paced:
            for function, count in calls.items():
                self.spending.made[function] += count * rounds
        for code in errors:
            self.spending.after(
                next(iter(calls)), spec.value(code) if code.startswith("CKR_") else 0, seconds
            )
        if not errors and rounds:
            self.spending.after(list(calls)[-1], 0, seconds, "kernel")
