"""What runs inside a worker: sessions and keys of the token under test, and one block of calls at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import count as counting
from typing import Any

import attrs

from workbench import spec
from workbench.cryptoki import C, CryptokiError
from workbench.cryptoki.library import ffi
from workbench.faults import PolicyRefusal
from workbench.measure.disclosure import disclose
from workbench.measure.drivers import drive
from workbench.measure.floor import floor_job
from workbench.measure.guarded import drive_within, fitting_key
from workbench.measure.jobs import IV_BYTES, Job, ThreadResult, throughput
from workbench.measure.material import Keys, Lacking, Use, generate, make_work, use_of
from workbench.measure.plan import Case
from workbench.measure.pykcs11_driver import NotServed, check_served
from workbench.measure.stats import Packed, pack, percentiles, pool
from workbench.measure.window import Window, joined, window_of
from workbench.tokens import NamedKey, Session, Token

__all__ = [
    "Block",
    "Preparation",
    "block",
    "block_at",
    "disclosed",
    "floor_block",
    "make_job",
    "prepare",
    "provenance",
    "together",
]

PILOT_CALLS = 5
ENDS = {"sign": C.Sign, "encrypt": C.Encrypt, "decrypt": C.Decrypt, "digest": C.Digest}
LEFT_ACTIVE = frozenset({"CKR_BUFFER_TOO_SMALL", "CKR_OPERATION_ACTIVE"})
TAG = 16  # bytes of CKM_AES_GCM's
MAKERS_OF_KEYS = frozenset({"generate_key", "generate_key_pair"})
# What a token says when it does not do something, as against when something went wrong.
REFUSALS = frozenset(
    spec.value(name)
    for name in (
        "CKR_ATTRIBUTE_TYPE_INVALID",
        "CKR_ATTRIBUTE_VALUE_INVALID",
        "CKR_CURVE_NOT_SUPPORTED",
        "CKR_DOMAIN_PARAMS_INVALID",
        "CKR_FUNCTION_NOT_SUPPORTED",
        "CKR_KEY_FUNCTION_NOT_PERMITTED",
        "CKR_KEY_SIZE_RANGE",
        "CKR_MECHANISM_INVALID",
        "CKR_MECHANISM_PARAM_INVALID",
        "CKR_RANDOM_NO_RNG",
        "CKR_RANDOM_SEED_NOT_SUPPORTED",
        "CKR_TEMPLATE_INCONSISTENT",
    )
)
REFUSED = frozenset(spec.name("CKR", number) for number in REFUSALS)
# What NSS says of a mechanism that it does in one part alone: there is no operation to update.
NO_PARTS = frozenset({"CKR_OPERATION_NOT_INITIALIZED", "CKR_OPERATION_ACTIVE"})


@attrs.frozen
class Preparation:
    """Whether a case can be measured: ``outcome`` ok, not offered, refused (by the policy) or failed; ``detail`` says why not.

    ``call_s``: seconds of one call, roughly, from a few calls of one thread.
    """

    outcome: str
    detail: str = ""
    call_s: float = 0.0


@attrs.frozen(eq=False)
class Block:
    """What the threads of one block did together.

    ``rate_per_s``: ``throughput``. ``wall_s``: from the first thread's start to the
    last one's end. ``latencies``: packed, of all threads; in an open loop, from the moment
    that each call was due, and ``services`` then has the calls themselves. ``overdue``: of an open loop, calls that
    were due and had not begun at the end. ``aside_s``: the threads' time in calls that the clock was not on.
    ``window``: when the calls succeeded.
    """

    successes: int
    failures: int
    errors: dict[str, int]
    rate_per_s: float
    wall_s: float
    cpu_s: float
    gave_up: bool
    latencies: Packed
    window: Window
    services: Packed
    overdue: int = 0
    aside_s: float = 0.0

    def quantiles(self) -> tuple[float, float, float, float, float]:
        """p50, p90, p99, p99.9 and the largest latency, in ns."""
        p50, p90, p99, p999, largest = percentiles(self.latencies, (50, 90, 99, 99.9, 100))
        return p50, p90, p99, p999, largest


class Stage:
    """The sessions, keys and jobs of this worker's token; they last as long as the worker."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.retired: list[Session] = []
        self.users = counting()
        self.keys: dict[tuple[str, Use, str], Keys] = {}
        self.named: list[NamedKey] = []
        self.jobs: dict[tuple[str, int], Job] = {}
        self.floors: dict[tuple[str, str, int], Job] = {}


_stage = Stage()


