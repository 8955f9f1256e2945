"""What a mechanism and its parameter are here: plain values, turned into C memory by ``memory`` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Union

import attrs

from workbench import spec
from workbench.cryptoki.attributes import AttributeValue, numbered
from workbench.cryptoki.secret import Secret
from workbench.faults import WorkbenchError

__all__ = [
    "Mechanism",
    "Member",
    "OutputBytes",
    "OutputNumber",
    "Parameter",
    "RawParameter",
    "describe_parameter",
    "mechanism",
]

Member = Union[
    int,
    bytes,
    Secret,
    "Parameter",
    "Mechanism",
    "OutputBytes",
    "OutputNumber",
    tuple["Parameter", ...],
    tuple[int, ...],
    Mapping[str, AttributeValue],
    Mapping[str | int, AttributeValue],
    None,
]


@attrs.define(eq=False, repr=False)
class OutputBytes:
    """Room of ``size`` bytes in a parameter, for the module to write into; ``value`` gives them after the call."""

    size: int
    _read: Callable[[], bytes] | None = attrs.field(default=None, init=False)

    @property
    def value(self) -> bytes:
        """The bytes that stand there since the last call. Errors: ``WorkbenchError`` before any call."""
        if self._read is None:
            raise WorkbenchError("this output was not part of a call yet: pass its parameter to one first")
        return self._read()

    def attach(self, read: Callable[[], bytes]) -> None:
        """Say where the memory of the call in the making stands (``memory`` does)."""
        self._read = read

    def __repr__(self) -> str:
        return f"<room for {self.size} bytes>"


@attrs.define(eq=False, repr=False)
class OutputNumber:
    """A number in a parameter that the module sets (a handle, a length); ``value`` gives it after the call."""

    initial: int = 0
    _read: Callable[[], int] | None = attrs.field(default=None, init=False)

    @property
    def value(self) -> int:
        """The number that stands there since the last call. Errors: ``WorkbenchError`` before any call."""
        if self._read is None:
            raise WorkbenchError("this output was not part of a call yet: pass its parameter to one first")
        return self._read()

    def attach(self, read: Callable[[], int]) -> None:
        """Say where the memory of the call in the making stands (``memory`` does)."""
        self._read = read

    def __repr__(self) -> str:
        return "<room for a number>"


@attrs.frozen(repr=False)
class Parameter:
    """A mechanism parameter: the name of its C type and the values of its members.

    A member that points at bytes takes bytes (or a ``Secret``), at a structure a ``Parameter``, at an array of
    them a tuple, at a mechanism a ``Mechanism``, at a template a mapping, at room for the module's own output an
    ``OutputBytes`` or ``OutputNumber``. The member that gives a length is filled in unless it is given; a member
    left out is zero or NULL. A type that is a number (CK_MAC_GENERAL_PARAMS) has the one member ``value``.
    """

    struct: str
    members: Mapping[str, Member]

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def __repr__(self) -> str:
        words = ", ".join(f"{name} {_words(member)}" for name, member in self.members.items())
        return f"<{self.struct}: {words}>"


RawParameter = Parameter | bytes | int | None


@attrs.frozen(repr=False)
class Mechanism:
    """A CK_MECHANISM: number and parameter (a structure, raw bytes, a CK_ULONG, or None)."""

    type: int
    parameter: RawParameter = None

    @property
    def name(self) -> str:
        """The standard's name of the mechanism."""
        return spec.name("CKM", self.type)

    def __str__(self) -> str:
        return (
            self.name if self.parameter is None else f"{self.name} with {describe_parameter(self.parameter)}"
        )

    def __repr__(self) -> str:
        return f"<Mechanism {self}>"


def _words(member: Member) -> str:
    """A member without what it may carry: bytes can be secrets or IVs, numbers cannot."""
    match member:
        case None:
            return "NULL"
        case bytes():
            return f"{len(member)} bytes"
        case tuple():
            return f"({', '.join(_words(one) for one in member)})"
        case Mapping():
            return f"template of {len(member)}"
        case _:
            return repr(member)


def describe_parameter(parameter: Parameter | bytes | int) -> str:
    """A parameter in words, without the bytes it may carry: the name of its structure alone."""
    if isinstance(parameter, Parameter):
        return parameter.struct
    return f"CK_ULONG {parameter}" if isinstance(parameter, int) else f"{len(parameter)} bytes"


def mechanism(type: str | int | Mechanism, parameter: RawParameter = None) -> Mechanism:
    """A mechanism by name or number, with its parameter if it takes one.

    ``parameter``: what a constructor of ``mechanisms`` made; bytes as they are (an IV, a vendor's structure);
    or a number, passed as a CK_ULONG.
    """
    if isinstance(type, Mechanism):
        return type
    if isinstance(type, str):
        try:
            type = numbered(type)
        except KeyError:
            raise WorkbenchError(
                f"the standard has no mechanism {type!r}; give a CKM_ name or a number"
            ) from None
    return Mechanism(type, parameter)
