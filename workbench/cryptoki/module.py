"""A loaded module and the one path of every call: policy → binding → trace → error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast
from weakref import WeakSet

from workbench import spec
from workbench.cryptoki import tracing
from workbench.cryptoki.errors import CryptokiError, FunctionNotSupported, new_error
from workbench.cryptoki.library import Library, ffi
from workbench.cryptoki.native import NativeBinding
from workbench.cryptoki.policy import REFUSE, Policy
from workbench.cryptoki.pykcs11 import PyKCS11Binding
from workbench.cryptoki.redaction import describe_arguments
from workbench.cryptoki.template_advice import advice_on_call
from workbench.faults import PolicyRefusal, WorkbenchError

__all__ = ["Module", "ObjectLike", "SessionHandle", "SessionLike"]

CONTROL_CHAPTERS = frozenset({"5.4", "5.5", "5.6"})
# They may wait for a card, or for a person at a PIN pad. PyKCS11 would hold the GIL meanwhile: no other thread
# of Python could run, nor call C_Finalize to end it.
WAITS = frozenset({"C_WaitForSlotEvent", "C_Login", "C_InitToken", "C_InitPIN", "C_SetPIN"})
# PyKCS11 asks for the length in every one of these calls, a length query too: twice what a device was told of.
DOUBLES = frozenset({"C_GetSlotList"})
# After these, no session and no handle of the library is what it was.
STARTS_AND_ENDS = frozenset({"C_Initialize", "C_Finalize"})
ALREADY_INITIALIZED = spec.value("CKR_CRYPTOKI_ALREADY_INITIALIZED")
BindingChoice = Literal["auto", "pykcs11", "native"]


class SessionHandle(int):
    """A CK_SESSION_HANDLE that knows its module and slot; only C_OpenSession makes one.

    A plain number is no session here: the policy of the slot it belongs to could not be asked.
    """

    module: Module
    slot: int

    def __new__(cls, value: int, module: Module, slot: int) -> SessionHandle:
        """A handle of a session with the token in ``slot`` of ``module``."""
        made = super().__new__(cls, value)
        made.module, made.slot = module, slot
        return made

    @property
    def handle(self) -> SessionHandle:
        """Itself: a handle serves wherever a session does."""
        return self


class SessionLike(Protocol):
    """Whatever has a session handle: the handle itself, or ``tokens.Session``."""

    @property
    def handle(self) -> SessionHandle:
        """The handle."""


class HasHandle(Protocol):
    """A key or another object of a token."""

    @property
    def handle(self) -> int:
        """The handle's number."""


ObjectLike = int | HasHandle


