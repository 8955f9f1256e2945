"""The records of the standard: frozen, plain, and silent where the sources say nothing."""

from __future__ import annotations

import attrs

__all__ = [
    "Advice",
    "Attribute",
    "AttributeEntry",
    "Constant",
    "Field",
    "Function",
    "Mechanism",
    "MechanismParameter",
    "Param",
    "Profile",
    "Reference",
    "ReturnCode",
    "SessionRule",
    "SessionState",
    "SessionTransition",
    "Struct",
]


@attrs.frozen
class Reference:
    """A place in one version of the standard.

    ``inferred`` marks a section number that no source states but its neighbours imply;
    ``group`` marks the number of the enclosing group of functions.
    """

    version: str
    section: str | None = None
    inferred: bool = False
    group: bool = False
    title: str | None = None
    url: str | None = None


@attrs.frozen
class Param:
    """A parameter of a function: ``direction`` is ``in``, ``out`` or ``inout``."""

    name: str
    ctype: str
    direction: str


@attrs.frozen
class Function:
    """A ``C_`` function: its chapter and parameters are those of v3.2."""

    name: str
    order: int
    introduced: str
    category: str
    chapter: str
    params: tuple[Param, ...]
    references: tuple[Reference, ...]
    returns: tuple[str, ...] | None = None
    returns_note: str | None = None
    pykcs11: bool = False

    @property
    def section(self) -> str:
        """The section in v3.2, such as ``5.13.2``."""
        return next((r.section for r in self.references if r.version == "3.2" and r.section), self.chapter)


@attrs.frozen
class Constant:
    """A named number; ``kind`` is its prefix (``CKM``, ``CKR`` …)."""

    name: str
    kind: str
    value: int
    introduced: str
    deprecated: bool = False
    historical: bool = False
    alias_of: str | None = None


@attrs.frozen
class MechanismParameter:
    """What a mechanism takes as its parameter: ``kind`` is ``none``, ``struct`` or ``bytes``; length in bytes."""

    kind: str
    struct: str | None = None
    optional: bool = False
    length: int | None = None
    meaning: str | None = None
    message_struct: str | None = None
    note: str | None = None


@attrs.frozen
class Mechanism:
    """What the standard says of a CKM: the functions it serves, its parameter, its key type."""

    name: str
    functions: tuple[str, ...] = ()
    single_part_only: tuple[str, ...] = ()
    parameter: MechanismParameter | None = None
    key_type: str | None = None
    references: tuple[Reference, ...] = ()

    @property
    def parameter_struct(self) -> str | None:
        """The structure that the mechanism takes as its parameter, if it takes one."""
        return self.parameter.struct if self.parameter else None


@attrs.frozen
class AttributeEntry:
    """One row of an attribute table: the objects it is for, its type and its decoded rules."""

    objects: str | None = None
    object_class: str | None = None
    key_type: str | None = None
    section: str | None = None
    title: str | None = None
    url: str | None = None
    source: str | None = None
    data_type: str | None = None
    default: str | None = None
    rules: tuple[str, ...] = ()


@attrs.frozen
class Attribute:
    """A CKA with every table row that describes it."""

    name: str
    data_types: tuple[str, ...] = ()
    entries: tuple[AttributeEntry, ...] = ()

    @property
    def sensitive(self) -> bool:
        """Whether some object keeps this value secret (CKA_SENSITIVE / CKA_EXTRACTABLE)."""
        return any("sensitive" in entry.rules for entry in self.entries)


@attrs.frozen
class ReturnCode:
    """A CKR: its category, the functions that list it, and numbers other headers give it."""

    name: str
    category: str | None = None
    references: tuple[Reference, ...] = ()
    functions: tuple[str, ...] = ()
    other_values: tuple[tuple[int, tuple[str, ...]], ...] = ()


@attrs.frozen
class Field:
    """A member of a structure; ``array`` is the bound of a fixed array."""

    name: str
    ctype: str
    array: int | None = None


@attrs.frozen
class Struct:
    """A C structure, members in order."""

    name: str
    introduced: str
    fields: tuple[Field, ...]


@attrs.frozen
class SessionState:
    """A CKS: ``access`` maps a kind of object to ``R/W``, ``R/O`` or None (no access)."""

    name: str
    value: int
    label: str
    session: str
    access: dict[str, str | None]
    logged_in: str | None = None
    section: str | None = None


@attrs.frozen
class SessionTransition:
    """A change of session state: ``source`` None means no session yet, ``target`` None none any more."""

    source: str | None
    target: str | None
    event: str
    function: str
    condition: str | None
    section: str | None


@attrs.frozen
class SessionRule:
    """A rule on sessions and login, with the code that breaking it gives where the text names one."""

    rule: str
    error: str | None = None
    section: str | None = None


@attrs.frozen
class Profile:
    """An OASIS profile: what a provider or token that claims it must offer."""

    name: str
    section: str
    role: str
    profile_id: str | None = None
    builds_on: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


@attrs.frozen
class Advice:
    """What a return code means in practice: one sentence, likely causes, sensible next steps."""

    means: str
    causes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
