"""Where a secret could hide: every rendering of a trace and of an error, and every way to spell some bytes."""

from __future__ import annotations

import base64
import hashlib
import pickle
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.cryptoki import Trace

SHORTEST = 4  # bytes: fewer could stand anywhere by chance
SUFFIXES = (".jsonl", ".json", ".svg", ".csv", ".html", ".txt")


def secret(seed: int, size: int) -> bytes:
    """Bytes that stand nowhere by chance."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


def spellings(hidden: bytes) -> Iterator[bytes]:
    """Every run of four bytes as it is, in hexadecimal, escaped, as text and as numbers; runs of six in base64."""
    for i in range(len(hidden) - SHORTEST + 1):
        run = hidden[i : i + SHORTEST]
        yield run
        yield run.hex().encode()
        yield run.hex(" ").encode()
        yield repr(run)[2:-1].encode()
        yield ascii(run.decode("latin-1"))[1:-1].encode()
        yield run.decode("latin-1").encode()
        yield ", ".join(map(str, run)).encode()
    for i in range(len(hidden) - 5):
        yield base64.b64encode(hidden[i : i + 6])
        yield base64.urlsafe_b64encode(hidden[i : i + 6])
    yield base64.b64encode(hidden)[: len(hidden) * 8 // 6]
    yield str(int.from_bytes(hidden, "big")).encode()
    yield str(int.from_bytes(hidden, "little")).encode()


def renderings(seen: Trace) -> list[bytes]:
    """Everything that a trace can become."""
    raw = pickle.dumps(seen)  # before anything was put into words: what was kept
    texts = [str(seen), repr(seen), seen._repr_html_(), seen.to_jsonl(), seen.to_perfetto()]
    texts += [str(seen.ladder(timings=True)), repr(seen.ladder()), seen.ladder(timings=True)._repr_svg_()]
    frame = seen.to_dataframe()
    texts += [
        frame.to_string(max_colwidth=None),
        frame.to_json(),
        str(seen.summary()),
        seen.summary()._repr_html_(),
    ]
    texts += [repr(seen.entries), repr(seen.to_dicts()), str(seen.failing()), seen.slow(0).to_jsonl()]
    return [raw, pickle.dumps(seen), *(text.encode() for text in texts), *files(seen)]


def files(seen: Trace) -> list[bytes]:
    """The contents of every file that a trace is saved as."""
    with tempfile.TemporaryDirectory() as directory:
        return [seen.save(Path(directory) / f"trace{suffix}").read_bytes() for suffix in SUFFIXES]


def faces(error: BaseException) -> list[bytes]:
    """Everything that an exception shows of itself."""
    shown = [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
    shown += getattr(error, "__notes__", [])
    shown.append(repr(getattr(error, "arguments", ())))
    return [*(text.encode() for text in shown), pickle.dumps(error)]


def found(secrets: Iterable[bytes], places: Iterable[bytes]) -> list[bytes]:
    """The spellings of secrets that stand somewhere; in upper or lower case alike."""
    text = b"\0".join(places)
    both = text + b"\0" + text.lower()
    return [form for hidden in secrets for form in spellings(hidden) if form in both]
