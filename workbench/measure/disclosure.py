"""What a figure must say about its device: round trip, firmware, FIPS mode, where hashing happens, what was declared.

Each line says whether it was *measured* here (or read from the token) or *declared* in ``workbench.toml``
(``[tokens.NAME.declared]``). What is neither is said to be unknown rather than left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from workbench.cryptoki import C, CryptokiError, trace
from workbench.faults import PolicyRefusal

if TYPE_CHECKING:
    from workbench.cryptoki import SessionLike
    from workbench.measure.results import Run
    from workbench.tokens import Token

__all__ = [
    "LICENCE",
    "Fact",
    "disclose",
    "facts",
    "foot",
    "hashing",
    "keys_in_words",
    "keys_of_run",
    "keys_used",
    "measured_round_trip",
    "not_asked",
    "with_declared",
]

LICENCE = "Read your device's licence before you publish its figures: some forbid it."
OWNERS_KEYS = "keys that the owner has named"
CALLS = 40
SHARE = 20  # what these calls may be of a budget: one in so many
LINK_NS = 15_000  # nothing that leaves the process comes back sooner
WORKED = 1.0  # of its time a call was on the CPU: it was slow, and waited for nobody
RANDOM_BYTES = 8
# In this order in every disclosure; only their owner can know them.
DECLARED = ("HA size", "licence tier", "other clients")
HASHES = ("SHA", "MD5", "RIPEMD", "SM3", "BLAKE")


@attrs.frozen
class Fact:
    """A line of the disclosure. ``how``: measured, declared, derived (from the plan) or unknown."""

    name: str
    value: str
    how: str


def disclose(token: Token, session: SessionLike) -> dict[str, Any]:
    """In the token's worker: ``round_trip_ns`` (None where no link was seen) and ``facts``, as plain JSON values.

    A token in production is asked nothing that was not announced, so nothing is measured there; nor is the round
    trip where a guest's budget is better spent on the run.
    """
    round_trip: float | None = None
    if token.policy.announces:
        seen = [Fact("round trip", "nothing was asked of a token in production for it", "unknown")]
        seen.append(Fact("FIPS mode", "not asked", "unknown"))
    elif too_dear := _too_dear(token):
        seen = [Fact("round trip", f"not measured: {too_dear}", "unknown"), _fips(session)]
    else:
        round_trip, said = measured_round_trip(session)
        seen = [Fact("round trip", said, "measured"), _fips(session)]
    return {"round_trip_ns": round_trip, "facts": [attrs.asdict(fact) for fact in seen]}


def _too_dear(token: Token) -> str:
    """Why so many calls are not for this budget; nothing where they are."""
    budget = token.origin.budget
    if token.policy.paced:
        return "the budget sets a pace, and each call waits for its turn"
    if budget and budget.max_operations is not None and budget.max_operations < SHARE * CALLS:
        return f"the budget has {budget.max_operations} operations, and it would take more than {CALLS}"
    return ""


def not_asked(why: str) -> dict[str, Any]:
    """What ``disclose`` would have told, where the token could not be asked."""
    fact = Fact("round trip", f"could not be asked: {why}", "unknown")
    return {"round_trip_ns": None, "facts": [attrs.asdict(fact)]}


def with_declared(told: Mapping[str, Any], declared: Mapping[str, str]) -> dict[str, Any]:
    """The same with what the owner says of the device, in words, which needs no token."""
    added = []
    for name in (*DECLARED, *(name for name in declared if name not in DECLARED)):
        known = name in declared
        added.append(Fact(name, declared.get(name, "not declared"), "declared" if known else "unknown"))
    return {**told, "facts": [*told["facts"], *(attrs.asdict(fact) for fact in added)]}


def facts(run: Run, token: str) -> tuple[Fact, ...]:
    """The whole disclosure of one token of a run."""
    known: Mapping[str, Any] = run.meta["provenance"].get(token, {})
    found = [
        Fact(title, str(known[name]), "measured")
        for title, name in (
            ("manufacturer, model", "model"),
            ("firmware", "firmware"),
            ("hardware", "hardware"),
            ("library", "library"),
            ("serial (hashed)", "serial_sha256"),
        )
        if name in known
    ]
    found.append(Fact("keys", keys_used(run.meta["plan"]["cases"], known), "derived"))
    found += [Fact(**fact) for fact in run.meta.get("disclosure", {}).get(token, {}).get("facts", ())]
    return (*found, Fact("hashing", hashing(run.meta["plan"]["cases"]), "derived"))


def foot(run: Run) -> str:
    """The disclosure in a few lines, for under a figure; each item is marked (m) measured or (d) declared."""
    lines = []
    for token in run.tokens:
        told = {fact.name: fact for fact in facts(run, token)}
        names = ("library", "firmware", "round trip", "FIPS mode", *DECLARED)
        items = [
            f"{name} {told[name].value} ({told[name].how[0]})"
            for name in names
            if name in told and told[name].how != "unknown"
        ]
        unknown = [name for name in names if name not in told or told[name].how == "unknown"]
        lines.append(
            f"{token}: {', '.join(items)}" + (f"; not known: {', '.join(unknown)}" if unknown else "")
        )
    local = dict.fromkeys(f"{line.case} on {line.token}" for line in run.lines if line.local)
    if local:
        lines.append(f"answered by the client library: {', '.join(local)}")
    return "\n".join([*lines, f"(m) measured, (d) declared. {LICENCE}"])


def keys_used(cases: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]) -> str:
    """Where the keys of these cases are on the token of that provenance: what was asked for, where it can be had."""
    asked = {case.get("residency", "session") for case in cases if case.get("key")}
    if not asked:
        return "none needed"
    if provenance.get("policy") == "production":
        return OWNERS_KEYS
    if provenance.get("key_residency") == "token objects":  # it holds no others
        asked = {"token"}
    return f"{' and '.join(sorted(asked))} objects"


def keys_of_run(cases: Sequence[Mapping[str, Any]], provenance: Mapping[str, Mapping[str, Any]]) -> str:
    """The same for all tokens of a run (their provenance by label), which are named where they differ."""
    found: dict[str, list[str]] = {}
    for token, known in provenance.items():
        found.setdefault(keys_used(cases, known), []).append(token)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{text} ({', '.join(tokens)})" for text, tokens in found.items()) or keys_used(
        cases, {}
    )


def keys_in_words(cases: Sequence[Mapping[str, Any]], provenance: Mapping[str, Mapping[str, Any]]) -> str:
    """The same as a sentence, with whose keys they are."""
    where = keys_of_run(cases, provenance)
    made = "" if OWNERS_KEYS in where else "made for this run, "
    return f"{made}one of each kind, shared by the threads: {where}"


def hashing(cases: Sequence[Mapping[str, Any]]) -> str:
    """Who hashes, for the signatures of these cases: a mechanism with a hash in its name takes the message."""
    signed = [case for case in cases if case["operation"] in ("sign", "verify")]
    inside = [case["name"] for case in signed if _hashes(str(case["mechanism"]))]
    outside = [case["name"] for case in signed if not _hashes(str(case["mechanism"]))]
    parts = []
    if inside:
        parts.append(f"behind the call: {', '.join(inside)}")
    if outside:
        parts.append(f"before the call, on the host: {', '.join(outside)}")
    return "; ".join(parts) or "no signature was measured"


def _hashes(mechanism: str) -> bool:
    # EdDSA and the signatures of FIPS 204 and 205 hash the message as a part of the scheme
    whole = ("CKM_EDDSA", "CKM_ML_DSA", "CKM_SLH_DSA")
    return mechanism.startswith(whole) or any(name in mechanism for name in HASHES)


def measured_round_trip(session: SessionLike) -> tuple[float | None, str]:
    """In ns and in words: the cheapest call that leaves the process, of two that a library can seldom answer itself."""
    calls: dict[str, Callable[[], object]] = {
        f"C_GenerateRandom of {RANDOM_BYTES} bytes": lambda: C.GenerateRandom(session, RANDOM_BYTES),
        "C_GetSessionInfo": lambda: C.GetSessionInfo(session),
    }
    least = {}
    for name, call in calls.items():
        try:
            least[name] = _shortest(call)
        except (CryptokiError, PolicyRefusal):
            continue
    linked = {name: ns for name, (ns, worked) in least.items() if ns >= LINK_NS and worked < WORKED}
    if not linked:
        return None, "no link seen: every call returns within the process" if least else "no call to try"
    name = min(linked, key=lambda each: linked[each])
    return linked[name], f"{linked[name] / 1e3:,.0f} µs, {name}"


def _shortest(call: Callable[[], object]) -> tuple[int, float]:
    """The shortest of some calls in ns, and the part of it that was spent on the CPU, about 1 for one that never waits.

    A busy machine makes calls longer, and none shorter. The time is the trace's: the module's own, without what
    Python and the token's policy need before and after.
    """
    call()  # the first one may open the link
    shares = []
    with trace() as made:
        for _ in range(CALLS):
            worked, begin = time.thread_time_ns(), time.perf_counter_ns()
            call()
            taken = time.perf_counter_ns() - begin
            shares.append((time.thread_time_ns() - worked) / taken)
    return min((record.duration_ns, share) for record, share in zip(made.records, shares, strict=True))


def _fips(session: SessionLike) -> Fact:
    """The validation flags of the last operation (5.6.11); modules before v3.2 do not know the question."""
    try:
        flags = C.GetSessionValidationFlags(session)
    except (CryptokiError, PolicyRefusal):
        return Fact("FIPS mode", "the token cannot be asked (C_GetSessionValidationFlags, v3.2)", "unknown")
    said = "the last operation was validated" if flags else "the last operation was not validated"
    return Fact("FIPS mode", f"{said} (flags 0x{flags:X})", "measured")
