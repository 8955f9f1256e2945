"""What is measured, as data: keys, cases, plans."""

from __future__ import annotations

from typing import Literal

import attrs

from workbench.faults import WorkbenchError
from workbench.measure.operations import CLEANING, TIMED, calls_of

__all__ = ["CREW", "DRIVERS", "KEYS", "MOST_THREADS", "Case", "KeySpec", "Plan"]


@attrs.frozen
class KeySpec:
    """A key to generate with ``mechanism``.

    ``kind``: RSA, EC, Ed25519, AES, secret (a generic secret), ML-DSA, ML-KEM or SLH-DSA; ``bits``, ``curve`` or
    ``parameter_set`` (a CKP name) where the kind has them.
    """

    kind: str
    mechanism: str
    bits: int = 0
    curve: str = ""
    parameter_set: str = ""


@attrs.frozen
class Case:
    """One thing to measure.

    ``operation``: a name in ``OPERATIONS``. ``mechanism``: a CKM name; None where the operation has none, or where
    the key's own says it all (key generation). ``payload``: bytes given to each call (random: drawn by it; wrap and
    unwrap: of the key that is wrapped; find: the most handles asked for at once). ``key``: a name in ``KEYS``; of
    generate_key and generate_key_pair, what they make. ``output``: bytes of room for the result.

    ``residency``: whether the key is a session or a token object. ``length_query``: ask for the output's length
    before each call, as many programs do. ``iv``: of CKM_AES_GCM, counted by the caller or made by the token.
    ``timed``: which calls the clock is on (``TIMED``); the others run between the timed parts. ``parts``: do it in
    so many updates; 0: in a single call.
    """

    name: str
    operation: str
    mechanism: str | None
    payload: int
    key: str | None = None
    output: int = 1024
    residency: Literal["session", "token"] = "session"
    length_query: bool = False
    iv: Literal["counter", "token"] = "counter"
    timed: Literal["all", "init", "rest"] = "all"
    parts: int = 0

    def __attrs_post_init__(self) -> None:
        try:
            calls = self.calls
        except WorkbenchError as error:
            raise WorkbenchError(f"case {self.name!r}: {error}") from None
        if self.key is not None and self.key not in KEYS:
            raise WorkbenchError(f"case {self.name!r}: no key {self.key!r}; one of {', '.join(KEYS)}")
        if self.operation in WITH_KEY and not self.key:
            raise WorkbenchError(f"case {self.name!r}: {self.operation} needs a key")
        if self.operation in WITH_MECHANISM and not self.mechanism:
            raise WorkbenchError(f"case {self.name!r}: {self.operation} needs a mechanism")
        if self.residency not in ("session", "token"):
            raise WorkbenchError(f"case {self.name!r}: residency is session or token, not {self.residency!r}")
        if self.iv not in ("counter", "token"):
            raise WorkbenchError(f"case {self.name!r}: iv is counter or token, not {self.iv!r}")
        if self.iv == "token" and (self.operation, self.mechanism) != ("encrypt", "CKM_AES_GCM"):
            raise WorkbenchError(
                f"case {self.name!r}: the token makes the IV of encrypt with CKM_AES_GCM alone"
            )
        if self.timed not in TIMED:
            raise WorkbenchError(f"case {self.name!r}: timed is {', '.join(TIMED)}, not {self.timed!r}")
        if self.timed != "all" and len([call for call in calls if call not in CLEANING]) < 2:
            raise WorkbenchError(
                f"case {self.name!r}: {self.operation} is one call, and the clock is on all of it"
            )
        if min(self.payload, self.output, self.parts) < 0:
            raise WorkbenchError(f"case {self.name!r}: payload, output and parts are numbers from 0 on")
        if self.parts > max(1, self.payload):
            raise WorkbenchError(
                f"case {self.name!r}: {self.parts} parts need {self.parts} bytes or more, not {self.payload}"
            )

    @property
    def calls(self) -> tuple[str, ...]:
        """The functions of one operation in order, each as often as it is called."""
        return calls_of(self.operation, self.parts, self.length_query)


