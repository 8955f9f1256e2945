"""Plans as files, what may be changed in them for one run, and what is wrong with one in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import typer

from workbench import spec
from workbench.cli.application import app
from workbench.faults import WorkbenchError
from workbench.measure import CASES, KEYS, PLANS, Choices, Plan, plan_named
from workbench.measure.changes import LEAST_ROUNDS
from workbench.measure.finished import plan_of
from workbench.measure.operations import OPERATIONS
from workbench.measure.plan import MOST_THREADS, WITH_KEY, WITH_MECHANISM
from workbench.measure.planfile import CASE_KEYS, LARGEST, PLAN_KEYS, parse_size, read_plan, size_text
from workbench.measure.steps import length

SWEEP = """\
title = "mine"
threads = "knee"
rounds = 3
warmup = 0
drivers = ["cffi-abi", "pykcs11"]

[[cases]]
name = "{key}-CBC {payload}"
operation = "encrypt"
mechanism = "CKM_AES_CBC"
key = ["AES-128", "AES-256"]
payload = [64, "1k", "1M"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def names(plan: Plan) -> list[str]:
    return [case.name for case in plan.cases]


def test_the_plans_that_come_along_are_there_in_order() -> None:
    assert list(PLANS) == [
        "quick",
        "signing",
        "symmetric",
        "keys",
        "scaling",
        "phases",
        "python",
        "post-quantum",
        "everything",
    ]
    assert all(plan.title for plan in PLANS.values())


def test_one_name_stands_for_one_case_in_all_of_them() -> None:
    for plan in PLANS.values():
        for case in plan.cases:
            assert CASES[case.name] == case, plan.name


def test_everything_has_every_case() -> None:
    assert set(names(PLANS["everything"])) == set(CASES)


def test_every_mechanism_of_theirs_is_the_standards() -> None:
    assert {case.mechanism for case in CASES.values() if case.mechanism} <= {
        constant.name for constant in spec.constants("CKM")
    }
    assert {case.key for case in CASES.values() if case.key} <= KEYS.keys()


def test_lists_in_a_case_are_swept_and_named(tmp_path: Path) -> None:
    plan = plan_named(str(written(tmp_path, SWEEP)))
    assert (plan.name, plan.title, plan.threads, plan.rounds, plan.warmup) == ("mine", "mine", "knee", 3, 0)
    assert plan.drivers == ("cffi-abi", "pykcs11")
    assert names(plan) == [
        f"{key}-CBC {size}" for key in ("AES-128", "AES-256") for size in ("64 B", "1 KiB", "1 MiB")
    ]
    assert [case.payload for case in plan.cases[:3]] == [64, 1024, 1 << 20]
    assert all(case.output > case.payload for case in plan.cases)


def test_a_vendors_mechanism_is_named_by_its_number(tmp_path: Path) -> None:
    text = '[[cases]]\nname = "x"\noperation = "digest"\nmechanism = "CKM_0x80000123"'
    assert read_plan(written(tmp_path, text)).cases[0].mechanism == "CKM_0x80000123"


def test_a_rate_makes_the_loop_an_open_one(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, 'include = ["quick"]\nrate = 50\n'))
    assert (plan.loop, plan.rate, plan.cases) == ("open", 50, PLANS["quick"].cases)


@pytest.mark.parametrize(
    "rate, call_s, seconds",
    [
        (0, 0.0, 0.1),
        (0, 0.05, 1.0),  # 20 calls of each thread
        (0, 1.0, 5.0),  # and no longer for them
        (1000, 0.0, 0.1),
        (10, 0.0, 2.0),  # 20 calls are due
        (10, 0.2, 4.0),
        (205, 0.0, 21 / 205),  # a whole number of them
        (0.05, 0.0, 20.0),  # one at least
    ],
)
def test_a_block_is_long_enough_for_its_calls(rate: float, call_s: float, seconds: float) -> None:
    plan = Plan("p", (CASES["random 32 B"],), seconds=0.1, loop="open" if rate else "closed", rate=rate)
    assert length(plan, call_s) == pytest.approx(seconds)


