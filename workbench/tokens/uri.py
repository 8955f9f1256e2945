"""PKCS#11 URIs (RFC 7512): a token or an object on it, named in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

import attrs

from workbench.cryptoki.records import Info, SlotInfo, TokenInfo, Version
from workbench.faults import WorkbenchError
from workbench.tokens.pins import PinSource, parse_pin_source

__all__ = ["CLASSES", "Uri", "is_uri", "parse_uri"]

CLASSES = {
    "public": "CKO_PUBLIC_KEY",
    "private": "CKO_PRIVATE_KEY",
    "cert": "CKO_CERTIFICATE",
    "secret-key": "CKO_SECRET_KEY",
    "data": "CKO_DATA",
}

# What may stand in a value as it is, beside letters, digits and "-._~" (RFC 7512, 2.3).
_EITHER = ":[]@!$'()*+,="
_IN_PATH = _EITHER + "&"
_IN_QUERY = _EITHER + "/?|"
# Every attribute of the RFC, in the order in which we write them.
_PATH = (
    "token",
    "manufacturer",
    "serial",
    "model",
    "library-manufacturer",
    "library-version",
    "library-description",
    "slot-manufacturer",
    "slot-description",
    "slot-id",
    "object",
    "type",
    "id",
)
_QUERY = ("module-name", "module-path", "pin-source")
_ULONG_MAX = 2**64 - 1


@attrs.frozen
class Uri:
    """A PKCS#11 URI, taken apart. An attribute that is None restricts nothing; made by ``parse_uri``.

    ``vendor_path`` and ``vendor_query`` hold the attributes that the RFC does not define, in their order.
    ``str`` gives the canonical form, which reads back to an equal value. A ``pin_source`` that is a command is
    whole there: show ``uri.without_query()``.
    """

    token: str | None = None
    manufacturer: str | None = None
    serial: str | None = None
    model: str | None = None
    library_manufacturer: str | None = None
    library_version: Version | None = None
    library_description: str | None = None
    slot_manufacturer: str | None = None
    slot_description: str | None = None
    slot_id: int | None = None
    object: str | None = None
    type: str | None = None
    id: bytes | None = None
    module_name: str | None = None
    module_path: str | None = None
    pin_source: PinSource | None = None
    vendor_path: tuple[tuple[str, str], ...] = ()
    vendor_query: tuple[tuple[str, str], ...] = ()

    @property
    def names_token(self) -> bool:
        """Whether it says anything about the token, its slot or its module."""
        return any(getattr(self, _field(name)) is not None for name in _PATH[:-3])

    @property
    def names_object(self) -> bool:
        """Whether it says anything about an object."""
        return any(getattr(self, _field(name)) is not None for name in _PATH[-3:])

    def matches_token(self, info: TokenInfo, slot_info: SlotInfo, module_info: Info, slot: int) -> bool:
        """Whether it names this token (RFC 7512, 2.4): each attribute of the path that we do not know matches nothing."""
        return (
            not self.vendor_path
            and self.slot_id in {None, slot}
            and self.library_version in {None, module_info.libraryVersion}
            and all(
                wanted is None or _unpadded(wanted) == _unpadded(found)
                for wanted, found in (
                    (self.token, info.label),
                    (self.manufacturer, info.manufacturerID),
                    (self.serial, info.serialNumber),
                    (self.model, info.model),
                    (self.library_manufacturer, module_info.manufacturerID),
                    (self.library_description, module_info.libraryDescription),
                    (self.slot_manufacturer, slot_info.manufacturerID),
                    (self.slot_description, slot_info.slotDescription),
                )
            )
        )

    def template(self) -> dict[str, str | bytes]:
        """The template for C_FindObjectsInit (5.7.6) that finds what it names; empty when it names no object."""
        found: dict[str, str | bytes] = {}
        if self.type is not None:
            found["CKA_CLASS"] = CLASSES[self.type]
        if self.object is not None:
            found["CKA_LABEL"] = self.object
        if self.id is not None:
            found["CKA_ID"] = self.id
        return found

    def without_query(self) -> Uri:
        """The path alone: what it names, without module and PIN source."""
        return attrs.evolve(self, module_name=None, module_path=None, pin_source=None, vendor_query=())

    def __str__(self) -> str:
        path = [*self._written(_PATH, _IN_PATH), *_vendor(self.vendor_path, _IN_PATH)]
        query = [*self._written(_QUERY, _IN_QUERY), *_vendor(self.vendor_query, _IN_QUERY)]
        return "pkcs11:" + ";".join(path) + ("?" + "&".join(query) if query else "")

    def _written(self, names: tuple[str, ...], safe: str) -> Iterator[str]:
        for name in names:
            value = getattr(self, _field(name))
            if value is not None:
                yield f"{name}={_encoded(value, safe)}"


def is_uri(text: str) -> bool:
    """Whether the text means to be a PKCS#11 URI."""
    return text[:7].lower() == "pkcs11:"


