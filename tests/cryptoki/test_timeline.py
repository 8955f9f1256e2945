"""The timeline: a JSON that ui.perfetto.dev and chrome://tracing open, one lane for each thread and session."""

from __future__ import annotations

import json
import threading
from typing import Any

from workbench.cryptoki import C, Trace, note, trace
from workbench.tokens import Token


def events(seen: Trace, phase: str) -> list[dict[str, Any]]:
    return [event for event in json.loads(seen.to_perfetto())["traceEvents"] if event["ph"] == phase]


def lanes(seen: Trace) -> dict[int, str]:
    return {e["tid"]: e["args"]["name"] for e in events(seen, "M") if e["name"] == "thread_name"}


def test_every_thread_and_session_has_a_lane_of_its_own(softhsm: Token) -> None:
    with softhsm.session() as one, softhsm.session() as two, trace() as seen:
        C.GenerateRandom(one, 1)
        C.GenerateRandom(two, 1)
        C.GetSlotList(softhsm.module)
        other = threading.Thread(target=C.GenerateRandom, args=(one, 1), name="other")
        other.start()
        other.join()
    main = threading.current_thread().name
    first, second = f"session {int(one.handle)}", f"session {int(two.handle)}"
    expected = [f"{main}, {first}", f"{main}, {second}", f"{main}, no session", f"other, {first}"]
    assert list(lanes(seen).values()) == expected
    assert [e["tid"] for e in events(seen, "X")] == [1, 2, 3, 3, 4]  # C_GetSlotList is called twice


def test_a_call_has_chapter_words_and_times_in_microseconds(softhsm: Token) -> None:
    with softhsm.session() as session, trace() as seen:
        C.DigestInit(session, "CKM_SHA256")
        C.Digest(session, b"abc")
    first, second = events(seen, "X")
    assert (first["name"], first["cat"], first["ts"]) == ("C_DigestInit", "5.12", 0)
    assert first["args"]["arguments"]["pMechanism"] == "CKM_SHA256"
    assert second["args"]["results"] == {"pDigest": "32 bytes ba7816bf8f01cfea…"}
    assert (second["args"]["section"], second["args"]["answer"]) == ("5.12.2", "CKR_OK")
    record = seen.records[1]
    assert second["dur"] == record.duration_ns / 1000
    assert second["ts"] == (record.start_ns - seen.records[0].start_ns) / 1000
    assert second["ts"] >= first["dur"]


def test_a_note_is_an_instant_in_the_lane_of_its_thread() -> None:
    with trace() as seen:
        note("hashed here")
    (instant,) = events(seen, "i")
    assert (instant["name"], lanes(seen)[instant["tid"]]) == ("hashed here", "MainThread, no session")


def test_a_trace_of_nothing_is_a_timeline_of_nothing() -> None:
    assert events(Trace(), "X") == []
