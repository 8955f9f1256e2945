"""One execution, with real kernels, and all the ways in which it can end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scratch_notebooks import NotebookMaker, build

from workbench.faults import WorkbenchError
from workbench.notebook.document import code_cells, read_notebook, write_notebook
from workbench.notebook.execute import execute, kernel_log, parameters_for
from workbench.notebook.judge import judge

pytestmark = pytest.mark.notebook


def test_a_notebook_runs_in_its_own_directory_with_the_token_injected(
    make_notebook: NotebookMaker, tmp_path: Path
) -> None:
    path = make_notebook("print(open('data.txt').read(), token_name)", name="a {b}.ipynb", accepted=False)
    (tmp_path / "data.txt").write_text("data of", encoding="utf-8")
    artifact = tmp_path / "out" / path.name
    seen: list[tuple[int, int]] = []
    executed = execute(path, artifact, parameters_for(path, "nss"), on_cell=lambda *cell: seen.append(cell))
    assert code_cells(executed)[1].outputs[0].text == "data of nss\n"
    assert seen == [(1, 2), (2, 2)]
    assert executed.metadata.workbench.kernel.name == "python3"
    assert str(tmp_path) not in artifact.read_text(encoding="utf-8")
    assert not kernel_log(artifact).exists()


def test_a_list_of_tokens_is_injected_where_a_list_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "throughput.ipynb"
    write_notebook(build(('token_names: list = ["sandbox"]  # side by side', "parameters")), path)
    assert parameters_for(path, "nss") == {"token_names": ["nss"]}


@pytest.mark.parametrize("name", ["pin", "user_pin", "SO_PIN", "password"])
def test_a_secret_is_refused_as_a_parameter(tmp_path: Path, name: str) -> None:
    path = tmp_path / "lesson.ipynb"
    write_notebook(build((f'token_name = "sandbox"\n{name} = ""', "parameters")), path)
    with pytest.raises(WorkbenchError, match=f"declares {name} as a parameter"):
        parameters_for(path, "nss")


def test_a_crash_in_native_code_names_the_signal_and_the_line(
    make_notebook: NotebookMaker, tmp_path: Path
) -> None:
    path = make_notebook("import ctypes\nctypes.string_at(0)", "print('after')", accepted=False)
    executed = execute(path, tmp_path / "out.ipynb", {})
    crash, after = judge(read_notebook(path), executed)[1:]
    assert (crash.outcome, crash.reason) == ("error", "the kernel died: killed by SIGSEGV")
    assert "line 2 in <module>" in crash.detail
    assert after.outcome == "not run"
    assert "Segmentation fault" in kernel_log(tmp_path / "out.ipynb").read_text(encoding="utf-8")


def test_an_exit_of_the_kernel_is_told_with_its_code(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    path = make_notebook("import os\nos._exit(7)", accepted=False)
    executed = execute(path, tmp_path / "out.ipynb", {})
    assert judge(read_notebook(path), executed)[1].reason == "the kernel died: exit code 7"


def test_a_cell_over_the_time_limit_is_an_error(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    path = make_notebook("import time\ntime.sleep(600)", accepted=False)
    executed = execute(path, tmp_path / "out.ipynb", {}, timeout=1)
    assert judge(read_notebook(path), executed)[1].reason == "the cell exceeded the time limit of 1 s"


def test_native_output_goes_to_the_log_and_not_into_the_cell(
    make_notebook: NotebookMaker, tmp_path: Path
) -> None:
    path = make_notebook("import os\nx = os.write(2, b'module says hello')", accepted=False)
    executed = execute(path, tmp_path / "out.ipynb", {})
    assert code_cells(executed)[1].outputs == []
    assert kernel_log(tmp_path / "out.ipynb").read_text(encoding="utf-8") == "module says hello"


def test_an_exception_stops_the_notebook_at_its_cell(make_notebook: NotebookMaker, tmp_path: Path) -> None:
    path = make_notebook("1 / 0", "print('after')", accepted=False)
    executed = execute(path, tmp_path / "out.ipynb", {})
    failed, after = judge(read_notebook(path), executed)[1:]
    assert (failed.outcome, failed.reason) == ("error", "ZeroDivisionError: division by zero")
    assert after.outcome == "not run"


def test_an_allowed_exception_does_not_stop_and_leaves_no_banner(tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"
    write_notebook(build(("1 / 0", "raises-exception"), "print('after')"), path)
    executed = execute(path, tmp_path / "out.ipynb", {})
    assert executed.cells[1].outputs[0].text == "after\n"
    assert len(executed.cells) == 2
    assert "An Exception was encountered" not in (tmp_path / "out.ipynb").read_text(encoding="utf-8")


def test_what_is_no_notebook_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"
    path.write_text(json.dumps({"hello": 1}), encoding="utf-8")
    with pytest.raises(WorkbenchError, match=r"lesson\.ipynb is not a Jupyter notebook"):
        execute(path, tmp_path / "out.ipynb", {})
    with pytest.raises(WorkbenchError, match=r"none\.ipynb does not exist"):
        execute(tmp_path / "none.ipynb", tmp_path / "out.ipynb", {})


def test_the_user_s_own_ipython_settings_do_not_reach_a_lesson(
    make_notebook: NotebookMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.InteractiveShell.ast_node_interactivity = 'all'\n", encoding="utf-8"
    )
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    path = make_notebook("1\n2", accepted=False)
    executed = execute(path, tmp_path / "out.ipynb", {})
    assert [output.data["text/plain"] for output in code_cells(executed)[1].outputs] == ["2"]
