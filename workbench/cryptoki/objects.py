"""Chapter 5.7: objects and their attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.cryptoki.attributes import (
    KEPT_BACK,
    AttributeValue,
    Template,
    attribute_name,
    attribute_number,
    decode,
    encode_template,
    fixed_size,
    is_nested,
)
from workbench.cryptoki.call import on_session
from workbench.cryptoki.module import ObjectLike, SessionLike, object_handle, session_handle

__all__ = [
    "C_CopyObject",
    "C_CreateObject",
    "C_DestroyObject",
    "C_FindObjects",
    "C_FindObjectsFinal",
    "C_FindObjectsInit",
    "C_GetAttributeValue",
    "C_GetObjectSize",
    "C_SetAttributeValue",
]

ATTRIBUTE_BYTES = 24  # sizeof(CK_ATTRIBUTE): a type, a pointer, a length


def C_CreateObject(hSession: SessionLike, pTemplate: Template) -> int:
    """Create an object from its attributes (5.7.1); its handle."""
    handle: int = on_session(hSession, "C_CreateObject", encode_template(pTemplate))[0]
    return handle


def C_CopyObject(hSession: SessionLike, hObject: ObjectLike, pTemplate: Template) -> int:
    """Copy an object, with the attributes of the template changed (5.7.2); the new handle."""
    handle: int = on_session(hSession, "C_CopyObject", object_handle(hObject), encode_template(pTemplate))[0]
    return handle


def C_DestroyObject(hSession: SessionLike, hObject: ObjectLike) -> None:
    """Destroy an object (5.7.3)."""
    on_session(hSession, "C_DestroyObject", object_handle(hObject))


def C_GetObjectSize(hSession: SessionLike, hObject: ObjectLike) -> int:
    """The size of an object in bytes, as the token counts it (5.7.4)."""
    size: int = on_session(hSession, "C_GetObjectSize", object_handle(hObject))[0]
    return size


def C_GetAttributeValue(
    hSession: SessionLike, hObject: ObjectLike, pTemplate: Sequence[str | int]
) -> dict[str, AttributeValue]:
    """The values of the attributes named (5.7.5), by name, decoded to Python.

    Lengths are asked first (one call more) unless every value has a fixed size: NSS softoken 3.87 writes
    past a buffer that is too small. A nested template comes as a dictionary, and costs one call more: its
    number of attributes, their types and lengths, their values.
    Errors: ``AttributeSensitive`` and ``AttributeTypeInvalid`` (CKR_…) when the token keeps one back or has
    none; ``error.results`` then holds what it did answer, as ``[(CKA number, bytes or None)]``.
    """
    handle = session_handle(hSession)
    numbers = [attribute_number(a) for a in pTemplate]
    target = object_handle(hObject)

    def ask(rooms: Sequence[Any]) -> tuple[int, list[tuple[int, Any]]]:
        template = list(zip(numbers, rooms, strict=True))
        # a refusal comes again in the last call, then with the values that the token does give
        accept = KEPT_BACK if any(_asks_length(room) for room in rooms) else ()
        arguments = (handle, target, template)
        rv, results = handle.module.call("C_GetAttributeValue", arguments, handle.slot, handle, accept)
        return rv, results[0]

    rooms: list[Any] = [fixed_size(number) for number in numbers]
    rv, rows = ask(rooms if None not in rooms else [None] * len(rooms))
    while rv or any(_unread(raw) for _, raw in rows):  # rv: a refusal that was put off, and raises now
        rv, rows = ask([_room(number, raw) for number, raw in rows])
    return {attribute_name(n): None if raw is None else decode(n, raw) for n, raw in rows}


def _asks_length(room: Any) -> bool:
    return any(_asks_length(inner) for _, inner in room) if isinstance(room, list) else room is None


def _unread(answer: Any) -> bool:
    """Whether an answer is, or holds, a length instead of a value."""
    return any(_unread(inner) for _, inner in answer) if isinstance(answer, list) else isinstance(answer, int)


def _room(number: int, answer: Any) -> Any:
    """The room to offer in the next call after an answer: bytes, or a nested template's attributes."""
    if isinstance(answer, list):
        return [(inner, _room(inner, raw)) for inner, raw in answer]
    if isinstance(answer, int) and is_nested(number):
        return [(0, None)] * (answer // ATTRIBUTE_BYTES)
    return answer if isinstance(answer, int) else len(answer or b"")


def C_SetAttributeValue(hSession: SessionLike, hObject: ObjectLike, pTemplate: Template) -> None:
    """Change attributes of an object (5.7.6), as far as it is modifiable."""
    on_session(hSession, "C_SetAttributeValue", object_handle(hObject), encode_template(pTemplate))


def C_FindObjectsInit(hSession: SessionLike, pTemplate: Template | None = None) -> None:
    """Begin a search (5.7.7) for the objects that have every attribute of the template; none finds all."""
    on_session(hSession, "C_FindObjectsInit", encode_template(pTemplate or {}))


def C_FindObjects(hSession: SessionLike, ulMaxObjectCount: int = 64) -> list[int]:
    """The next handles found (5.7.8), at most so many; an empty list ends the search."""
    found: list[int] = on_session(hSession, "C_FindObjects", ulMaxObjectCount)[0]
    return found


def C_FindObjectsFinal(hSession: SessionLike) -> None:
    """End a search (5.7.9)."""
    on_session(hSession, "C_FindObjectsFinal")