def prepare(token: Token, case: Case, driver: str) -> Preparation:
    """Open a session, generate the case's key, and try the case out.

    The mechanism list is not asked: NSS digests on a slot whose list has no digest. What the token answers counts.
    """
    try:
        _open_sessions(token, 1)
        if case.iv == "token" and not _makes_ivs(token, case, driver):
            return Preparation("not offered", "the token takes the IV that it is given")
        job = _job(token, case, 0)
        if driver == "pykcs11":
            check_served(job)
        if token.policy.announces:
            return Preparation("ok")  # a pilot would be a call that nobody was told of
        pilot = _driven(token, [job], 0.0, 0.0, 1 if token.policy.paced else PILOT_CALLS, driver)[0]
    except PolicyRefusal as error:
        return Preparation("refused", str(error))
    except (Lacking, NotServed) as error:
        return Preparation("not offered", str(error))
    except CryptokiError as error:
        outcome = "not offered" if error.rv in REFUSALS else "failed"
        return Preparation(outcome, f"{error.function} answered {error.name}")
    if pilot.successes == 0:
        if pilot.errors.keys() & LEFT_ACTIVE:
            _end_operation(token, case)
        refusals = REFUSED | NO_PARTS if case.parts else REFUSED
        outcome = "not offered" if set(pilot.errors) <= refusals else "failed"
        return Preparation(outcome, f"{case.operation} answered {', '.join(pilot.errors)}")
    aside = pilot.aside_ns / pilot.successes
    return Preparation("ok", call_s=(percentiles(pack(pilot.latencies), [50])[0] + aside) / 1e9)


def _end_operation(token: Token, case: Case) -> None:
    """End what a failed pilot left active: after CKR_BUFFER_TOO_SMALL an operation goes on (5.2).

    Where it cannot be ended, as on a TPM after CKR_ARGUMENTS_BAD, another session takes the place of its own; the
    keys of that one still serve, so it stays open.
    """
    if case.operation in ENDS:
        with suppress(CryptokiError):
            ENDS[case.operation](_stage.sessions[0], bytes(case.payload))
            return
    _stage.retired.append(_stage.sessions[0])
    _stage.sessions[0] = token.session()
    _stage.jobs = {known: job for known, job in _stage.jobs.items() if known[1] != 0}


def _makes_ivs(token: Token, case: Case, driver: str) -> bool:
    """Whether the token makes the IV of CKM_AES_GCM: it writes it where the IV stands, or behind the ciphertext.

    Found out with a key that serves for nothing else: no other call under it could have the same IV of zeros.
    """
    if token.policy.announces:
        raise PolicyRefusal(
            "who makes the IV is found out with a key of its own, and production gets no keys"
        )
    keys = generate(_stage.sessions[0], str(case.key), use_of(case))
    job = make_job(_stage.sessions[0], case, keys, 0)
    _driven(token, [job], 0.0, 0.0, 1, driver)
    C.DestroyObject(_stage.sessions[0], keys.private)
    written = (
        bytes(ffi().buffer(job.fresh_iv, IV_BYTES)) + bytes(ffi().buffer(job.output))[case.payload + TAG :]
    )
    return any(written)


def block(
    token: Token,
    case: Case,
    threads: int,
    seconds: float,
    warmup: float,
    count: int,
    driver: str,
    rate: float = 0.0,
) -> Block:
    """One block of calls of a prepared case; ``count``: the most of them for each thread, 0 for no limit.

    ``rate``: calls per second over all threads, for an open loop; 0 for a closed one. Errors: ``PolicyRefusal`` where the token's policy allows no such block.
    """
    if threads > token.policy.most_sessions:
        raise PolicyRefusal(f"{threads} threads need as many sessions, and the budget of the token has fewer")
    _open_sessions(token, threads)
    jobs = [_job(token, case, thread) for thread in range(threads)]
    return _summed(_driven(token, jobs, seconds, warmup, count, driver, rate))


def block_at(
    token: Token,
    start_ns: int,
    case: Case,
    seconds: float,
    warmup: float,
    driver: str,
    rate: float,
    turn: tuple[int, int],
) -> Block:
    """One block of one thread that begins at a moment of CLOCK_MONOTONIC, which all processes have in common.

    ``turn``: which process this is, and how many there are.
    """
    _open_sessions(token, 1)
    job = _job(token, case, 0)
    time.sleep(max(0.0, (start_ns - time.monotonic_ns()) / 1e9))
    return _summed(_driven(token, [job], seconds, warmup, 0, driver, rate, turn))


def together(blocks: Sequence[Block]) -> Block:
    """What several processes did side by side, as one block."""
    return Block(
        successes=sum(block.successes for block in blocks),
        failures=sum(block.failures for block in blocks),
        errors=dict(sum((Counter(block.errors) for block in blocks), Counter())),
        rate_per_s=sum(block.rate_per_s for block in blocks),
        wall_s=max(block.wall_s for block in blocks),
        cpu_s=sum(block.cpu_s for block in blocks),
        gave_up=any(block.gave_up for block in blocks),
        latencies=pool([block.latencies for block in blocks]),
        services=pool([block.services for block in blocks]),
        overdue=sum(block.overdue for block in blocks),
        aside_s=sum(block.aside_s for block in blocks),
        window=joined([block.window for block in blocks]),
    )