def parse_uri(text: str, trusted: bool = False) -> Uri:
    """Take a PKCS#11 URI apart.

    ``trusted``: it stands in the user's own configuration, so it may name a program (``module-path``, or a
    command as ``pin-source``). A ``pin-value`` is refused anywhere.
    Errors: ``WorkbenchError``, one sentence that names the attribute and repeats no value.
    """
    if not is_uri(text):
        raise WorkbenchError("a PKCS#11 URI starts with pkcs11:, as in pkcs11:token=signing;serial=0123")
    rest = text[7:]
    _refuse_pin_value(rest)
    path, _, query = rest.partition("?")
    found: dict[str, Any] = {}
    vendor: dict[str, list[tuple[str, str]]] = {"path": [], "query": []}
    for place, component, separator in (("path", path, ";"), ("query", query, "&")):
        own, others, allowed = (_PATH, _QUERY, _IN_PATH) if place == "path" else (_QUERY, _PATH, _IN_QUERY)
        for spelled, value in _attributes(place, component, separator):
            name = spelled.lower()  # ABNF's literals are read in any case (RFC 5234, 2.3)
            if name in others:
                where = "after the question mark" if name in _QUERY else "before the question mark"
                raise _fault(name, f"it belongs {where}")
            if name not in own:
                # The RFC lets a vendor's attribute be repeated in the query, not in the path.
                if place == "path" and any(spelled == earlier for earlier, _ in vendor["path"]):
                    raise _fault(spelled, "it is given twice")
                vendor[place].append((spelled, _text(spelled, value, allowed)))
            elif _field(name) in found:
                raise _fault(name, "it is given twice")
            else:
                found[_field(name)] = _value(name, value, allowed, trusted)
    return Uri(**found, vendor_path=tuple(vendor["path"]), vendor_query=tuple(vendor["query"]))


def _field(name: str) -> str:
    return name.replace("-", "_")


def _fault(name: str, why: str) -> WorkbenchError:
    return WorkbenchError(f"{name} in a PKCS#11 URI: {why}")


def _refuse_pin_value(rest: str) -> None:
    """Before anything else is looked at, so that no other complaint can come near the PIN."""
    for part in re.split("[;&?]", rest):
        name = unquote(part.partition("=")[0]).strip().lower().replace("_", "-")
        if name == "pin" or name.endswith(("pin-value", "pinvalue")):
            raise WorkbenchError(
                "a PIN does not belong in a PKCS#11 URI, where logs and process lists show it; "
                "use pin-source, or name the token's PIN source in workbench.toml"
            )


def _attributes(place: str, component: str, separator: str) -> Iterator[tuple[str, str]]:
    if not component:
        return
    for number, part in enumerate(component.split(separator), 1):
        name, equals, value = part.partition("=")
        if not equals or re.fullmatch(r"[A-Za-z0-9_-]+", name) is None:
            raise WorkbenchError(
                f"attribute {number} in the {place} of a PKCS#11 URI is not of the form name=value "
                f"(attributes in the {place} are separated by {separator!r})"
            )
        yield name, value


def _value(name: str, value: str, allowed: str, trusted: bool) -> object:
    if name == "id":
        return _octets(name, value, allowed)
    if name == "slot-id":
        number = int(value) if re.fullmatch(r"[0-9]{1,20}", value) else _ULONG_MAX + 1
        if number > _ULONG_MAX:
            raise _fault(name, "it is a decimal number below 2^64")
        return number
    if name == "library-version":
        version = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?", value)
        numbers = tuple(int(number or 0) for number in version.groups()) if version else (256, 0)
        if max(numbers) > 255:  # CK_VERSION has one byte for each
            raise _fault(name, "it is MAJOR or MAJOR.MINOR, each 0 to 255")
        return Version(numbers)
    if name == "type":
        if value.lower() not in CLASSES:
            raise _fault(name, f"it is one of {', '.join(CLASSES)}")
        return value.lower()
    text = _text(name, value, allowed)
    if name == "pin-source":
        return parse_pin_source(text, trusted)
    if name == "module-path" and not trusted:
        raise _fault(
            name,
            "a module is a program, and is taken only from workbench.toml; declare the token there and use its name",
        )
    if name == "module-path" and (not text.startswith("/") or "\0" in text):
        raise _fault(name, "it is an absolute path")
    if name == "module-name" and re.fullmatch(r"[^/\0]+", text) is None:
        raise _fault(name, "it is a name without a path, as in module-name=softhsm2")
    return text


def _octets(name: str, value: str, allowed: str) -> bytes:
    legal = re.match(rf"(?:[A-Za-z0-9._~{re.escape(allowed)}-]|%[0-9A-Fa-f]{{2}})*", value)
    end = legal.end() if legal else 0
    if end < len(value):
        raise _fault(name, f"character {end + 1} of its value must be percent-encoded (a space is %20)")
    return unquote_to_bytes(value)


def _text(name: str, value: str, allowed: str) -> str:
    try:
        return _octets(name, value, allowed).decode()
    except UnicodeDecodeError:
        raise _fault(name, "its value is not UTF-8") from None


def _encoded(value: object, safe: str) -> str:
    if isinstance(value, bytes):
        return "".join(f"%{byte:02X}" for byte in value)
    if isinstance(value, PinSource):
        value = f"|{value.detail}" if value.kind == "command" else value.reference
    return quote(str(value), safe=safe)


def _vendor(attributes: tuple[tuple[str, str], ...], safe: str) -> list[str]:
    return [f"{name}={quote(value, safe=safe)}" for name, value in attributes]


def _unpadded(text: str) -> str:
    # The standard pads with spaces; some tokens with NULs.
    return text.rstrip(" \0")