def test_a_plan_comes_back_from_the_run_that_it_was_written_into(tmp_path: Path) -> None:
    for plan in (*PLANS.values(), read_plan(written(tmp_path, SWEEP))):
        assert plan_of({"plan": json.loads(json.dumps(attrs.asdict(plan)))}) == plan


@pytest.mark.parametrize(
    "text,sentence",
    [
        ("[[cases]", r"mine\.toml: this is not TOML"),
        ("", "needs cases"),
        ('speed = 3\ninclude = ["quick"]', "mine.toml: speed: there is no such key here"),
        ('include = ["slow"]', "include: 'slow' is none of quick, signing"),
        ('include = ["quick"]\nthreads = [0]', 'threads: it must be "knee", or a list of numbers'),
        ('include = ["quick"]\nthreads = "all"', 'threads: it must be "knee", or a list of numbers'),
        ('include = ["quick"]\nrounds = 0', "rounds: it must be a whole number from 1"),
        ('include = ["quick"]\nseconds = -1', "seconds: it must be a number greater than zero"),
        ('include = ["quick"]\ndrivers = ["telepathy"]', "no driver 'telepathy'"),
        ('include = ["quick"]\nrate = 9\nthreads = "knee"', "an open loop has the rate .* no knee"),
        ('[[cases]]\noperation = "digest"', r"\[cases 1\] name: a case needs one"),
        ('[[cases]]\nname = "x"\noperation = "juggle"', "case 'x': no operation 'juggle'"),
        ('[[cases]]\nname = "x"\noperation = "sign"\nkey = "RSA-2048"', "case 'x': sign needs a mechanism"),
        ('[[cases]]\nname = "x"\noperation = "random"\npayload = "2 miles"', r"\[cases 1\] payload: '2 miles'"),
        ('[[cases]]\nname = "x"\noperation = "random"\npayload = [1, 2]', r"the name must hold \{payload\}"),
        ('[[cases]]\nname = "x"\noperation = "random"\npayload = -1', r"\[cases 1\] payload: it must be"),
        ('[[cases]]\nname = "x"\noperation = "random"\nlength_query = 1', "length_query: it must be true or false"),
        ('[[cases]]\nname = "x"\noperation = "digest"\nmechanism = "CKM_SHA256"\ncolour = 1', "colour: there is no"),
        ('[[cases]]\nname = "x"\noperation = "sign"\nkey = "nope"\nmechanism = "CKM_ECDSA"',
         r"mine.toml: \[cases 1\] case 'x': no key 'nope'"),
        ('[[cases]]\nname = "x"\noperation = "sign"\nkey = "RSA-2048"\nmechanism = "CKM_SHA256_RSA_PKS"',
         r"\[cases 1\] mechanism: no mechanism is named 'CKM_SHA256_RSA_PKS'; nearest: CKM_SHA256_RSA_PKCS, "),
        ('include = ["quick"]\n[[cases]]\nname = "random 32 B"\noperation = "seed"', "two different cases"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(WorkbenchError, match=sentence) as caught:
        read_plan(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("mine.toml") <= 1


def test_a_plan_that_is_neither_named_nor_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"known plans: quick, .*or the path of a \.toml file"):
        plan_named("slow")
    with pytest.raises(WorkbenchError, match=r"cannot read the plan .*nothing\.toml: No such file"):
        plan_named(str(tmp_path / "nothing.toml"))
    (tmp_path / "a b.toml").write_text(SWEEP)
    with pytest.raises(WorkbenchError, match="cannot name a run after"):
        plan_named(str(tmp_path / "a b.toml"))


@pytest.mark.parametrize(
    "text,size", [("64", 64), ("1k", 1024), ("16 KiB", 16384), ("1M", 1 << 20), ("0", 0), ("16M", 1 << 24)]
)
def test_sizes_are_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "17M", "1g", "1 kk"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(WorkbenchError, match="is no size"):
        parse_size(text)


def test_payloads_are_swept_where_any_length_will_do() -> None:
    swept = Choices(payloads=[64, 16384]).of(PLANS["quick"])
    assert "SHA-256 64 B" in names(swept)
    assert "AES-256-GCM 16 KiB" in names(swept)
    assert "RSA-2048 sign, 64 B" in names(swept)
    assert "ECDSA P-256 sign" in names(swept)  # a digest, of the curve's length
    sizes = {case.payload: case.output for case in swept.cases if case.operation == "encrypt"}
    assert sizes == {64: 64 + 1024, 16384: 16384 + 1024}


def test_keys_take_the_place_of_those_of_their_kind() -> None:
    chosen = Choices(keys=["RSA-3072", "P-521"]).of(PLANS["quick"])
    assert names(chosen) == ["RSA-3072 sign", "ECDSA P-521 sign"]
    assert [case.payload for case in chosen.cases] == [32, 64]


def test_a_key_that_wraps_is_not_mistaken_for_the_key_that_is_wrapped() -> None:
    chosen = Choices(keys=["AES-128"]).of(PLANS["keys"])
    assert names(chosen) == ["generate AES-128", "wrap 32 B with AES-128", "unwrap 32 B with AES-128"]
    assert {case.payload for case in chosen.cases if "wrap" in case.operation} == {32}


def test_a_sweep_over_residency_keeps_what_has_no_key_once() -> None:
    chosen = Choices(cases=["RSA-2048 sign", "random 32 B"], residencies=["session", "token"])
    assert names(chosen.of(PLANS["quick"])) == ["RSA-2048 sign", "RSA-2048 sign, token key", "random 32 B"]


def test_the_length_is_asked_for_where_there_is_one() -> None:
    chosen = Choices(cases=["SHA-256 1 KiB", "random 32 B"], length_query=True).of(PLANS["quick"])
    assert names(chosen) == ["SHA-256 1 KiB, length asked first", "random 32 B"]
    assert chosen.cases[0].calls == ("C_DigestInit", "C_Digest", "C_Digest")


@pytest.mark.parametrize(
    "choices,plan,sentence",
    [
        (Choices(cases=["rot13"]), "quick", "has no case 'rot13'; it has RSA-2048 sign"),
        (Choices(keys=["RSA-1"]), "quick", "no key 'RSA-1'; one of RSA-2048"),
        (Choices(keys=["ML-KEM-768"]), "quick", "no case that could be measured with ML-KEM-768"),
        (Choices(cases=["ECDSA P-256 sign"], payloads=[1]), "quick", "no case that takes data of any length"),
        (Choices(payloads=[2]), "phases", "4 parts need 4 bytes or more, not 2"),
        (Choices(cases=["random 32 B"], residencies=["token"]), "quick", "no case with a key"),
        (Choices(rate=10.0), "scaling", "and so no knee"),
        (Choices(threads=[4000]), "quick", "1024 threads are the most"),
        (Choices(drivers=["pykcs11", "pykcs11"]), "quick", "a driver twice"),
    ],
)
def test_a_choice_that_the_plan_has_no_use_for_is_one_sentence(
    choices: Choices, plan: str, sentence: str
) -> None:
    with pytest.raises(WorkbenchError, match=sentence):
        choices.of(PLANS[plan])


def documented() -> str:
    """The table of operations in docs/plans.md, from the names in the code."""
    lines = ["| operation | calls | the case names |", "|---|---|---|"]
    for name, calls in OPERATIONS.items():
        named = [what for what, of in (("mechanism", WITH_MECHANISM), ("key", WITH_KEY)) if name in of]
        lines.append(f"| `{name}` | {', '.join(calls)} | {' and '.join(named)} |")
    return "\n".join(lines) + "\n"


def test_the_documentation_has_every_operation_key_and_limit() -> None:
    text = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")
    assert documented() in text
    keys = text.partition("Keys: ")[2].partition(".\n")[0]
    assert "".join(keys.split()).replace("`", "").split(",") == list(KEYS)
    assert f"{MOST_THREADS} threads" in text
    assert f"needs {LEAST_ROUNDS} rounds or more" in text
    assert f"{size_text(LARGEST)} of data" in text
    assert [name for name in (*PLAN_KEYS, *CASE_KEYS) if f"`{name}`" not in text] == []


def test_the_documentation_has_every_option_of_bench() -> None:
    text = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")
    (command,) = [one for one in typer.main.get_command(app).commands.items() if one[0] == "bench"]
    options = [option for one in command[1].params for option in (*one.opts, *one.secondary_opts)]
    assert [option for option in options if option not in text] == []