@attrs.frozen
class Plan:
    """A named set of cases and how long each is looked at.

    ``threads``: numbers of them, or ``knee``: doubled until the throughput stops growing (``measure.knee``).
    ``rounds``: blocks per case, number of threads, token and driver. ``seconds``: measured time of a block
    (longer where one call takes long or is due rarely, see ``MINIMUM_CALLS``); ``warmup``: seconds before each block that count
    for nothing. ``loop``: closed (the next call when the last one has returned) or open (calls at due times,
    ``rate`` of them per second over all threads). ``drivers``: who makes the calls, side by side (``DRIVERS``);
    none named: the best one of this installation.
    """

    name: str
    cases: tuple[Case, ...]
    threads: tuple[int, ...] | Literal["knee"] = (1, 2)
    rounds: int = 7
    seconds: float = 0.1
    warmup: float = 0.02
    title: str = ""
    loop: Literal["closed", "open"] = "closed"
    rate: float = 0.0
    drivers: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if not self.cases or self.rounds < 1 or self.seconds <= 0 or self.warmup < 0:
            raise WorkbenchError(
                f"plan {self.name!r} needs cases, at least one round, and blocks longer than 0 s"
            )
        if self.threads != "knee":
            if not self.threads or min(self.threads) < 1 or len(set(self.threads)) < len(self.threads):
                raise WorkbenchError(
                    f"plan {self.name!r}: threads are numbers from 1 on, each once, or the word knee"
                )
            if max(self.threads) > MOST_THREADS:
                raise WorkbenchError(f"plan {self.name!r}: {MOST_THREADS} threads are the most")
        if (self.loop == "open") != (self.rate > 0) or self.loop not in ("open", "closed"):
            raise WorkbenchError(f"plan {self.name!r}: an open loop has a rate, and a closed loop has none")
        if self.loop == "open" and self.threads == "knee":
            raise WorkbenchError(
                f"plan {self.name!r}: an open loop has the rate that it is given, and so no knee; list the threads"
            )
        unknown = [driver for driver in self.drivers if driver not in DRIVERS]
        if unknown or len(set(self.drivers)) < len(self.drivers):
            what = f"no driver {unknown[0]!r}" if unknown else "a driver twice"
            raise WorkbenchError(f"plan {self.name!r}: {what}; there are {', '.join(DRIVERS)}")
        names = [case.name for case in self.cases]
        if len(set(names)) < len(names):
            raise WorkbenchError(f"plan {self.name!r} has two cases of one name")


MOST_THREADS = 1024
# Who makes the calls: the compiled kernel, Python threads where there is no compiler, and a PyKCS11 program
# in one process and in one for each thread.
CREW = "pykcs11-processes"
DRIVERS = ("c-kernel", "cffi-abi", "pykcs11", CREW)

# login needs no key: it asks for the token's own PIN.
WITH_MECHANISM = frozenset(
    {
        "sign",
        "verify",
        "encrypt",
        "decrypt",
        "digest",
        "wrap",
        "unwrap",
        "derive",
        "encapsulate",
        "decapsulate",
    }
)
WITH_KEY = (WITH_MECHANISM - {"digest"}) | {"generate_key", "generate_key_pair", "attributes"}

KEYS = {
    **{f"RSA-{bits}": KeySpec("RSA", "CKM_RSA_PKCS_KEY_PAIR_GEN", bits=bits) for bits in (2048, 3072, 4096)},
    **{curve: KeySpec("EC", "CKM_EC_KEY_PAIR_GEN", curve=curve) for curve in ("P-256", "P-384", "P-521")},
    "Ed25519": KeySpec("Ed25519", "CKM_EC_EDWARDS_KEY_PAIR_GEN"),
    **{f"AES-{bits}": KeySpec("AES", "CKM_AES_KEY_GEN", bits=bits) for bits in (128, 256)},
    "HMAC-SHA256": KeySpec("secret", "CKM_GENERIC_SECRET_KEY_GEN", bits=256),
    **{
        f"ML-DSA-{level}": KeySpec("ML-DSA", "CKM_ML_DSA_KEY_PAIR_GEN", parameter_set=f"CKP_ML_DSA_{level}")
        for level in (44, 65, 87)
    },
    **{
        f"ML-KEM-{level}": KeySpec("ML-KEM", "CKM_ML_KEM_KEY_PAIR_GEN", parameter_set=f"CKP_ML_KEM_{level}")
        for level in (512, 768, 1024)
    },
    **{
        f"SLH-DSA-{name}": KeySpec(
            "SLH-DSA",
            "CKM_SLH_DSA_KEY_PAIR_GEN",
            parameter_set=f"CKP_SLH_DSA_{name.upper().replace('-', '_')}",
        )
        for name in ("SHA2-128s", "SHA2-128f")
    },
}
