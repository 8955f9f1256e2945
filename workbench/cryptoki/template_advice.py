"""What the standard's attribute tables say about a template: advice, never a refusal, for the token decides.

Only the tables of the key objects are held against a template in full (4.2 to 4.12 and the key types of 6):
in those of certificates and other objects the footnotes mean other things.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import attrs

from workbench import spec
from workbench.cryptoki.attributes import Row, Template, attribute_name, decode, encode_template, fixed_size
from workbench.cryptoki.mechanisms import Mechanism
from workbench.cryptoki.mechanisms import mechanism as as_mechanism
from workbench.cryptoki.shapes import Kind, shapes

__all__ = ["TemplateAdvice", "advice_on_call", "advise"]

# The return codes whose cause is most likely a template.
ABOUT_TEMPLATES = frozenset(
    {
        "CKR_ATTRIBUTE_READ_ONLY",
        "CKR_ATTRIBUTE_TYPE_INVALID",
        "CKR_ATTRIBUTE_VALUE_INVALID",
        "CKR_TEMPLATE_INCOMPLETE",
        "CKR_TEMPLATE_INCONSISTENT",
    }
)
# Which of the tables' rules a function goes by; the others know no "must" (derivation, copying, searching).
_RULES = {
    "C_CreateObject": "create",
    "C_GenerateKey": "generate",
    "C_GenerateKeyPair": "generate",
    "C_UnwrapKey": "unwrap",
    "C_UnwrapKeyAuthenticated": "unwrap",
}
_CHANGES = frozenset({"C_CopyObject", "C_SetAttributeValue"})
_CLASSES = {"pPublicKeyTemplate": "CKO_PUBLIC_KEY", "pPrivateKeyTemplate": "CKO_PRIVATE_KEY"}
_KEYS = frozenset({"CKO_PUBLIC_KEY", "CKO_PRIVATE_KEY", "CKO_SECRET_KEY"})
_COMMON = frozenset({"common (all objects)", "storage"})
# Bytes of a key's value, where the key type fixes them.
_KEY_BYTES = {
    "CKK_AES": (16, 24, 32),
    "CKK_ARIA": (16, 24, 32),
    "CKK_CAMELLIA": (16, 24, 32),
    "CKK_CHACHA20": (32,),
    "CKK_DES": (8,),
    "CKK_DES2": (16,),
    "CKK_DES3": (24,),
    "CKK_SEED": (16,),
}
# (attribute, value, another attribute, its value, what is wrong with having both)
_CONTRADICTIONS = (
    (
        "CKA_EXTRACTABLE",
        True,
        "CKA_SENSITIVE",
        False,
        "together with a CKA_SENSITIVE that is false lets anybody who is logged in read the value in the clear",
    ),
    (
        "CKA_WRAP_WITH_TRUSTED",
        True,
        "CKA_EXTRACTABLE",
        False,
        "has no effect on a key that is not CKA_EXTRACTABLE",
    ),
    (
        "CKA_ALWAYS_AUTHENTICATE",
        True,
        "CKA_PRIVATE",
        False,
        "needs an object that is CKA_PRIVATE",
    ),
    (
        "CKA_SENSITIVE",
        True,
        "CKA_PRIVATE",
        False,
        "on an object that is not CKA_PRIVATE is refused by many tokens",
    ),
)


@attrs.frozen
class TemplateAdvice:
    """One remark: the attribute, what to say about it (without its value), the section, the template's parameter."""

    attribute: str
    says: str
    section: str | None = None
    parameter: str = "pTemplate"

    def __str__(self) -> str:
        return f"{self.attribute} {self.says}{f' (§{self.section})' if self.section else ''}"


@attrs.frozen
class _Template:
    """A template in the making of an object: its rows by name, and what the object is to become."""

    function: str
    parameter: str
    raw: Mapping[str, object]
    object_class: str | None
    key_type: str | None
    mechanism: str | None

    def boolean(self, name: str) -> bool | None:
        """The truth value of an attribute; None where the template does not give one."""
        raw = self.raw.get(name)
        return raw == b"\1" if raw in (b"\0", b"\1") else None

    def says(self, attribute: str, text: str, section: str | None = None) -> TemplateAdvice:
        """Advice on this template."""
        return TemplateAdvice(attribute, text, section, self.parameter)


def advise(
    function: str,
    template: Template,
    mechanism: Mechanism | str | int | None = None,
    parameter: str = "pTemplate",
) -> tuple[TemplateAdvice, ...]:
    """What the standard's tables have against a template for a function; empty: nothing.

    ``mechanism``: the one that the function is given, which says what kind of key comes out. ``parameter``: which
    of the function's templates it is (``pPublicKeyTemplate`` …). Errors: ``WorkbenchError`` for a value that has
    no encoding.
    """
    chosen = None if mechanism is None else as_mechanism(mechanism)
    return _advise(function, encode_template(template), chosen, parameter)


