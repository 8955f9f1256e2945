"""A value that may be used but never shown."""

from __future__ import annotations

__all__ = ["Secret", "reveal"]


class Secret:
    """Bytes (a PIN) whose ``repr`` and ``str`` hide them; ``reveal`` hands them to the call that needs them."""

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret does not travel: pass the name of its source instead")


def reveal(value: Secret | str | bytes | None) -> bytes | None:
    """The bytes of a PIN given in any accepted form; None stays None (protected authentication path)."""
    if value is None:
        return None
    if isinstance(value, Secret):
        return value.reveal()
    return value.encode() if isinstance(value, str) else bytes(value)
