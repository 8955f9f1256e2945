"""Measuring a token that is not ours: every call is counted beforehand, announced, reserved, and only then made."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.cryptoki import Policy
from workbench.faults import PolicyRefusal
from workbench.measure.drivers import drive
from workbench.measure.jobs import Job, ThreadResult
from workbench.measure.knee import MOST
from workbench.measure.plan import CREW, KEYS, Case
from workbench.measure.pykcs11_driver import pykcs11_calls
from workbench.tokens import FINDING, SESSION_WITH_LOGIN, Cost, NamedKey, Token

__all__ = [
    "announce",
    "case_cost",
    "drive_within",
    "fitting_key",
    "loop_fault",
    "merged",
    "most_threads",
    "opening_cost",
]

# What may be done again and again on a token that is not ours. It is not logged in to in a loop, nor filled with
# keys, nor searched; and what a policy cannot count beforehand is not done either.
LOOPS = {
    "guest": frozenset({"sign", "verify", "encrypt", "decrypt", "digest", "random", "seed"}),
    "production": frozenset({"sign", "encrypt", "digest", "random"}),
}

LATE = 1.0  # seconds that a machine may be late with paced calls, before there are enough of them


def opening_cost(keys: int) -> Cost:
    """What opening a token in production, finding so many named keys and leaving it again ask of it."""
    finding = {function: count * keys for function, count in FINDING.items()} if keys else {}
    return {**SESSION_WITH_LOGIN, **finding}


def announce(token: Token, cost: Mapping[str, int]) -> str:
    """Announce calls in the worker that will make them; the sentence for the user."""
    return token.announce(cost)


def case_cost(case: Case, calls: int, driver: str) -> dict[str, int]:
    """What so many operations of a case ask of the token, made by this driver."""
    return {function: count * calls for function, count in _calls(case, driver).items()}


def _calls(what: Case | Job, driver: str) -> Counter[str]:
    return Counter(pykcs11_calls(what.operation) if driver == "pykcs11" else what.calls)


def loop_fault(standing: str, case: Case, driver: str) -> str | None:
    """Why a case is not measured on a token of this standing, whatever its policy says of single calls; or None."""
    if standing == "sandbox":
        return None
    if driver == CREW:
        return "a token that is not ours has one budget, and this driver would be several programs"
    if case.operation not in LOOPS[standing]:
        return f"{case.operation} is not done in a loop on a token that is not ours ({standing})"
    if case.residency == "token" and standing == "production":
        return "nothing is made on a token in production: its own keys are measured, and residency is theirs"
    return None


def most_threads(token: Token) -> int:
    """The most threads that a search for the knee may use: one session each, within what the token and its policy say."""
    if token.policy.paced:
        return 1  # the pace is the budget's, however many ask
    info = token.info
    # 0 is CK_EFFECTIVELY_INFINITE, None CK_UNAVAILABLE_INFORMATION
    said = [limit for limit in (info.ulMaxSessionCount, info.ulMaxRwSessionCount) if limit]
    return min(MOST, token.policy.most_sessions, *said)


def fitting_key(keys: Sequence[NamedKey], case: Case) -> NamedKey | None:
    """The first named key that the case could be measured with: of its kind and size, and allowed its operation.

    Errors: ``PolicyRefusal`` where the only such key asks for the PIN at every use.
    """
    if case.key is None:
        return None
    wanted = KEYS[case.key]
    asking = None
    for key in keys:
        alike = {
            "RSA": key.key_type == "CKK_RSA" and key.bits == wanted.bits,
            "EC": key.key_type == "CKK_EC" and key.curve == wanted.curve,
            "Ed25519": key.curve == "Ed25519",
            "AES": key.key_type == "CKK_AES" and key.bits == wanted.bits,
        }
        if alike.get(wanted.kind) and case.operation in key.uses:
            if not key.always_authenticate:
                return key
            asking = key
    if asking is not None:
        raise PolicyRefusal(
            f"key {asking.name!r} asks for the PIN at every use (CKA_ALWAYS_AUTHENTICATE): it is not used in a loop"
        )
    return None


def drive_within(
    policy: Policy,
    jobs: Sequence[Job],
    *,
    seconds: float,
    count: int,
    driver: str,
    samples: int,
    rate: float = 0.0,
) -> list[ThreadResult]:
    """Run jobs under a policy that keeps an account: ``count`` calls of each job at most, or ``seconds``.

    The first failure ends the block. Where the budget sets a pace, each call waits for its turn. Errors:
    ``PolicyRefusal`` where the budget has less left than a call for each thread.
    """
    calls = _calls(jobs[0], driver)
    if policy.paced:
        if len(jobs) > 1:
            raise PolicyRefusal("a token whose budget sets the pace is measured with one thread")
        return [_paced(policy, calls, jobs[0], seconds, count, driver)]
    left = policy.reserve(calls)
    allowed = left // len(jobs)
    if not allowed:  # 0 would be no limit at all
        raise PolicyRefusal(
            f"the budget has {left} operation{'' if left == 1 else 's'} left, and {len(jobs)} threads want one each; "
            "use fewer threads, or raise max_operations in workbench.toml if the device can bear it"
        )
    limit = min(count or allowed, allowed)
    made = drive(
        jobs,
        seconds=seconds,
        count=limit,
        samples=samples,
        driver=driver,
        give_up=1,
        reserved=True,
        rate=rate,
    )
    rounds = sum(result.successes + result.failures for result in made)
    policy.spent(calls, rounds, merged_errors(made), _median(made), (jobs[0].kind, len(jobs)))
    return made


def _paced(
    policy: Policy, calls: Mapping[str, int], job: Job, seconds: float, count: int, driver: str
) -> ThreadResult:
    """At least one call, and ``count`` of them unless the token needs much longer than its pace would."""
    made: list[ThreadResult] = []
    # the pace alone fills the block, and a busy machine is late now and then
    enough = time.monotonic() + 2 * seconds + LATE if seconds else float("inf")
    while not made or (len(made) < count and time.monotonic() < enough):
        policy.reserve(calls)  # waits until the next call is due
        made += drive([job], count=1, driver=driver, give_up=1, reserved=True)
        policy.spent(calls, 1, merged_errors(made[-1:]), _median(made[-1:]), (job.kind, 1))
        if made[-1].failures:
            break
    return merged(made)


def merged(results: Sequence[ThreadResult]) -> ThreadResult:
    """Results of one thread, one after the other, as one."""
    return ThreadResult(
        successes=sum(r.successes for r in results),
        failures=sum(r.failures for r in results),
        errors=merged_errors(results),
        begin_ns=results[0].begin_ns if results else time.monotonic_ns(),
        end_ns=results[-1].end_ns if results else time.monotonic_ns(),
        cpu_ns=sum(r.cpu_ns for r in results),
        warmup_calls=0,
        gave_up=any(r.gave_up for r in results),
        latencies=np.concatenate([r.latencies for r in results]) if results else np.empty(0, dtype=np.uint64),
    )


def merged_errors(results: Sequence[ThreadResult]) -> dict[str, int]:
    """Calls per CKR name."""
    return dict(sum((Counter(result.errors) for result in results), Counter()))


def _median(results: Sequence[ThreadResult]) -> float:
    latencies = [result.latencies for result in results if len(result.latencies)]
    return float(np.median(np.concatenate(latencies))) / 1e9 if latencies else 0.0