class Module:
    """A PKCS#11 library in this process. Make one with ``Module.load``, or ``open`` and C_Initialize.

    PyKCS11 serves chapters 5.4 to 5.6 (it loads and owns the module), the native view the rest;
    ``binding`` forces one of the two for every function that it has.
    """

    _all: ClassVar[WeakSet[Module]] = WeakSet()

    def __init__(
        self, path: str | Path, binding: BindingChoice = "auto", init_string: str | None = None
    ) -> None:
        self.path = str(path)
        self.init_string = init_string
        self.library = Library(self.path)
        self.native = NativeBinding(self.library)
        self.pykcs11 = PyKCS11Binding(self.path)
        # PyKCS11 asks for a function list of its own: it can join in only where that is the same one
        self.binding: BindingChoice = "native" if binding == "auto" and not self.library.one_list else binding
        self._policies: dict[int | None, Policy] = {}  # None: no slot, so nobody vouched for it
        self._routes: dict[str, NativeBinding | PyKCS11Binding] = {}
        self._mechanisms: dict[int, frozenset[int]] = {}
        Module._all.add(self)

    @classmethod
    def load(
        cls, path: str | Path, binding: BindingChoice = "auto", init_string: str | None = None
    ) -> Module:
        """Open the library and initialise it; a library that is initialised already is accepted."""
        made = cls(path, binding, init_string)
        made.initialize(again=True)
        return made

    @property
    def function_list(self) -> int:
        """The address of the CK_FUNCTION_LIST (v2.40), for the load kernel."""
        return int(ffi().cast("uintptr_t", self.library.function_list))

    @property
    def function_list_3_2(self) -> int:
        """The address of the CK_FUNCTION_LIST_3_2, or 0 where the module has none."""
        return int(ffi().cast("uintptr_t", self.library.list_of("3.2")))

    def initialize(self, again: bool = False) -> None:
        """C_Initialize (5.4.1) with CKF_OS_LOCKING_OK and the module's parameter string, if it has one.

        ``again``: accept CKR_CRYPTOKI_ALREADY_INITIALIZED, for those who only want the module ready.
        """
        self.call("C_Initialize", (self.init_string,), accept=(ALREADY_INITIALIZED,) if again else ())
        if self.binding != "native":
            self.pykcs11.attach()
            self._routes.clear()  # from here on PyKCS11 serves its chapters

    def vouch(self, slot: int, policy: Policy) -> None:
        """Put a slot under a policy; without one it may be looked at, nothing more."""
        self._policies[slot] = policy

    def policy(self, slot: int | None) -> Policy:
        """The policy of a slot."""
        return self._policies.get(slot, REFUSE)

    def mechanisms(self, slot: int) -> frozenset[int]:
        """The numbers of the slot's mechanisms, asked for once (without a line in any trace)."""
        if slot not in self._mechanisms:
            invoke = self.native.invoke
            _, counted = invoke("C_GetMechanismList", (slot, None))
            rv, results = invoke("C_GetMechanismList", (slot, *counted))
            if rv:
                raise new_error("C_GetMechanismList", rv)
            self._mechanisms[slot] = frozenset(cast(list[int], results[0]))
        return self._mechanisms[slot]

    def route(self, function: str) -> NativeBinding | PyKCS11Binding:
        """The binding that serves a function here."""
        chosen = self._routes.get(function)
        if chosen is None:
            chosen = self._routes[function] = self._choose(function)
        return chosen

    def _choose(self, function: str) -> NativeBinding | PyKCS11Binding:
        if function == "C_Initialize" and self.init_string is not None:
            return self.native  # PyKCS11 cannot pass a parameter string
        control = spec.function(function).chapter in CONTROL_CHAPTERS and function not in WAITS | DOUBLES
        order: tuple[NativeBinding | PyKCS11Binding, ...] = (self.native, self.pykcs11)
        if self.binding == "pykcs11" or (self.binding == "auto" and control and self.pykcs11.attached):
            order = (self.pykcs11, self.native)
        if self.binding == "pykcs11" and self.pykcs11.missing(function):
            raise WorkbenchError(f"PyKCS11 has no {function}; leave binding='pykcs11' out to call it")
        for binding in order:
            if binding.missing(function) is None:
                return binding
        raise FunctionNotSupported(
            function, reason=f"{self.native.missing(function)} ({Path(self.path).name})"
        )

    def call(
        self,
        function: str,
        arguments: Sequence[Any],
        slot: int | None = None,
        session: int = 0,
        accept: tuple[int, ...] = (),
    ) -> tuple[int, tuple[Any, ...]]:
        """Make one call: ask the policy, call, write it down, raise on a code that is not accepted.

        ``arguments``: as ``NativeBinding.invoke``. Returns ``(rv, results)``. Errors: ``PolicyRefusal``
        before the module is reached, ``CryptokiError`` for any code but CKR_OK and ``accept``.
        """
        policy = self._policies.get(slot, REFUSE)
        policy.check(function, arguments)
        binding = self._routes.get(function) or self.route(function)
        if tracing.active or policy.attentive:
            start = time.monotonic_ns()
            rv, results = binding.invoke(function, arguments)
            times = (start, time.monotonic_ns())
            if tracing.active:
                tracing.record(function, arguments, rv, results, times, session, binding.name)
            policy.answered(function, arguments, rv, results, (times[1] - start) / 1e9)
        else:
            rv, results = binding.invoke(function, arguments)
        if function in STARTS_AND_ENDS and not rv:
            self._tell_ended()
        if rv and rv not in accept:
            raise failure(function, arguments, rv, results)
        return rv, results

    def _tell_ended(self) -> None:
        """Tell every policy over this library, which another ``Module`` of the process may have open too."""
        for module in Module._all:
            if Path(module.path).resolve() == Path(self.path).resolve():
                for policy in set(module._policies.values()):
                    policy.ended()


def failure(function: str, arguments: Sequence[Any], rv: int, results: tuple[Any, ...]) -> CryptokiError:
    """The error of a call that was answered so, with its arguments in words and advice on its templates."""
    remarks = tuple(str(one) for one in advice_on_call(function, spec.name("CKR", rv), arguments))
    return new_error(function, rv, describe_arguments(function, arguments), results, remarks)


def session_handle(session: SessionLike) -> SessionHandle:
    """The handle of a session; a plain number is refused, because nobody vouched for it."""
    handle = session if isinstance(session, SessionHandle) else getattr(session, "handle", None)
    if not isinstance(handle, SessionHandle):
        raise PolicyRefusal("hSession must be a session that C_OpenSession or Token.session() opened here")
    return handle


def object_handle(thing: ObjectLike) -> int:
    """The number of an object handle, given as a number or as something that has one."""
    return thing if isinstance(thing, int) else thing.handle
