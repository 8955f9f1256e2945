"""The magics, in a real IPython shell with a real token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

import workbench
from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.notebook.requirement import missing_line, required, says_missing

ABSENT = "CKM_ML_DSA"
"""Post-quantum signatures: no token here has them yet."""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell()
    made.run_line_magic("load_ext", "workbench")
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture
def token() -> tokens.Token:
    names = tokens.available()
    if not names:
        pytest.skip("no token is available here")
    return tokens.open(names[0])


def test_a_cell_runs_when_the_token_offers_the_mechanism(
    shell: InteractiveShell, token: tokens.Token, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns["token"] = token
    ran = shell.run_cell("%%requires CKM_RSA_PKCS CKM_SHA256\nx = 20\nprint('in')\nx + 1")
    assert ran.result == 21
    assert shell.user_ns["x"] == 20
    assert capsys.readouterr().out.startswith("in\n")


def test_a_cell_prints_the_fixed_line_when_a_mechanism_is_missing(
    shell: InteractiveShell, token: tokens.Token, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns["token"] = token
    source = f"%%requires CKM_RSA_PKCS {ABSENT}\nprint('in')"
    shell.run_cell(source)
    out = capsys.readouterr().out
    assert out == missing_line([ABSENT]) + "\n"
    assert says_missing(source, out) == (ABSENT,)


def test_an_exception_in_the_cell_goes_through(shell: InteractiveShell, token: tokens.Token) -> None:
    shell.user_ns["token"] = token
    ran = shell.run_cell("%%requires CKM_RSA_PKCS\n1 / 0")
    assert isinstance(ran.error_in_exec, ZeroDivisionError)


def test_requires_wants_an_open_token_and_a_mechanism(shell: InteractiveShell) -> None:
    assert isinstance(shell.run_cell("%%requires\n1").error_in_exec, WorkbenchError)
    error = shell.run_cell("%%requires CKM_RSA_PKCS\n1").error_in_exec
    assert isinstance(error, WorkbenchError)
    assert "wb.open()" in str(error)


def test_explain_gives_what_the_function_gives(shell: InteractiveShell) -> None:
    ran = shell.run_cell("%explain CKR_PIN_INCORRECT")
    assert str(ran.result) == str(workbench.explain("CKR_PIN_INCORRECT"))


@pytest.mark.parametrize(
    "source, names",
    [
        ("%%requires CKM_A CKM_B\nx", ("CKM_A", "CKM_B")),
        ("\n%%requires CKM_A", ("CKM_A",)),
        ("x = 1\n%%requires CKM_A", ()),
        ("%%requirement CKM_A", ()),
        ("", ()),
    ],
    ids=["two", "blank line first", "not first", "other magic", "empty"],
)
def test_the_mechanisms_of_a_cell_are_read_from_its_first_line(source: str, names: tuple[str, ...]) -> None:
    assert required(source) == names
