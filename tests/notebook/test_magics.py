"""The magics, in a real IPython shell with a real token."""

from __future__ import annotations

import pydoc
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

import workbench
from workbench import spec, tokens
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


def displayed(capsys: pytest.CaptureFixture[str]) -> str:
    """What the shell showed since the last look: plain text, as there is no notebook here."""
    return capsys.readouterr().out


@pytest.fixture
def at_work(shell: InteractiveShell, token: tokens.Token) -> Iterator[InteractiveShell]:
    with token.session() as session:
        shell.user_ns.update(session=session, C=workbench.C, token=token)
        yield shell


DIGEST = "C.DigestInit(session, 'CKM_SHA256')\nC.Digest(session, b'abc')[:2]"


def test_a_traced_cell_shows_its_calls_and_keeps_its_value(
    at_work: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = at_work.run_cell(f"%%trace calls\n{DIGEST}")
    assert ran.result == b"\xba\x78"
    assert at_work.user_ns["calls"].functions() == ["C_DigestInit", "C_Digest"]
    assert "→ C_DigestInit (§5.12.1)" in displayed(capsys)


@pytest.mark.parametrize(
    "options, shown",
    [
        ("--table", "C_Digest §5.12.2("),
        ("--ladder --table --chapter 5.12.1", "C_DigestInit §5.12.1("),
        ("--text --chapter 5.12.1", "C_DigestInit §5.12.1("),
        ("--ladder --failing", "(no calls)"),
        ("--table --slow 1e9", "(no calls)"),
        ("--summary", "mean µs"),
    ],
)
def test_a_traced_cell_shows_what_was_asked_for(
    at_work: InteractiveShell, capsys: pytest.CaptureFixture[str], options: str, shown: str
) -> None:
    assert at_work.run_cell(f"%%trace calls {options}\n{DIGEST}").success
    assert shown in displayed(capsys)
    assert len(at_work.user_ns["calls"]) == 2, "the name is bound to the whole trace"


def test_a_failing_cell_is_shown_and_fails(
    at_work: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = at_work.run_cell("%%trace calls --table\nC.Sign(session, b'x')")
    assert isinstance(ran.error_in_exec, workbench.CryptokiError)
    assert "C_Sign §5.13.2(" in displayed(capsys)
    assert at_work.user_ns["calls"].failing().functions() == ["C_Sign"]


def test_a_traced_cell_may_also_require_a_mechanism(at_work: InteractiveShell) -> None:
    assert at_work.run_cell(f"%%requires CKM_SHA256\n%%trace calls\n{DIGEST}").result == b"\xba\x78"
    assert len(at_work.user_ns["calls"]) == 2


@pytest.mark.parametrize("line", ["--tabel", "two names", "1st", "--slow soon", "--chapter 5.99", "'"])
def test_a_wrong_option_of_trace_is_told_in_one_sentence(at_work: InteractiveShell, line: str) -> None:
    error = at_work.run_cell(f"%%trace {line}\nran = True").error_in_exec
    assert isinstance(error, WorkbenchError)
    assert "\n" not in str(error)
    assert "ran" not in at_work.user_ns


def test_a_question_mark_shows_the_annotation(shell: InteractiveShell) -> None:
    shell.user_ns["C"] = workbench.C
    told = shell.object_inspect_text("C.Sign")
    for part in (
        "C_Sign(hSession, pData, ulDataLen, pSignature, pulSignatureLen)",
        "CK_BYTE_PTR",
        "inout",
        "CKR_OPERATION_NOT_INITIALIZED",
        "5.13.2",
        "https://docs.oasis-open.org/",
        "PyKCS11 reaches it",
    ):
        assert part in told, part
    assert "PyKCS11 does not reach it" in shell.object_inspect_text("C.EncapsulateKey")


def test_the_functions_show_themselves_by_chapter() -> None:
    assert "5.13 signing and MACing: SignInit, Sign," in repr(workbench.C)
    assert "Sign" in dir(workbench.C)
    assert "trace" not in dir(workbench.C)


@pytest.mark.parametrize("name", [function.name for function in spec.functions()])
def test_help_has_every_parameter_and_code_of_the_standard(name: str) -> None:
    function = spec.function(name)
    doc = pydoc.getdoc(getattr(workbench.C, name.removeprefix("C_")))
    for word in (*(p.name for p in function.params), *(function.returns or ()), function.section):
        assert word in doc


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
