"""pytest plugin: every notebook that is collected runs once per token and is judged cell by cell.

    pytest notebooks                             every sandbox that this machine can bring up
    pytest benchmarks                            the sandbox that comes up anywhere
    pytest notebooks --token softhsm             one token
    pytest notebooks/03-signing.ipynb::nss       one notebook on one token
    pytest --nbval notebooks                     nbval by itself; this plugin steps aside

The artifacts of a run (executed notebook, page, verdict) stay in `build/notebooks` under pytest's root.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest._code.code import TerminalRepr

    # The plugin is loaded in every test run; papermill and nbval take a second to import.
    from workbench.notebook.verdict import CellVerdict, Verdict

__all__ = ["CellItem", "NotebookFile", "TokenRun", "verdict_of"]

MARKER: Final = "notebook"

_RUNS: Final = pytest.StashKey[dict[tuple[Path, str], "Verdict"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--token NAME` and `--notebook-artifacts DIR`."""
    group = parser.getgroup("workbench", "notebooks on tokens")
    group.addoption(
        "--token",
        action="append",
        default=[],
        metavar="NAME",
        dest="workbench_tokens",
        help="run notebooks on this token (repeatable; default: every sandbox)",
    )
    group.addoption(
        "--notebook-artifacts",
        metavar="DIR",
        default=None,
        dest="workbench_artifacts",
        help="where executed notebooks are kept (default: build/notebooks)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; keep the cells of one run in one process under pytest-xdist."""
    config.addinivalue_line("markers", f"{MARKER}: runs a notebook in a Jupyter kernel")
    config.stash[_RUNS] = {}
    if getattr(config.option, "dist", "no") == "load":
        # Cells scattered over processes would execute their notebook once in each of them.
        config.option.dist = "loadscope"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect notebooks, unless nbval was asked to."""
    option = parent.config.option
    if file_path.suffix != ".ipynb" or getattr(option, "nbval", False) or getattr(option, "nbval_lax", False):
        return None
    if ".ipynb_checkpoints" in file_path.parts:
        return None
    return NotebookFile.from_parent(parent, path=file_path)


class NotebookFile(pytest.File):
    """A notebook; its children are its runs."""

    def collect(self) -> Iterator[pytest.Collector]:
        """One run for each token."""
        from workbench import tokens

        # a benchmark takes its time, and what is held of it does not depend on the token: one will do
        usual = tokens.PLAIN[:1] if self.path.parent.name == "benchmarks" else tokens.PROVIDERS
        for token in self.config.option.workbench_tokens or usual:
            yield TokenRun.from_parent(self, name=token)


class TokenRun(pytest.Collector):
    """A notebook on a token: executed when the first of its cells is asked for."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each code cell."""
        from workbench import tokens
        from workbench.notebook.document import code_cells, read_notebook

        why_not = tokens.why_not(self.name)
        if why_not and self.name not in {"sandbox", *tokens.known()}:
            raise self.CollectError(why_not)  # most likely a slip of the pen: no reason to skip
        if why_not:
            yield UnavailableItem.from_parent(self, name="unavailable", why_not=why_not)
            return
        cells = code_cells(read_notebook(self.path))
        width = len(str(len(cells)))
        for number, _ in enumerate(cells, 1):
            yield CellItem.from_parent(self, name=f"cell {number:0{width}d}", number=number)


class _Item(pytest.Item):
    def __init__(self, name: str, parent: TokenRun) -> None:
        super().__init__(name, parent)
        self.add_marker(MARKER)

    def reportinfo(self) -> tuple[Path, int, str]:
        """What pytest prints as the place of this item."""
        assert self.parent is not None
        return self.path, 0, f"{self.parent.name}::{self.name}"


class UnavailableItem(_Item):
    """A token that this machine cannot bring up: skipped here, a failure in CI, where it must not go unseen."""

    def __init__(self, name: str, parent: TokenRun, why_not: str) -> None:
        super().__init__(name, parent)
        self.why_not = why_not

    def runtest(self) -> None:
        """Skip or fail with the reason."""
        _unavailable(self.parent.name if self.parent else "", self.why_not)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The reason alone."""
        return str(excinfo.value)


def _unavailable(token: str, reason: str) -> NoReturn:
    if os.environ.get("CI"):
        raise CellError(f"token {token} is not available: {reason}")
    pytest.skip(reason)


class CellError(Exception):
    """A cell that is not what was committed."""


class CellItem(_Item):
    """One code cell of a run."""

    def __init__(self, name: str, parent: TokenRun, number: int) -> None:
        super().__init__(name, parent)
        self.number = number

    def runtest(self) -> None:
        """Execute the notebook if no cell of it was asked for yet, and take this cell's verdict."""
        assert self.parent is not None
        verdict = verdict_of(self.config, self.path, self.parent.name)
        if verdict.outcome == "skipped":
            _unavailable(self.parent.name, verdict.reason)
        cell = verdict.cells[self.number - 1]
        if cell.outcome in ("skipped", "not run"):
            pytest.skip(f"{self.parent.name}: {cell.reason}")
        if cell.outcome in ("failed", "error"):
            raise CellError(_account(verdict, cell))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | TerminalRepr:
        """The cell's account; the whole traceback only when the judge itself is at fault."""
        if isinstance(excinfo.value, CellError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


def _account(verdict: Verdict, cell: CellVerdict) -> str:
    lines = [
        f"{verdict.notebook} on {verdict.token}, cell {cell.number}: {cell.reason}",
        f"    {cell.title}",
        "",
        cell.detail,
        f"executed notebook: {verdict.page}",
    ]
    return "\n".join(lines)


def verdict_of(config: pytest.Config, path: Path, token: str) -> Verdict:
    """The verdict on a notebook and a token; it is executed once in a session, whoever asks."""
    from workbench.notebook.runner import refusal, run_one, skipped

    runs = config.stash[_RUNS]
    if (path, token) not in runs:
        folder = config.option.workbench_artifacts or config.rootpath / "build" / "notebooks"
        timeout = int(getattr(config.option, "nbval_cell_timeout", 300))
        reason = refusal(token)
        runs[path, token] = (
            skipped(path, token, reason) if reason else run_one(path, token, Path(folder), timeout=timeout)
        )
    return runs[path, token]
