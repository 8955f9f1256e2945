"""What a user changes in a plan for one run: fewer cases, other keys, a sweep over payloads or key residency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import attrs

from workbench.faults import WorkbenchError
from workbench.measure.operations import QUERIES
from workbench.measure.plan import KEYS, Case, Plan
from workbench.measure.planfile import size_text

__all__ = ["Choices", "takes_any_length"]

Residency = Literal["session", "token"]

# They take no more than the key's own length has room for.
LIMITED = frozenset({"CKM_ECDSA", "CKM_RSA_PKCS", "CKM_RSA_PKCS_PSS", "CKM_RSA_PKCS_OAEP", "CKM_RSA_X_509"})
WITH_DATA = frozenset({"sign", "verify", "encrypt", "decrypt", "digest", "random", "seed"})
# CKM_ECDSA takes a digest: as many bytes as the curve's order has, or the longest of the SHA-2 family.
DIGESTS = {"P-256": 32, "P-384": 48, "P-521": 64}


@attrs.frozen
class Choices:
    """What is to be otherwise than in the plan; None leaves it as it is there.

    ``cases``: their names, in this order. ``keys``: names in ``KEYS``, which take the place of keys of the same
    kind; cases with no key of these kinds are left out. ``payloads``: bytes; a case that takes data of any length
    is measured with each. ``residencies``: a case with a key is measured with each. ``length_query``: ask for the
    output's length first, where that can be done. ``rate``: calls per second of an open loop.
    """

    cases: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    payloads: Sequence[int] | None = None
    residencies: Sequence[Residency] | None = None
    length_query: bool | None = None
    threads: Sequence[int] | Literal["knee"] | None = None
    rounds: int | None = None
    seconds: float | None = None
    rate: float | None = None
    drivers: Sequence[str] | None = None

    def of(self, plan: Plan) -> Plan:
        """The plan with these choices. Errors: ``WorkbenchError`` for one that the plan has no use for."""
        cases: Iterable[Case] = plan.cases
        if self.cases is not None:
            cases = _named(plan, self.cases)
        if self.keys is not None:
            cases = _with_keys(plan, cases, self.keys)
        if self.payloads is not None:
            cases = _with_payloads(plan, cases, self.payloads)
        if self.residencies is not None:
            cases = _with_residencies(plan, cases, self.residencies)
        if self.length_query is not None:
            cases = [_with_query(case, self.length_query) for case in cases]
        threads = self.threads if self.threads is None or self.threads == "knee" else tuple(self.threads)
        changed: dict[str, Any] = {
            "cases": _once_each(cases),
            "threads": threads,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "rate": self.rate,
            "loop": None if self.rate is None else "open",
            "drivers": None if self.drivers is None else tuple(self.drivers),
        }
        return attrs.evolve(plan, **{name: value for name, value in changed.items() if value is not None})


def takes_any_length(case: Case) -> bool:
    """Whether the case is as good with any other payload."""
    return case.operation in WITH_DATA and case.mechanism not in LIMITED


def _named(plan: Plan, names: Sequence[str]) -> list[Case]:
    by_name = {case.name: case for case in plan.cases}
    for name in names:
        if name not in by_name:
            raise WorkbenchError(f"plan {plan.name!r} has no case {name!r}; it has {', '.join(by_name)}")
    return [by_name[name] for name in names]


def _with_keys(plan: Plan, cases: Iterable[Case], keys: Sequence[str]) -> list[Case]:
    for key in keys:
        if key not in KEYS:
            raise WorkbenchError(f"no key {key!r}; one of {', '.join(KEYS)}")
    found = [
        _with_key(case, key)
        for case in cases
        for key in keys
        if case.key is not None and KEYS[case.key].kind == KEYS[key].kind
    ]
    if not found:
        raise WorkbenchError(f"plan {plan.name!r} has no case that could be measured with {', '.join(keys)}")
    return found


def _with_key(case: Case, key: str) -> Case:
    old = str(case.key)
    name = case.name.replace(old, key) if old in case.name else f"{case.name}, {key}"
    payload = DIGESTS[key] if case.mechanism == "CKM_ECDSA" else case.payload
    return case if key == old else attrs.evolve(case, name=name, key=key, payload=payload)


def _with_payloads(plan: Plan, cases: Iterable[Case], payloads: Sequence[int]) -> list[Case]:
    found: list[Case] = []
    for case in cases:
        found += [_with_payload(case, size) for size in payloads] if takes_any_length(case) else [case]
    if not any(takes_any_length(case) for case in found):
        raise WorkbenchError(f"plan {plan.name!r} has no case that takes data of any length")
    return found


def _with_payload(case: Case, size: int) -> Case:
    old, new = size_text(case.payload), size_text(size)
    name = case.name.replace(old, new) if old in case.name else f"{case.name}, {new}"
    grows = size - case.payload if case.operation in ("encrypt", "decrypt") else 0
    return attrs.evolve(case, name=name, payload=size, output=case.output + grows)


def _with_residencies(plan: Plan, cases: Iterable[Case], residencies: Sequence[Residency]) -> list[Case]:
    found: list[Case] = []
    for case in cases:
        found += [_with_residency(case, where) for where in residencies] if case.key else [case]
    if not any(case.key for case in found):
        raise WorkbenchError(f"plan {plan.name!r} has no case with a key, which could be a token object")
    return found


def _with_residency(case: Case, residency: Residency) -> Case:
    bare = case.name.removesuffix(TOKEN_KEY)
    name = bare + TOKEN_KEY if residency == "token" else bare
    return attrs.evolve(case, name=name, residency=residency)


def _with_query(case: Case, asked: bool) -> Case:
    if case.operation not in QUERIES or case.parts or case.length_query == asked:
        return case
    bare = case.name.removesuffix(LENGTH_ASKED)
    return attrs.evolve(case, name=bare + LENGTH_ASKED if asked else bare, length_query=asked)


TOKEN_KEY, LENGTH_ASKED = ", token key", ", length asked first"


def _once_each(cases: Iterable[Case]) -> tuple[Case, ...]:
    """A sweep over what the plan swept already gives the same case more than once."""
    return tuple(dict.fromkeys(cases))
