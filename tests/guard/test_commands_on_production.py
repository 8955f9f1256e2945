"""Every command of the command line, pointed at a token in production: what it announces is what it asks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import attrs
import pytest
from recorder import counted
from somebodys import PIN, Somebodys

from workbench import tokens
from workbench.cryptoki.policy import LOOKS
from workbench.tokens.budget import Budget
from workbench.tokens.spending import CLOSING, operations_in

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).resolve().parents[2]
ANNOUNCED = re.compile(r"token 'plant' \(production\) will be asked for [^()]*\(([^()]*)\)")
SETTINGS = (
    'keys = [{ name = "signer", label = "codesign", allow = ["sign"] }]\noperations = ["random", "digest"]\n'
)
BENCH = ("bench", "--token", "plant", "--rounds", "2", "--seconds", "0.3", "--out", "runs")
# A command, and how it ends: 0 done, 2 refused as wrong input.
COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "tokens_json": (("tokens", "--json"), 0),
    "doctor": (("doctor", "--token", "plant"), 0),
    "doctor_login": (("doctor", "--token", "plant", "--login"), 0),
    "bench": ((*BENCH, "--threads", "1", "--threads", "4"), 0),
    "bench_drivers": (
        (*BENCH, "--plan", "symmetric", "--payload", "1k", "--length-query", "--driver", "c-kernel,cffi-abi"),
        0,
    ),
    "bench_pykcs11": ((*BENCH, "--driver", "pykcs11,pykcs11-processes", "--threads", "knee"), 0),
    "bench_phases": ((*BENCH, "--plan", "phases"), 0),
    "inspect": (("inspect", "--token", "plant"), 0),
    "inspect_no_login": (("inspect", "--token", "plant", "--no-login"), 0),
    "inspect_two": (("inspect", "--token", "plant", "--token", "softhsm", "--compare"), 0),
    "probe": (("probe", "--token", "plant"), 2),
    "run": (("run", "--token", "plant"), 2),
    "demo": (("demo", "--token", "plant"), 2),
    "sweep_dry": (("sweep", "--token", "plant", "--dry-run"), 2),
    "token_up": (("token", "up", "plant"), 2),
    "token_down": (("token", "down", "plant"), 2),
    "token_status": (("token", "status", "plant"), 2),
    "token_env": (("token", "env", "plant"), 2),
}
# Commands that are to come, or that still ask what they do not announce.
NOT_YET: dict[str, str] = {}


@attrs.frozen
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def announced(self) -> Counter[str]:
        """The sum of all announcements, without the looks, which are free and need no announcement."""
        total: Counter[str] = Counter()
        for listed in ANNOUNCED.findall(" ".join(self.stderr.split())):
            for one in listed.split(", "):
                function, count = one.split()
                if function not in LOOKS:
                    total[function] += int(count)
        return total


def workbench(somebody: Somebodys, *arguments: str) -> Done:
    environment = {**os.environ, **somebody.environment, "PYTHONPATH": str(ROOT)}
    del environment["SOFTHSM2_CONF"]  # the configuration gives it to the worker
    done = subprocess.run(
        [sys.executable, "-m", "workbench.cli", *arguments],
        cwd=somebody.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_asks_what_it_announced_and_no_more(somebody: Somebodys, name: str) -> None:
    if name in NOT_YET:
        pytest.xfail(NOT_YET[name])
    somebody.configure(plant=SETTINGS)
    arguments, code = COMMANDS[name]
    done = workbench(somebody, *arguments)
    said = f"{done.stdout}\n{done.stderr}"
    asked = Counter({f: n for f, n in counted(somebody.asked()).items() if f not in LOOKS})
    assert asked == +done.announced, said
    assert done.code == code, said
    assert "Traceback" not in said
    held(asked, Budget.production())
    if code == 2:
        assert not asked, said
        assert done.stderr.startswith("workbench: "), said
    assert tokens.leaks(somebody.root / "runs", [PIN]) == ()
    assert PIN.decode() not in said


def held(asked: Counter[str], budget: Budget) -> None:
    assert operations_in(asked) <= (budget.max_operations or 0)
    assert asked["C_Login"] + asked["C_LoginUser"] <= (budget.max_logins or 0)
    assert not {name for name in asked if name.startswith(("C_Generate", "C_Create", "C_Set"))} - {
        "C_GenerateRandom"
    }


@pytest.mark.parametrize("name", ["doctor_login", "bench", "inspect"])
def test_a_command_on_a_device_in_distress_stops(somebody: Somebodys, name: str) -> None:
    """The device fails at the first operation of any kind: nothing but closing follows."""
    somebody.configure(plant=SETTINGS)
    functions = ("C_Login", "C_FindObjectsInit", "C_GetAttributeValue", "C_SignInit", "C_DigestInit")
    somebody.faults.write_text("".join(f"answer {function} 1 0x30\n" for function in functions))
    done = workbench(somebody, *COMMANDS[name][0])
    asked = [one for one in somebody.asked() if one.function not in LOOKS]
    first = next(i for i, one in enumerate(asked) if one.rv == 0x30)
    after = Counter(one.function for one in asked[first + 1 :])
    assert set(after) <= CLOSING, done.stderr
    assert "Traceback" not in done.stderr
