"""What is measured, as data: keys, cases, plans."""

from __future__ import annotations

import attrs

from workbench.faults import WorkbenchError
from workbench.measure.jobs import OPERATIONS

__all__ = ["CASES", "KEYS", "PLANS", "Case", "KeySpec", "Plan", "plan_named"]


@attrs.frozen
class KeySpec:
    """A key to generate: ``kind`` RSA, EC, Ed25519 or AES; ``bits`` or ``curve`` where the kind has them."""

    kind: str
    mechanism: str
    bits: int = 0
    curve: str = ""


@attrs.frozen
class Case:
    """One thing to measure.

    ``operation``: sign, encrypt, digest or random; ``payload``: bytes given to each call (for random:
    drawn by it); ``key``: a name in ``KEYS``; ``output``: bytes of room for the result.
    """

    name: str
    operation: str
    mechanism: str | None
    payload: int
    key: str | None = None
    output: int = 1024

    def __attrs_post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise WorkbenchError(
                f"case {self.name!r}: no operation {self.operation!r}; one of {', '.join(OPERATIONS)}"
            )
        if self.key is not None and self.key not in KEYS:
            raise WorkbenchError(f"case {self.name!r}: no key {self.key!r}; one of {', '.join(KEYS)}")
        if self.operation in ("sign", "encrypt") and not (self.key and self.mechanism):
            raise WorkbenchError(f"case {self.name!r}: {self.operation} needs a key and a mechanism")


@attrs.frozen
class Plan:
    """A named set of cases and how long each is looked at.

    ``seconds``: measured time of a block (longer where one call takes long, see ``MINIMUM_CALLS``);
    ``warmup``: seconds before each block that count for nothing; ``rounds``: blocks per case, number of
    threads and token.
    """

    name: str
    cases: tuple[Case, ...]
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 7
    seconds: float = 0.1
    warmup: float = 0.02

    def __attrs_post_init__(self) -> None:
        if not self.cases or self.rounds < 1 or self.seconds <= 0 or self.warmup < 0:
            raise WorkbenchError(
                f"plan {self.name!r} needs cases, at least one round, and blocks longer than 0 s"
            )
        if not self.threads or min(self.threads) < 1 or len(set(self.threads)) < len(self.threads):
            raise WorkbenchError(f"plan {self.name!r}: threads are numbers from 1 on, each once")
        names = [case.name for case in self.cases]
        if len(set(names)) < len(names):
            raise WorkbenchError(f"plan {self.name!r} has two cases of one name")


KEYS = {
    "RSA-2048": KeySpec("RSA", "CKM_RSA_PKCS_KEY_PAIR_GEN", bits=2048),
    "RSA-4096": KeySpec("RSA", "CKM_RSA_PKCS_KEY_PAIR_GEN", bits=4096),
    "P-256": KeySpec("EC", "CKM_EC_KEY_PAIR_GEN", curve="P-256"),
    "P-384": KeySpec("EC", "CKM_EC_KEY_PAIR_GEN", curve="P-384"),
    "Ed25519": KeySpec("Ed25519", "CKM_EC_EDWARDS_KEY_PAIR_GEN"),
    "AES-256": KeySpec("AES", "CKM_AES_KEY_GEN", bits=256),
}

_SIGNING = (
    Case("RSA-2048 sign", "sign", "CKM_SHA256_RSA_PKCS", 32, "RSA-2048"),
    Case("RSA-4096 sign", "sign", "CKM_SHA256_RSA_PKCS", 32, "RSA-4096"),
    # CKM_ECDSA takes a digest: as many bytes as the curve's order has
    Case("ECDSA P-256 sign", "sign", "CKM_ECDSA", 32, "P-256"),
    Case("ECDSA P-384 sign", "sign", "CKM_ECDSA", 48, "P-384"),
    Case("Ed25519 sign", "sign", "CKM_EDDSA", 32, "Ed25519", output=64),  # NSS 3.13x takes no larger room
)
_SYMMETRIC = (
    Case("AES-256-GCM 1 KiB", "encrypt", "CKM_AES_GCM", 1024, "AES-256", output=2048),
    Case("SHA-256 1 KiB", "digest", "CKM_SHA256", 1024),
    Case("random 32 B", "random", None, 32, output=32),
)
CASES = {case.name: case for case in _SIGNING + _SYMMETRIC}

PLANS = {
    plan.name: plan
    for plan in (
        Plan("quick", _SIGNING + _SYMMETRIC),
        Plan("signing", _SIGNING, rounds=12, seconds=0.2, warmup=0.05),
    )
}


def plan_named(name: str) -> Plan:
    """A plan that comes with the workbench. Errors: ``WorkbenchError`` that lists their names."""
    try:
        return PLANS[name]
    except KeyError:
        raise WorkbenchError(f"no plan is named {name!r}; known plans: {', '.join(PLANS)}") from None
