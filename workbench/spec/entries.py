"""One entry for each kind of thing: which facts the tables hold of it, in the order in which they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workbench.spec import tables
from workbench.spec.explanation import Entry, Fact
from workbench.spec.model import Reference
from workbench.spec.search import KINDS, attribute_references, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workbench.spec.model import Advice, MechanismParameter

__all__ = ["entry", "vendor_entry"]

# A list longer than this is told by what it leaves out, if that is short.
_LONG = 40
_SHORT = 12
# The use that a mechanism table marks → how to say it, and the functions that begin it.
_USES = {
    "encrypt_decrypt": ("encrypt and decrypt", "C_EncryptInit, C_DecryptInit"),
    "sign_verify": ("sign and verify", "C_SignInit, C_VerifyInit"),
    "sign_recover_verify_recover": (
        "sign and verify with recovery",
        "C_SignRecoverInit, C_VerifyRecoverInit",
    ),
    "digest": ("digest", "C_DigestInit"),
    "generate": ("generate keys", "C_GenerateKey or C_GenerateKeyPair"),
    "wrap_unwrap": ("wrap and unwrap", "C_WrapKey, C_UnwrapKey"),
    "derive": ("derive", "C_DeriveKey"),
    "encapsulate_decapsulate": ("encapsulate and decapsulate", "C_EncapsulateKey, C_DecapsulateKey"),
}
_LISTS = ((68, "CK_FUNCTION_LIST"), (92, "CK_FUNCTION_LIST_3_0"), (104, "CK_FUNCTION_LIST_3_2"))
_HEADERS = {"p11-kit-header": "p11-kit", "softhsm2-header": "SoftHSM 2"}


def _but(names: tuple[str, ...], everything: Iterable[str], what: str) -> str | None:
    """``103 functions, all but C_AsyncComplete`` in place of a list that fills a page."""
    if len(names) <= _LONG:
        return None
    missing = [n for n in everything if n not in names]
    rest = f", all but {', '.join(missing)}" if 0 < len(missing) <= _SHORT else ""
    return f"{len(names)} {what}{rest}"


def _function(name: str) -> Entry:
    f = tables.function(name)
    place = next(f"number {f.order} of {title}" for last, title in _LISTS if f.order <= last)
    rules = [
        r.rule + (f": {r.error}" if r.error else "") for r in tables.session_rules() if r.section == f.section
    ]
    facts = (
        *Fact.single("category", "belongs to", f"{f.category}, chapter {f.chapter}"),
        *Fact.single("function_list", "in the function list", place),
        *Fact.table(
            "parameters", "parameters", ("name", "type", "direction"), [attrs.astuple(p) for p in f.params]
        ),
        *Fact.listing("returns", "return codes that 3.2 lists", f.returns or ()),
        *Fact.single("returns_note", "return codes", f.returns_note),
        *Fact.listing("session_rules", "rules on sessions", rules),
        *Fact.single("pykcs11", "reached by PyKCS11", "yes" if f.pykcs11 else "no"),
    )
    return Entry(name, "function", introduced=f.introduced, references=f.references, facts=facts)


def _users(name: str) -> tuple[Fact, ...]:
    """What a type or structure is used in."""
    spelled = (name, f"{name}_PTR", f"{name}_PTR_PTR")
    users = [
        m.name
        for m in tables.mechanisms()
        if m.parameter and name in (m.parameter.struct, m.parameter.message_struct)
    ]
    takers = [f.name for f in tables.functions() if any(p.ctype in spelled for p in f.params)]
    holders = [t.name for t in tables.structs() if any(f.ctype in spelled for f in t.fields)]
    return (
        *Fact.listing("mechanisms", "parameter of", users),
        *Fact.listing("functions", "passed to", takers, _but(tuple(takers), (), "functions")),
        *Fact.listing("structures", "member of", holders),
    )


def _struct(name: str) -> Entry:
    s = tables.struct(name)
    members = [(f.name, f.ctype if f.array is None else f"{f.ctype}[{f.array}]") for f in s.fields]
    facts = (*Fact.table("members", "members", ("name", "type"), members), *_users(name))
    return Entry(name, "structure", introduced=s.introduced, facts=facts)


def _type(name: str) -> Entry:
    facts = (*Fact.single("is", "stands for", tables.types()[name]), *_users(name))
    return Entry(name, "type", facts=facts)


def _told(told: Advice | None) -> tuple[Fact, ...]:
    if told is None:
        return ()
    return (
        *Fact.listing("causes", "likely causes", told.causes),
        *Fact.listing("next", "next steps", told.next),
    )


def _return_code(name: str) -> tuple[Fact, ...]:
    code, told = tables.return_code(name), tables.advice(name)
    others = [(f"0x{n:08X}", ", ".join(_HEADERS.get(u, u) for u in users)) for n, users in code.other_values]
    rules = [r.rule for r in tables.session_rules() if r.error == name]
    brief = _but(code.functions, (f.name for f in tables.functions()), "functions")
    return (
        *Fact.table("other_values", "other numbers of this code", ("value", "header"), others),
        *_told(told),
        *Fact.listing("functions", "functions that list it in 3.2", code.functions, brief),
        *Fact.listing("session_rules", "rules on sessions that end in it", rules),
        # "other" says nothing that the section's title does not.
        *Fact.single("category", "category", None if code.category == "other" else code.category),
    )


def _parameter_text(p: MechanismParameter | None) -> str | None:
    if p is None:
        return None
    if p.kind == "none":
        return p.kind
    text = p.struct or p.meaning or "bytes"
    text += "" if p.length is None else f", {p.length} bytes"
    text += ", optional" if p.optional else ""
    return text + (f"; {p.message_struct} for the message functions" if p.message_struct else "")


def _mechanism(name: str) -> tuple[Fact, ...]:
    m = tables.mechanism(name)
    uses = [(*_USES[u], "single part only" if u in m.single_part_only else None) for u in m.functions]
    # Key types are not a column of the standard: they follow from the names.
    return (
        *Fact.table("functions", "functions", ("use", "functions", "parts"), uses),
        *Fact.single("parameter", "parameter", _parameter_text(m.parameter)),
        *Fact.single("key_type", "key type, by the name", m.key_type),
    )


def _attribute(name: str) -> tuple[Fact, ...]:
    a = tables.attribute(name)
    says = tables.attribute_rules()
    rows = [
        (
            e.objects,
            e.object_class,
            e.key_type,
            e.data_type,
            e.section,
            e.default,
            "; ".join(says[r] for r in e.rules) or None,
        )
        for e in a.entries
    ]
    columns = ("objects", "object_class", "key_type", "data_type", "section", "default", "rules")
    return (
        *Fact.listing("data_types", "data type", a.data_types),
        *Fact.table("objects", "objects that have it", columns, rows),
    )


def _with_class(attribute: str, object_class: str) -> bool:
    return any(e.object_class == object_class for e in tables.attribute(attribute).entries)


def _object_class(name: str) -> tuple[Fact, ...]:
    mine = [a.name for a in tables.attributes() if _with_class(a.name, name)]
    return Fact.listing("attributes", "attributes of its own", mine)


def _key_type(name: str) -> tuple[Fact, ...]:
    names = {name, tables.constant(name).alias_of} - {None}
    mechanisms = [m.name for m in tables.mechanisms() if m.key_type in names]
    attributes = [a.name for a in tables.attributes() if any(e.key_type in names for e in a.entries)]
    return (
        *Fact.listing("mechanisms", "mechanisms, by their names", mechanisms),
        *Fact.listing("attributes", "attributes of such keys", attributes),
    )


def _session_state(name: str) -> tuple[Fact, ...]:
    state = next((s for s in tables.session_states() if s.name == name), None)
    if state is None:
        return ()
    moves = tables.session_transitions()
    leads = [
        (t.function or t.event, t.source or "no session", t.condition) for t in moves if t.target == name
    ]
    leaves = [
        (t.function or t.event, t.target or "no session", t.condition) for t in moves if t.source == name
    ]
    return (
        *Fact.single("session", "session", f"{state.session}, logged in: {state.logged_in or 'nobody'}"),
        *Fact.table(
            "access", "access to", ("objects", "access"), [(o, a or "none") for o, a in state.access.items()]
        ),
        *Fact.table("entered_by", "entered by", ("function", "from", "when"), leads),
        *Fact.table("left_by", "left by", ("function", "to", "when"), leaves),
    )


def _user_type(name: str) -> tuple[Fact, ...]:
    states = [s.name for s in tables.session_states() if s.logged_in == name]
    return Fact.listing("session_states", "session states when logged in", states)


def _profile(name: str) -> tuple[Fact, ...]:
    mine = [p for p in tables.profiles() if p.profile_id == name]
    return (
        *Fact.listing("profiles", "profile", (p.name for p in mine)),
        *Fact.listing("builds_on", "builds on", (b for p in mine for b in p.builds_on)),
        *Fact.listing("functions", "functions that it asks for", (f for p in mine for f in p.functions)),
        *Fact.listing("mechanisms", "mechanisms that it asks for", (m for p in mine for m in p.mechanisms)),
    )


_FACTS: dict[str, Callable[[str], tuple[Fact, ...]]] = {
    "CKR": _return_code,
    "CKM": _mechanism,
    "CKA": _attribute,
    "CKO": _object_class,
    "CKK": _key_type,
    "CKS": _session_state,
    "CKU": _user_type,
    "CKP": _profile,
}


def entry(name: str) -> Entry:
    """Everything that is known of a name of the standard; KeyError for a name that it does not have."""
    kind = kind_of(name)
    if kind == "function":
        return _function(name)
    if kind == "structure":
        return _struct(name)
    if kind == "type":
        return _type(name)
    c = tables.constant(name)
    facts = _FACTS[c.kind](name) if c.kind in _FACTS else ()
    references = {
        "CKR": lambda: tables.return_code(name).references,
        "CKM": lambda: tables.mechanism(name).references,
        "CKA": lambda: attribute_references(tables.attribute(name)),
        "CKS": lambda: tuple(
            Reference("3.2", s.section) for s in tables.session_states() if s.name == name and s.section
        ),
    }.get(c.kind, tuple)()
    told = tables.advice(name)
    means = told.means if told else None
    return Entry(
        name,
        kind,
        c.value,
        c.introduced,
        c.deprecated,
        c.historical,
        c.alias_of,
        means,
        references,
        facts,
    )


def vendor_entry(kind: str, number: int) -> Entry | None:
    """A number of a vendor's own, in the kinds that leave room for it."""
    start = f"{kind}_VENDOR_DEFINED"
    if start not in tables.names(kind).values():
        return None
    means = f"A number of the vendor's own ({start} and up): the vendor's documentation says what it is."
    facts = _told(tables.advice(start)) if kind == "CKR" else ()
    return Entry(tables.name(kind, number), f"{KINDS[kind]} of a vendor", number, means=means, facts=facts)