def advice_on_call(function: str, code: str, arguments: Sequence[object]) -> tuple[TemplateAdvice, ...]:
    """Advice on every template of a call that was answered with a return code; nothing if it is not about one.

    ``arguments``: as ``NativeBinding.invoke`` takes them.
    """
    if code not in ABOUT_TEMPLATES:
        return ()
    taken = list(zip((s for s in shapes(function) if s.takes), arguments, strict=False))
    mechanism = next((value for _, value in taken if isinstance(value, Mechanism)), None)
    made: list[TemplateAdvice] = []
    for shape, value in taken:
        if shape.kind is Kind.TEMPLATE and isinstance(value, list):
            made += _advise(function, value, mechanism, shape.name)
    return tuple(made)


def _advise(
    function: str, rows: Sequence[Row], mechanism: Mechanism | None, parameter: str
) -> tuple[TemplateAdvice, ...]:
    raw: dict[str, object] = {}
    twice: list[str] = []
    for number, value in rows:
        name = attribute_name(number)
        twice += [name] if name in raw else []
        raw[name] = value
    template = _Template(
        function,
        parameter,
        raw,
        _constant(raw.get("CKA_CLASS"), "CKO") or _class_made(function, parameter, mechanism),
        _constant(raw.get("CKA_KEY_TYPE"), "CKK") or _key_type_made(function, mechanism),
        mechanism.name if mechanism else None,
    )
    return (
        *(template.says(name, "is given twice") for name in twice),
        *_types(template),
        *_rules(template),
        *_strangers(template),
        *_changes(template),
        *_lengths(template),
        *_contradictions(template, mechanism),
    )


def _constant(raw: object, kind: str) -> str | None:
    return spec.name(kind, int.from_bytes(raw, "little")) if isinstance(raw, bytes) and raw else None


def _class_made(function: str, parameter: str, mechanism: Mechanism | None) -> str | None:
    if function == "C_GenerateKeyPair":
        return _CLASSES.get(parameter)
    if mechanism is not None and "PARAMETER_GEN" in mechanism.name:
        return "CKO_DOMAIN_PARAMETERS"
    return "CKO_SECRET_KEY" if function in ("C_GenerateKey", "C_EncapsulateKey", "C_DecapsulateKey") else None


def _key_type_made(function: str, mechanism: Mechanism | None) -> str | None:
    """The key type that a generating mechanism makes; that of any other says nothing of what comes out."""
    if mechanism is None or _RULES.get(function) != "generate" or "_KEY_" not in mechanism.name:
        return None  # (a CKM_PBE_ is named after a cipher)
    try:
        return spec.mechanism(mechanism.name).key_type
    except KeyError:
        return None


def _rows_for(template: _Template, attribute: spec.Attribute) -> list[spec.AttributeEntry]:
    """The table rows that speak of this attribute in an object of this class and key type."""
    found = []
    for entry in attribute.entries:
        if entry.objects in _COMMON or (entry.objects == "key (common)" and template.object_class in _KEYS):
            found.append(entry)
        elif entry.object_class == template.object_class:
            # a row of chapter 6 without a key type belongs to one that the tables do not name (AES-XTS)
            general = entry.key_type is None and (entry.section or "").startswith("4.")
            if general or (entry.key_type is not None and entry.key_type == template.key_type):
                found.append(entry)
    return found


@cache
def _key_types_of_tables() -> frozenset[str | None]:
    return frozenset(entry.key_type for attribute in spec.attributes() for entry in attribute.entries)


def _types(template: _Template) -> list[TemplateAdvice]:
    """Values whose bytes cannot be of the attribute's data type."""
    made = []
    for name, raw in template.raw.items():
        try:
            types = spec.attribute(name).data_types
        except KeyError:
            continue
        number = spec.value(name)
        size = fixed_size(number)
        if isinstance(raw, list):
            if "CK_ATTRIBUTE_PTR" not in types:
                made.append(template.says(name, f"is no template; its type is {' or '.join(types)}"))
        elif isinstance(raw, bytes):
            if size is not None and types and len(raw) != size:
                made.append(template.says(name, f"has {len(raw)} bytes; a {types[0]} has {size}"))
            elif size == 1 and raw not in (b"\0", b"\1"):
                made.append(template.says(name, "is neither CK_TRUE nor CK_FALSE"))
            elif "CK_DATE" in types and raw and isinstance(decode(number, raw), bytes):
                made.append(template.says(name, "is no date: it has 8 digits (YYYYMMDD) or is empty"))
    return made


