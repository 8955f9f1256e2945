"""The two bindings side by side: the same calls through both, and what may differ between them and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki.native import NativeBinding
from workbench.cryptoki.pykcs11 import ASKS_ITSELF, PyKCS11Binding
from workbench.cryptoki.records import TokenInfo
from workbench.cryptoki.shapes import Kind, shapes
from workbench.cryptoki.swig import KEPT_BACK

__all__ = ["PINNED", "REACHED", "Pin", "Side", "both", "pinned"]

Outcome = tuple[int, tuple[object, ...]]
REACHED: set[str] = set()  # the functions that were compared so far
ARGUMENTS_BAD = spec.value("CKR_ARGUMENTS_BAD")
TOO_SMALL = spec.value("CKR_BUFFER_TOO_SMALL")
RANDOM = {
    spec.value(name)
    for name in ("CKM_ECDSA", "CKM_RSA_PKCS_PSS", "CKM_SHA256_RSA_PKCS_PSS", "CKM_RSA_PKCS_OAEP")
}
PADDED = spec.value("CKM_RSA_PKCS")  # random padding where it encrypts, none where it signs


@attrs.frozen
class Pin:
    """A difference that is PyKCS11's fault: when it applies, and what PyKCS11 makes of it."""

    reason: str
    applies: Callable[[str, Sequence[Any]], bool]
    seen: Callable[[Outcome, Outcome], bool]  # (PyKCS11's, the native one)


REFUSES_EMPTY = {
    "C_Decrypt", "C_DecryptUpdate", "C_Digest", "C_DigestUpdate", "C_Encrypt", "C_EncryptUpdate", "C_Sign",
    "C_SignUpdate", "C_UnwrapKey", "C_Verify", "C_VerifyFinal", "C_VerifyUpdate",
}  # fmt: skip


def _refused(theirs: Outcome, ours: Outcome) -> bool:
    return theirs == (ARGUMENTS_BAD, ())


_ALL = (
    Pin(
        "an empty message, signature or wrapped key is refused before the module is asked",
        lambda function, arguments: function in REFUSES_EMPTY and b"" in arguments,
        _refused,
    ),
    Pin(
        "a search for no objects is refused before the module is asked",
        lambda function, arguments: function == "C_FindObjects" and arguments[-1] == 0,
        _refused,
    ),
    Pin(
        "the length that the module names when the room is too small is not passed on",
        lambda function, arguments: any(shape.kind is Kind.BUFFER for shape in shapes(function)),
        lambda theirs, ours: theirs == (TOO_SMALL, ()) and ours[0] == TOO_SMALL,
    ),
    Pin(
        "the length is asked for where nobody wanted it, and some modules answer that wrongly (NSS ends an ECB operation)",
        lambda function, arguments: function in ASKS_ITSELF,
        lambda theirs, ours: theirs[0] not in (0, ours[0]),
    ),
    Pin(
        "an attribute that the token keeps back looks like an empty one: which of several it was is lost",
        lambda function, arguments: function == "C_GetAttributeValue",
        lambda theirs, ours: theirs[0] == ours[0] and theirs[0] in KEPT_BACK,
    ),
    Pin(
        "a pointer to nothing (no PIN, no seed, an empty template) becomes NULL",
        lambda function, arguments: b"" in arguments or [] in arguments or arguments[-1] == 0,
        lambda theirs, ours: theirs[0] != ours[0],
    ),
)
# In the order of ``PARTING`` in the tests. Another version may have fewer faults, or more: then nothing is excused.
PINNED = _ALL if version("PyKCS11") == "1.5.20" else ()


@attrs.define
class Side:
    """One binding with its own session and the objects that it made there."""

    binding: NativeBinding | PyKCS11Binding
    tight: int = 5
    session: int = 0
    made: list[int] = attrs.field(factory=list)
    outputs: dict[str, bytes] = attrs.field(factory=dict)

    def resolve(self, argument: Any, keys: Mapping[str, int]) -> Any:
        """``"session"``, ``"tight"`` (too little room), a key's name, ``("made", i)``, ``("output", function)``; all else as it is."""
        match argument:
            case "session":
                return self.session
            case "tight":
                return self.tight
            case str() if argument in keys:
                return keys[argument]
            case ("made", int(place)):
                return self.made[place % len(self.made)] if self.made else 0
            case ("output", str(name)):
                return self.outputs.get(name, b"never made")
        return argument

    def call(self, function: str, arguments: Sequence[Any], keys: Mapping[str, int]) -> Outcome:
        """Make the call, and remember what it made for the calls that follow."""
        rv, results = self.binding.invoke(function, [self.resolve(a, keys) for a in arguments])
        gives = [shape for shape in shapes(function) if shape.gives]
        for shape, result in zip(gives, results, strict=False):
            if rv == 0 and shape.ctype == "CK_OBJECT_HANDLE_PTR" and shape.kind is Kind.OUT:
                self.made.append(int(result))  # type: ignore[call-overload]
            if rv == 0 and isinstance(result, bytes):
                self.outputs[function] = result
        return rv, results


def pinned(function: str, arguments: Sequence[Any], theirs: Outcome, ours: Outcome) -> bool:
    """Whether a fault that is known explains the difference."""
    return any(pin.applies(function, arguments) and pin.seen(theirs, ours) for pin in PINNED)


def _comparable(result: Any, kind: Kind, ctype: str) -> Any:
    if isinstance(result, TokenInfo):
        return attrs.evolve(result, utcTime="")
    if kind is Kind.OUT and ctype != "CK_ULONG_PTR":
        return bool(result)
    return sorted(result) if kind is Kind.FOUND else result


def _random(function: str, mechanism: int | None) -> bool:
    enciphers = function in ("C_Encrypt", "C_WrapKey")
    return function == "C_GenerateRandom" or mechanism in RANDOM or (mechanism == PADDED and enciphers)


def both(
    theirs: Side,
    ours: Side,
    function: str,
    arguments: Sequence[Any],
    keys: Mapping[str, int],
    mechanism: int | None = None,
) -> int | None:
    """Make one call through both and hold the answers against each other.

    ``mechanism``: the one of the active operation, if any. Returns the CKR, or None after a pinned
    difference: the two sides may be in different states then.
    """
    REACHED.add(function)
    first, second = theirs.call(function, arguments, keys), ours.call(function, arguments, keys)
    if first[0] == second[0] and len(first[1]) == len(second[1]):
        gives = [shape for shape in shapes(function) if shape.gives]
        for shape, one, other in zip(gives, first[1], second[1], strict=False):
            if isinstance(one, bytes) and isinstance(other, bytes) and _random(function, mechanism):
                assert len(one) == len(other), f"{function}{arguments}: lengths {len(one)} and {len(other)}"
                continue
            left, right = (_comparable(x, shape.kind, shape.ctype) for x in (one, other))
            if left != right:
                break
        else:
            return second[0]
    if pinned(function, arguments, first, second):
        return None
    shown = [f"{spec.name('CKR', rv)} {results}" for rv, results in (first, second)]
    raise AssertionError(f"{function}{tuple(arguments)}: PyKCS11 {shown[0]}, native {shown[1]}")
