"""What runs inside a worker: sessions and keys of the token under test, and one block of calls at a time."""

from __future__ import annotations

import secrets

import attrs

from workbench import spec
from workbench.cryptoki import CryptokiError, Mechanism
from workbench.faults import PolicyRefusal
from workbench.measure.drivers import drive
from workbench.measure.floor import floor_job
from workbench.measure.guarded import drive_within, fitting_key
from workbench.measure.jobs import Job, ThreadResult, counting_gcm
from workbench.measure.plan import KEYS, Case
from workbench.measure.stats import Packed, pack, percentiles, pool
from workbench.tokens import NamedKey, Session, Token

__all__ = [
    "Block",
    "Preparation",
    "block",
    "floor_block",
    "generate_key",
    "make_job",
    "prepare",
    "provenance",
]

PILOT_CALLS = 5
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
        "CKR_TEMPLATE_INCONSISTENT",
    )
)
REFUSED = frozenset(spec.name("CKR", number) for number in REFUSALS)


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

    ``rate_per_s``: the sum of the threads' successes over their own wall time. ``wall_s``: from the first
    thread's start to the last one's end. ``latencies``: packed, of all threads.
    """

    successes: int
    failures: int
    errors: dict[str, int]
    rate_per_s: float
    wall_s: float
    cpu_s: float
    gave_up: bool
    latencies: Packed

    def quantiles(self) -> tuple[float, float, float, float]:
        """p50, p90, p99 and the largest latency, in ns."""
        p50, p90, p99, largest = percentiles(self.latencies, (50, 90, 99, 100))
        return p50, p90, p99, largest


class Stage:
    """The sessions, keys and jobs of this worker's token; they last as long as the worker."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.keys: dict[str, int] = {}
        self.named: list[NamedKey] = []
        self.jobs: dict[tuple[str, int], Job] = {}
        self.floors: dict[tuple[str, str, int], Job] = {}


_stage = Stage()


def prepare(token: Token, case: Case, threads: int, driver: str) -> Preparation:
    """Open a session per thread, generate the case's key as a session object, and try the case out.

    The mechanism list is not asked: NSS digests on a slot whose list has no digest. What the token answers counts.
    """
    try:
        while len(_stage.sessions) < min(threads, token.policy.most_sessions):
            _stage.sessions.append(token.session())
        for thread in range(len(_stage.sessions[:threads])):
            _job(token, case, thread)
        if token.policy.announces:
            return Preparation("ok")  # a pilot would be a call that nobody was told of
        pilot = _driven(token, [_job(token, case, 0)], 0.0, 0.0, PILOT_CALLS, driver)[0]
    except PolicyRefusal as error:
        return Preparation("refused", str(error))
    except CryptokiError as error:
        outcome = "not offered" if error.rv in REFUSALS else "failed"
        return Preparation(outcome, f"{error.function} answered {error.name}")
    if pilot.successes == 0:
        outcome = "not offered" if set(pilot.errors) <= REFUSED else "failed"
        return Preparation(outcome, f"{case.operation} answered {', '.join(pilot.errors)}")
    return Preparation("ok", call_s=percentiles(pack(pilot.latencies), [50])[0] / 1e9)


def block(
    token: Token, case: Case, threads: int, seconds: float, warmup: float, count: int, driver: str
) -> Block:
    """One block of calls of a prepared case; ``count``: the most of them for each thread, 0 for no limit.

    Errors: ``PolicyRefusal`` where the token's policy allows no such block.
    """
    if threads > token.policy.most_sessions:
        raise PolicyRefusal(f"{threads} threads need as many sessions, and the budget of the token has fewer")
    jobs = [_job(token, case, thread) for thread in range(threads)]
    return _summed(_driven(token, jobs, seconds, warmup, count, driver))


def _driven(
    token: Token, jobs: list[Job], seconds: float, warmup: float, count: int, driver: str
) -> list[ThreadResult]:
    samples = _samples(seconds)
    if token.policy.attentive:
        return drive_within(token.policy, jobs, seconds=seconds, count=count, driver=driver, samples=samples)
    return drive(jobs, seconds=seconds, count=count, warmup=warmup, samples=samples, driver=driver)


def floor_block(
    token: Token, operation: str, threads: int, seconds: float, warmup: float, driver: str
) -> Block:
    """One block of the same calls on the null module, in the same process."""
    keys = [(driver, operation, thread) for thread in range(threads)]
    for key in keys:
        if key not in _stage.floors:
            _stage.floors[key] = floor_job(driver, operation)
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


def _samples(seconds: float) -> int:
    """Room for the latencies of one thread: a call each 0.3 µs, 4 million at most (32 MiB)."""
    return min(1 << 22, max(1 << 16, int(seconds / 3e-7)))


def _job(token: Token, case: Case, thread: int) -> Job:
    made = _stage.jobs.get((case.name, thread))
    if made is None:
        key = 0 if case.key is None else _key(token, case)
        made = make_job(_stage.sessions[thread], case, key, thread)
        _stage.jobs[case.name, thread] = made
    return made


def _key(token: Token, case: Case) -> int:
    """One session key per name, shared by the threads, as the sessions of a server share theirs.

    On a token in production, where none is made: a key that the configuration names.
    """
    name = str(case.key)
    if token.policy.announces:
        named = fitting_key(_stage.named, case)
        if named is None:
            raise PolicyRefusal(
                f"no key is made on a token in production, and workbench.toml names none of kind {name} "
                f"that may {case.operation}"
            )
        return named.handle
    if name not in _stage.keys:
        _stage.keys[name] = generate_key(_stage.sessions[0], name)
    return _stage.keys[name]


def generate_key(session: Session, name: str) -> int:
    """Generate the key of this name in ``KEYS``, to go with its session; the handle that a case works with."""
    chosen = KEYS[name]
    if chosen.kind == "AES":
        return session.generate_secret(chosen.kind, bits=chosen.bits).handle
    return session.generate(chosen.kind, bits=chosen.bits, curve=chosen.curve).private_handle


def make_job(session: Session, case: Case, key: int, user: int) -> Job:
    """The job of a case. ``user``: a number for each job on one key, because their IVs must never meet."""
    counting = case.mechanism == "CKM_AES_GCM"
    mechanism = None
    if case.mechanism is not None:
        mechanism = counting_gcm(user) if counting else Mechanism(spec.value(case.mechanism))
    return Job.on(
        session.handle,
        case.operation,
        key=key,
        mechanism=mechanism,
        data=b"" if case.operation == "random" else secrets.token_bytes(case.payload),
        capacity=case.payload if case.operation == "random" else case.output,
        count_iv=counting,
    )


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
        rate_per_s=sum(r.rate for r in results),
        wall_s=(end - begin) / 1e9,
        cpu_s=sum(r.cpu_ns for r in results) / 1e9,
        gave_up=any(r.gave_up for r in results),
        latencies=pool([pack(r.latencies) for r in results]),
    )