def _rules(template: _Template) -> list[TemplateAdvice]:
    """Attributes that the tables say must, or must not, be given to this function."""
    kind = _RULES.get(template.function)
    made: list[TemplateAdvice] = []
    if kind is None or template.object_class not in _KEYS:
        if kind is not None and template.object_class is None:
            made.append(template.says("CKA_CLASS", "is missing: it says what the object is", "4.2"))
        return made
    for attribute in spec.attributes():
        for entry in _rows_for(template, attribute):
            given = attribute.name in template.raw
            # a value that the module makes itself is missing in nobody's template
            must = f"{kind}_must" in entry.rules and "generated_by_module" not in entry.rules
            if must and not given:
                made.append(template.says(attribute.name, f"is missing: {_must(template)}", entry.section))
            elif given and f"{kind}_must_not" in entry.rules:
                text = f"must not be given to {template.function}: its value comes from the token"
                made.append(template.says(attribute.name, text, entry.section))
            else:
                continue
            break
    return made


def _must(template: _Template) -> str:
    return f"{template.function} wants it for {_described(template)}"


def _described(template: _Template) -> str:
    kind = (template.object_class or "").removeprefix("CKO_").replace("_", " ").lower()
    return f"a {kind}{f' of type {template.key_type}' if template.key_type else ''}"


def _strangers(template: _Template) -> list[TemplateAdvice]:
    """Attributes that no table gives to objects of this class (CKA_SIGN for a public key)."""
    if template.object_class not in _KEYS or template.key_type is None:
        return []
    known = template.key_type in _key_types_of_tables()
    made = []
    for name in template.raw:
        try:
            attribute = spec.attribute(name)
        except KeyError:
            continue  # a vendor's own
        rows = _rows_for(template, attribute)
        if not known:  # an HMAC key's CKA_VALUE has no row of its own: those of its class must do
            rows += [entry for entry in attribute.entries if entry.object_class == template.object_class]
        if attribute.entries and not rows:
            made.append(template.says(name, f"is no attribute of {_described(template)}"))
    return made


def _changes(template: _Template) -> list[TemplateAdvice]:
    """Attributes that cannot be changed, or in one direction alone, once the object is there."""
    if template.function not in _CHANGES:
        return []
    made = []
    for name in template.raw:
        try:
            rules = [set(entry.rules) for entry in spec.attribute(name).entries]
        except KeyError:
            continue
        value = template.boolean(name)
        if value is False and any("one_way_true" in r for r in rules):
            made.append(template.says(name, "is one-way: once true it stays so"))
        elif value is True and any("one_way_false" in r for r in rules):
            made.append(template.says(name, "is one-way: once false it stays so"))
        elif template.function == "C_SetAttributeValue" and rules and not _modifiable(name, rules):
            made.append(template.says(name, "is read-only after the object was made"))
    return made


def _modifiable(name: str, rules: Sequence[set[str]]) -> bool:
    if name == "CKA_LABEL":
        return True  # 4.4 says so in its text, not in the table
    return any(r & {"modifiable", "one_way_true", "one_way_false", "so_only_true"} for r in rules)


def _lengths(template: _Template) -> list[TemplateAdvice]:
    """Values of secret keys that have no length that their type knows."""
    sizes = _KEY_BYTES.get(template.key_type or "")
    if sizes is None or template.object_class != "CKO_SECRET_KEY":
        return []
    wanted = f"; a {template.key_type} key has {', '.join(str(size) for size in sizes)}"
    made = []
    value, length = template.raw.get("CKA_VALUE"), template.raw.get("CKA_VALUE_LEN")
    if isinstance(value, bytes) and len(value) not in sizes:
        made.append(template.says("CKA_VALUE", f"has {len(value)} bytes{wanted}"))
    if isinstance(length, bytes) and int.from_bytes(length, "little") not in sizes:
        made.append(template.says("CKA_VALUE_LEN", f"counts bytes, not bits{wanted}"))
    return made


def _contradictions(template: _Template, mechanism: Mechanism | None) -> list[TemplateAdvice]:
    """What fits together badly: attributes with each other, or with the function and its mechanism."""
    made = [
        template.says(name, text)
        for name, value, other, its_value, text in _CONTRADICTIONS
        if template.boolean(name) is value and template.boolean(other) is its_value
    ]
    if template.boolean("CKA_TRUSTED") and template.function != "C_FindObjectsInit":
        made.append(template.says("CKA_TRUSTED", "can be set to true by the SO alone", "4.9"))
    start, end = (template.raw.get(name) for name in ("CKA_START_DATE", "CKA_END_DATE"))
    if (
        isinstance(start, bytes)
        and isinstance(end, bytes)
        and start.isdigit()
        and end.isdigit()
        and end < start
    ):
        made.append(template.says("CKA_END_DATE", "lies before CKA_START_DATE"))
    expected = _class_made(template.function, template.parameter, mechanism)
    if expected and template.object_class != expected:
        made.append(template.says("CKA_CLASS", f"is not {expected}, which {template.function} makes"))
    key_type = _key_type_made(template.function, mechanism)
    if key_type and template.key_type != key_type:
        made.append(template.says("CKA_KEY_TYPE", f"is not {key_type}, which {template.mechanism} makes"))
    return made
