"""A token whose module needs a Python of its own gets its lessons run in one, and a kernel in JupyterLab."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from programs import brought_up
from scratch_notebooks import NotebookMaker

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.notebook import kernels, run
from workbench.notebook.document import read_notebook

pytestmark = pytest.mark.notebook

LESSON = (
    "import workbench as wb, sys\ntoken = wb.open(token_name)",
    "with token.session() as s: key = s.generate('EC')\nprint(token.offers('CKM_ML_DSA'))",
)


@pytest.fixture(params=["nss-new", "opencryptoki"])
def name(request: pytest.FixtureRequest) -> str:
    brought_up(request.param)
    if not tokens.interpreter(request.param):
        pytest.skip("its module loads into any Python here")
    return str(request.param)


def test_a_lesson_runs_where_the_module_loads_and_says_so(
    name: str, make_notebook: NotebookMaker, tmp_path: Path
) -> None:
    path = make_notebook(*LESSON, accepted=False)
    (verdict,) = run([path], [name], tmp_path / "out")
    executed = read_notebook(tmp_path / "out" / name / path.name)
    assert executed.metadata.workbench.kernel.name == f"workbench-{name}"
    assert verdict.kernel.startswith(f"workbench-{name} (Python {sys.version_info.major}.")
    assert executed.cells[-1].outputs[0].text == "True\n"


def test_the_wrong_kernel_is_told_the_right_one(name: str) -> None:
    with pytest.raises(WorkbenchError, match=rf"choose the kernel 'Python 3 \({name}\)'"):
        tokens.open(name)


def test_jupyterlab_lists_the_kernel_and_starts_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert kernels.register(name) == f"Python 3 ({name})"
    listed = KernelSpecManager(kernel_dirs=[str(tmp_path / "share" / "jupyter" / "kernels")])
    manager = KernelManager(kernel_name=f"workbench-{name}", kernel_spec_manager=listed)
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        said = client.execute_interactive(
            f"import workbench as wb, os; wb.open({name!r}).close(); assert os.getcwd() == {str(tmp_path)!r}",
            timeout=60,
            output_hook=lambda message: None,
        )
        assert said["content"]["status"] == "ok", said["content"].get("evalue")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kernels.unregister(name)
    kernels.unregister(name)
    assert f"workbench-{name}" not in listed.find_kernel_specs()


def test_a_token_that_any_python_loads_has_no_kernel_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert kernels.kernel_for("softhsm") == kernels.KERNEL_NAME
    assert kernels.register("softhsm") is None
    assert list(tmp_path.iterdir()) == []


def test_a_lesson_is_skipped_when_the_mirror_refuses(
    make_notebook: NotebookMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_SUITE", "potato-salad")
    provider = tokens.provider("freehsm")
    if provider.find() is not None or provider.why_not() is not None:
        pytest.skip("the mirror is not asked here")
    path = make_notebook(*LESSON, accepted=False)
    (verdict,) = run([path], ["freehsm"], tmp_path / "out")
    assert (verdict.outcome, verdict.artifact) == ("skipped", None)
    assert "potato-salad" in verdict.reason or "apt could not bring" in verdict.reason
