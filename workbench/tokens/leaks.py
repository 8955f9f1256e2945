"""Did a PIN get where it must not be? A search of files for the PINs in use here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.tokens.config import load
from workbench.tokens.providers import PROVIDERS

__all__ = ["leaks"]


def _pins() -> Iterator[bytes]:
    for provider in PROVIDERS.values():
        for file in ("user.pin", "so.pin"):
            path = provider.directory / file
            if path.is_file():
                yield path.read_bytes()
    for declared in load().tokens.values():
        if declared.pin is not None and declared.pin.kind in ("env", "file"):
            with suppress(WorkbenchError):  # a PIN that cannot be had was not used either
                pin = declared.pin.read(declared.name)
                if pin is not None:
                    yield pin.reveal()


def _forms(secret: bytes) -> Iterator[bytes]:
    """The secret as text, in hexadecimal, and in base64 at each of the three offsets it may stand at."""
    yield secret
    yield secret.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        # the first and last characters also encode neighbours
        yield encoded[(offset * 8 + 5) // 6 : len(encoded) - (4 if (len(secret) + offset) % 3 else 0)]


def leaks(directory: Path, secrets: Iterable[bytes] | None = None) -> tuple[Path, ...]:
    """The files below ``directory`` that hold a PIN of a sandbox or a declared token (or one of ``secrets``).

    Looks for the bytes themselves, their hexadecimal and their base64.
    """
    forms = [form for secret in (_pins() if secrets is None else secrets) for form in _forms(secret)]
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return tuple(path for path in files if _holds(path.read_bytes(), forms))


def _holds(content: bytes, forms: list[bytes]) -> bool:
    return any(form in content for form in forms)