def _open_sessions(token: Token, count: int) -> None:
    """A session for each thread. The first one logs in; the token is not asked for more than its policy allows.

    Where the token has fewer, those that were opened in vain are closed: others of the run may need them.
    """
    before = len(_stage.sessions)
    try:
        while len(_stage.sessions) < min(count, token.policy.most_sessions):
            _stage.sessions.append(token.session())
    except (CryptokiError, PolicyRefusal):
        while len(_stage.sessions) > before:
            _stage.sessions.pop().close()
        raise


def _driven(
    token: Token,
    jobs: list[Job],
    seconds: float,
    warmup: float,
    count: int,
    driver: str,
    rate: float = 0.0,
    turn: tuple[int, int] = (0, 1),
) -> list[ThreadResult]:
    samples = _samples(seconds)
    if token.policy.attentive:
        return drive_within(
            token.policy, jobs, seconds=seconds, count=count, driver=driver, samples=samples, rate=rate
        )
    return drive(
        jobs,
        seconds=seconds,
        count=count,
        warmup=warmup,
        samples=samples,
        driver=driver,
        rate=rate,
        turn=turn,
    )


def floor_block(
    token: Token, operation: str, threads: int, seconds: float, warmup: float, driver: str
) -> Block:
    """One block of the same calls on the null module, in the same process."""
    keys = [(driver, operation, thread) for thread in range(threads)]
    for key in keys:
        if key not in _stage.floors:
            _stage.floors[key] = floor_job(*key)
    jobs = [_stage.floors[key] for key in keys]
    return _summed(drive(jobs, seconds=seconds, warmup=warmup, samples=_samples(seconds), driver=driver))


def provenance(token: Token) -> dict[str, object]:
    """The token's own provenance, after one login: a PIN that cannot be had is found out before the run.

    A token that is not ours keeps that session, and is asked for the keys that the configuration names.
    """
    if not token.policy.attentive:
        with token.session():
            return token.provenance()
    _stage.sessions.append(token.session())
    _stage.named += [token.key(_stage.sessions[0], name) for name in token.key_names]
    return token.provenance()


def disclosed(token: Token) -> dict[str, Any]:
    """``disclose``, in the session that is open already where there is one: a budget may have no other."""
    if _stage.sessions:
        return disclose(token, _stage.sessions[0])
    with token.session() as session:
        return disclose(token, session)


def _samples(seconds: float) -> int:
    """Room for the latencies of one thread: a call each 0.3 µs, 4 million at most (32 MiB)."""
    return min(1 << 22, max(1 << 16, int(seconds / 3e-7)))


def _job(token: Token, case: Case, thread: int) -> Job:
    made = _stage.jobs.get((case.name, thread))
    if made is None:
        made = make_job(_stage.sessions[thread], case, _keys(token, case), next(_stage.users))
        _stage.jobs[case.name, thread] = made
    return made


def _keys(token: Token, case: Case) -> Keys | None:
    """One key per name, use and residency, shared by the threads, as the sessions of a server share theirs.

    On a token in production, where none is made: a key that the configuration names.
    """
    if case.key is None or case.operation in MAKERS_OF_KEYS:
        return None
    name = case.key
    if token.policy.announces:
        named = fitting_key(_stage.named, case)
        if named is None:
            raise PolicyRefusal(
                f"no key is made on a token in production, and workbench.toml names none of kind {name} "
                f"that may {case.operation}"
            )
        return Keys(named.handle, named.handle)
    known = name, use_of(case), case.residency
    made = _stage.keys.get(known)
    if made is None:
        made = generate(_stage.sessions[0], name, use_of(case), case.residency == "token")
        _stage.keys[known] = made
    return made


def make_job(session: Session, case: Case, keys: Keys | None, user: int) -> Job:
    """The job of a case. ``user``: a number for each job on one key, because their IVs must never meet."""
    return Job.on(session.handle, make_work(session, case, keys, user))


def _summed(results: list[ThreadResult]) -> Block:
    errors: dict[str, int] = {}
    for result in results:
        for name, count in result.errors.items():
            errors[name] = errors.get(name, 0) + count
    begin, end = min(r.begin_ns for r in results), max(r.end_ns for r in results)
    return Block(
        successes=sum(r.successes for r in results),
        failures=sum(r.failures for r in results),
        errors=errors,
        rate_per_s=throughput(results),
        wall_s=(end - begin) / 1e9,
        cpu_s=sum(r.cpu_ns for r in results) / 1e9,
        gave_up=any(r.gave_up for r in results),
        latencies=pool([pack(r.latencies) for r in results]),
        services=pool([pack(r.services) for r in results]),
        overdue=sum(r.overdue for r in results),
        aside_s=sum(r.aside_ns for r in results) / 1e9,
        window=window_of(results),
    )
