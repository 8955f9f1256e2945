"""Digests, and the MACs that are made of them (6.20 to 6.36)."""

from __future__ import annotations

import hashlib
import hmac
from functools import partial

from workbench.cryptoki import C, mechanism, mechanisms
from workbench.inspection.probe.recipes.hashes import HASHES, Hash, digest
from workbench.inspection.probe.recipes.model import MESSAGE, Recipe, Stage, same, signed_and_refused

__all__ = ["RECIPES"]

KEY = bytes(range(64))


def _digest(chosen: Hash) -> Recipe:
    def run(stage: Stage) -> str:
        for data in (b"", MESSAGE, MESSAGE * 40):
            C.DigestInit(stage.session, f"CKM_{chosen.stem}")
            same(C.Digest(stage.session, data), digest(chosen, data), f"a digest of {len(data)} bytes")
        C.DigestInit(stage.session, f"CKM_{chosen.stem}")
        C.DigestUpdate(stage.session, MESSAGE[:7])
        C.DigestUpdate(stage.session, MESSAGE[7:])
        same(C.DigestFinal(stage.session), digest(chosen, MESSAGE), "a digest in parts")
        return "hashlib"

    return Recipe(f"CKM_{chosen.stem}", "CKF_DIGEST", run)


def _hmac(chosen: Hash, data: bytes) -> bytes:
    if chosen.name == "blake2b":
        return hmac.digest(KEY, data, partial(hashlib.blake2b, digest_size=chosen.size))
    return hmac.digest(KEY, data, chosen.name)


def _macs(chosen: Hash, general: bool) -> tuple[Recipe, Recipe]:
    name = f"CKM_{chosen.stem}_HMAC" + ("_GENERAL" if general else "")
    length = chosen.size // 2 if general else chosen.size
    how = mechanism(name, mechanisms.mac_general(length) if general else None)

    def key(stage: Stage) -> int:
        def make() -> int:
            return stage.bench.secret("CKK_GENERIC_SECRET", KEY, "CKA_SIGN", "CKA_VERIFY")

        return stage.bench.kept("HMAC", make)

    def sign(stage: Stage) -> str:
        C.SignInit(stage.session, how, key(stage))
        same(C.Sign(stage.session, MESSAGE), _hmac(chosen, MESSAGE)[:length], "a MAC")
        return "hmac"

    def verify(stage: Stage) -> str:
        signed_and_refused(stage, how, key(stage), MESSAGE, _hmac(chosen, MESSAGE)[:length])
        return "hmac"

    return Recipe(name, "CKF_SIGN", sign), Recipe(name, "CKF_VERIFY", verify)


RECIPES = (
    *(_digest(one) for one in HASHES),
    *(recipe for one in HASHES for general in (False, True) for recipe in _macs(one, general)),
)
