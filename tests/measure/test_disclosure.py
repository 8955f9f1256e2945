"""What a result says of its device, and whether it was measured or declared."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import attrs
import pytest
from written import CASE, row, written

from workbench.cryptoki import C, Module, Policy, allow_all
from workbench.measure import facts
from workbench.measure.disclosure import (
    LICENCE,
    OWNERS_KEYS,
    Fact,
    disclose,
    foot,
    hashing,
    keys_of_run,
    measured_round_trip,
    not_asked,
    with_declared,
)
from workbench.measure.drivers import kernel
from workbench.measure.plots import canvas
from workbench.report import words
from workbench.tokens import Token
from workbench.tokens.config import read_declared


def told(found: dict[str, object]) -> dict[str, Fact]:
    listed = found["facts"]
    assert isinstance(listed, list)
    return {fact["name"]: Fact(**fact) for fact in listed}


def test_a_token_in_this_process_has_no_link(token: Token) -> None:
    with token.session() as session:
        found = with_declared(disclose(token, session), {})
    assert found["round_trip_ns"] is None
    known = told(found)
    assert (known["round trip"].how, known["HA size"].how) == ("measured", "unknown")
    assert "within the process" in known["round trip"].value


def test_what_the_owner_declares_needs_no_token() -> None:
    known = told(with_declared(not_asked("the worker died"), {"HA size": "2", "rack": "in Graz"}))
    assert known["round trip"] == Fact("round trip", "could not be asked: the worker died", "unknown")
    assert known["HA size"] == Fact("HA size", "2", "declared")
    assert known["rack"] == Fact("rack", "in Graz", "declared")
    assert known["licence tier"].how == "unknown"


def test_a_declaration_is_a_table_of_texts() -> None:
    (declared,) = read_declared(
        '[tokens.a]\nmodule = "/m.so"\nlabel = "a"\n[tokens.a.declared]\n"HA size" = "2"\n"licence tier" = "full"\n',
        "workbench.toml",
    )
    assert dict(declared.declared) == {"HA size": "2", "licence tier": "full"}


@pytest.mark.skipif(kernel() is None, reason="the null module is not built")
def test_a_device_behind_a_link_shows_its_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_NULL_SERVICE_US", "2000")
    module = Module.load(kernel().__file__)
    module.vouch(0, allow_all("null"))
    round_trip, said = measured_round_trip(C.OpenSession(module, 0, "CKF_SERIAL_SESSION"))
    assert round_trip is not None
    assert round_trip >= 2e6
    assert said.endswith("C_GenerateRandom of 8 bytes")


class Pondering(Policy):
    """A policy that takes its time, as one that keeps an account does."""

    name, read_write, attentive = "pondering", True, True

    def check(self, function: str, arguments: object) -> None:
        time.sleep(0.005)


@pytest.mark.skipif(kernel() is None, reason="the null module is not built")
def test_what_the_policy_needs_is_no_round_trip() -> None:
    module = Module.load(kernel().__file__)
    module.vouch(0, Pondering())
    session = C.OpenSession(module, 0, "CKF_SERIAL_SESSION")
    round_trip, _ = measured_round_trip(session)
    C.CloseSession(session)
    assert round_trip is None or round_trip < 5e6


@pytest.mark.parametrize(
    "mechanism,where",
    [
        ("CKM_SHA256_RSA_PKCS", "behind the call: x"),
        ("CKM_EDDSA", "behind the call: x"),
        ("CKM_ML_DSA", "behind the call: x"),
        ("CKM_ECDSA", "before the call, on the host: x"),
        ("CKM_RSA_PKCS", "before the call, on the host: x"),
    ],
)
def test_a_mechanism_says_who_hashes(mechanism: str, where: str) -> None:
    assert hashing([{"name": "x", "operation": "sign", "mechanism": mechanism}]) == where


SESSION, TOKEN = ({"key": "P-256", "residency": where} for where in ("session", "token"))
HOLDS_NO_SESSION_OBJECTS = {"key_residency": "token objects", "policy": "sandbox"}
PRODUCTION = {"key_residency": "session objects", "policy": "production"}


@pytest.mark.parametrize(
    "cases,provenance,where",
    [
        ([SESSION], {}, "session objects"),
        ([TOKEN, {"key": None, "residency": "session"}], {}, "token objects"),
        ([SESSION, TOKEN], {}, "session and token objects"),
        ([SESSION], HOLDS_NO_SESSION_OBJECTS, "token objects"),
        ([SESSION], PRODUCTION, "keys that the owner has named"),
        ([{"key": None}], PRODUCTION, "none needed"),
    ],
)
def test_keys_are_said_to_be_where_they_were(
    tmp_path: Path, cases: list[dict[str, Any]], provenance: dict[str, Any], where: str
) -> None:
    run = written(tmp_path / "run", [row("a", 0, 1000)], provenance={"a": provenance})
    named = [CASE | case for case in cases]
    run = attrs.evolve(run, meta=run.meta | {"plan": run.meta["plan"] | {"cases": named}})
    assert [fact for fact in facts(run, "a") if fact.name == "keys"] == [Fact("keys", where, "derived")]
    assert f"keys: {where}; " in canvas.foot(run)[0]
    assert words.keys(run).endswith(f": {where}")
    assert ("made for this run" in words.keys(run)) is (where != OWNERS_KEYS)


def test_tokens_that_keep_their_keys_elsewhere_are_told_apart() -> None:
    told = keys_of_run([SESSION], {"tpm": HOLDS_NO_SESSION_OBJECTS, "softhsm": {}, "nss": {}})
    assert told == "token objects (tpm), session objects (softhsm, nss)"


@pytest.mark.parametrize("share,local", [(0.45, True), (0.55, False)])
def test_what_takes_less_than_half_the_round_trip_was_answered_by_the_library(
    tmp_path: Path, share: float, local: bool
) -> None:
    made = [row("far", round, 2000, p50_ns=share * 1e6) for round in range(3)]
    (line,) = written(tmp_path / "run", made, disclosure={"far": {"round_trip_ns": 1e6}}).lines
    sentence = "answered by the client library: in less than half the round trip to the device"
    assert (line.local, sentence in line.warnings) == (local, local)


def test_the_foot_of_a_plot_has_every_token_and_the_reminder(tmp_path: Path) -> None:
    seen = [
        {"name": "round trip", "value": "812 µs, C_GenerateRandom of 8 bytes", "how": "measured"},
        {"name": "HA size", "value": "2", "how": "declared"},
    ]
    run = written(
        tmp_path / "run",
        [row(name, r, 2000) for r in range(3) for name in ("far", "near")],
        disclosure={"far": {"round_trip_ns": 2e6, "facts": seen}},
        provenance={"far": {"firmware": "7.4", "serial_sha256": "0123456789abcdef"}},
    )
    text = foot(run)
    assert "far: firmware 7.4 (m), round trip 812 µs, C_GenerateRandom of 8 bytes (m), HA size 2 (d)" in text
    assert "answered by the client library: sign on far" in text
    assert text.endswith(LICENCE)
    assert [fact.value for fact in facts(run, "far") if fact.name == "serial (hashed)"] == [
        "0123456789abcdef"
    ]
