"""One execution of a notebook by papermill, recorded so that it can be judged whatever happened to it.

What papermill leaves to its caller is settled here, once:

- it chooses the directory by `chdir` and drops the kernel's stderr; our engine starts the kernel in the
  notebook's directory and keeps what it writes there, which is all that is left of a crash in a module;
- a dead kernel or an exceeded time limit is not an output of any cell: it is recorded in the notebook's
  metadata (`workbench.stop`), where the judge looks;
- `raises-exception` is not honoured: papermill marks and reports an error that was allowed;
- the kernel's messages go over TCP in clear by default (PINs do not, keys' handles and data do);
- paths are format strings, and absolute paths end up in the artifact.
"""

from __future__ import annotations

import logging
import re
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.execute import remove_error_markers

from workbench.faults import WorkbenchError
from workbench.notebook.document import code_cells, read_notebook, write_notebook
from workbench.notebook.judge import options
from workbench.notebook.kernels import (
    KERNEL_ARGUMENTS,
    KERNEL_NAME,
    LessonKernelManager,
    is_ours,
    kernel_environment,
)

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode

__all__ = [
    "SECRET_NAME",
    "OnCell",
    "execute",
    "kernel_log",
    "parameters_for",
]

OnCell = Callable[[int, int], None]
"""Called before each code cell: its number from 1, and how many there are."""

SECRET_NAME: Final = re.compile(r"(^|_)(pin|puk|password|passwd|passphrase|secret)(_|$)", re.IGNORECASE)

_CRASH: Final = re.compile(
    # faulthandler's form; below the cell's own frames there are only those of IPython
    r"^(?P<error>Fatal Python error: .*)$(?s:.*?)^Current thread.*\n(?P<frames>(?:  File (?!.*IPython/core).*\n)+)",
    re.MULTILINE,
)

_ENGINE: Final = "workbench"


class _Engine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine, with the kernel started where and how we need it."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **settings: Any) -> None:
        """Run the cells. `settings["run"]` is the `_Run` that asked for it; the rest is papermill's."""
        run: _Run = settings["run"]
        run.notebook = nb_man.nb
        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=LessonKernelManager,
            on_cell_start=run.cell_started,
            extra_arguments=[*KERNEL_ARGUMENTS] if is_ours(kernel_name) else [],
            coalesce_streams=True,
            timeout=run.timeout,
            startup_timeout=settings["start_timeout"],
        )
        run.manager = client.create_kernel_manager()
        client.owns_km = True
        with run.log.open("wb") as log, kernel_environment() as environment:
            client.execute(cwd=str(run.directory), env=environment, stdout=log, stderr=log)


papermill_engines.register(_ENGINE, _Engine)

# A dead kernel is told by the verdict; without a handler Python would print papermill's line of it as well.
logging.getLogger("papermill").addHandler(logging.NullHandler())


class _Run:
    """What one execution learns about itself."""

    def __init__(self, path: Path, artifact: Path, timeout: int, on_cell: OnCell | None) -> None:
        self.directory = path.resolve().parent
        self.log = kernel_log(artifact)
        self.timeout = timeout
        self.on_cell = on_cell
        self.notebook: NotebookNode | None = None
        self.manager: Any = None
        self.cell: NotebookNode | None = None

    def cell_started(self, cell: NotebookNode, cell_index: int) -> None:
        if cell.cell_type != "code":
            return
        self.cell = cell
        if self.on_cell is not None and self.notebook is not None:
            ids = [other.get("id") for other in code_cells(self.notebook)]
            if cell.get("id") in ids:
                self.on_cell(ids.index(cell.get("id")) + 1, len(ids))

    def stop(self, reason: str, detail: str = "") -> dict[str, str]:
        """The record of what stopped the notebook, other than an exception in a cell."""
        return {
            "cell": "" if self.cell is None else self.cell.get("id", ""),
            "reason": reason,
            "detail": detail,
        }

    def last_words(self) -> str:
        """What the kernel wrote to its own stdout and stderr: of a crash the frames of its cell, else the end."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        crash = _CRASH.search(text)
        return f"{crash['error']}\n{crash['frames']}" if crash else text[-2000:]

    def death(self) -> str:
        """How the kernel ended."""
        process = getattr(getattr(self.manager, "provisioner", None), "process", None)
        code = None if process is None else process.returncode
        if code is None:
            return "the kernel died"
        if code < 0:
            return f"the kernel died: killed by {signal.Signals(-code).name}"
        return f"the kernel died: exit code {code}"


def kernel_log(artifact: Path) -> Path:
    """Where the kernel's own stdout and stderr of this artifact are kept; absent when it wrote nothing."""
    return artifact.with_suffix(".kernel.log")


def parameters_for(path: Path, token: str) -> dict[str, Any]:
    """What to inject for a token: whichever of `token_name` and `token_names` the notebook declares.

    Raises WorkbenchError when the notebook declares a secret as a parameter: parameters end up in the executed
    notebook. Nothing but the name of a token is ever injected.
    """
    declared = papermill.inspect_notebook(_literal(path))
    secrets = [name for name in declared if SECRET_NAME.search(name)]
    if secrets:
        raise WorkbenchError(
            f"{path} declares {secrets[0]} as a parameter, and parameters are stored in the executed notebook:"
            " open the token by its name instead"
        )
    values: dict[str, Any] = {"token_name": token, "token_names": [token]}
    return {name: value for name, value in values.items() if name in declared}


def execute(
    path: Path,
    artifact: Path,
    parameters: Mapping[str, Any],
    *,
    kernel_name: str = KERNEL_NAME,
    timeout: int = 300,
    on_cell: OnCell | None = None,
) -> NotebookNode:
    """Execute a notebook in its own directory and keep the result at `artifact`; returns what was executed.

    timeout: seconds for one cell. A cell that raises, a dead kernel and the time limit are all part of the
    result (see `judge`), never an exception here.
    """
    read_notebook(path)
    artifact = artifact.resolve()
    artifact.parent.mkdir(parents=True, exist_ok=True)
    run = _Run(path, artifact, timeout, on_cell)
    stop: dict[str, str] | None = None
    try:
        papermill.execute_notebook(
            _literal(path),
            _literal(artifact),
            parameters=dict(parameters) or None,
            engine_name=_ENGINE,
            kernel_name=kernel_name,
            progress_bar=False,
            run=run,
        )
    except papermill.PapermillExecutionError:
        pass  # the error is an output of its cell
    except DeadKernelError:
        stop = run.stop(run.death(), run.last_words())
    except CellTimeoutError:
        stop = run.stop(f"the cell exceeded the time limit of {timeout} s")
    except RuntimeError as error:
        # nbclient and jupyter_client report a kernel that does not come up this way.
        if run.cell is not None:
            raise
        stop = run.stop(f"the kernel did not start: {error}", run.last_words())
    return _finish(run, artifact, stop, kernel_name)


def _finish(run: _Run, artifact: Path, stop: dict[str, str] | None, kernel_name: str) -> NotebookNode:
    notebook = read_notebook(artifact)
    if not any(_is_uncaught(cell) for cell in notebook.cells):
        notebook = remove_error_markers(notebook)
    details = notebook.metadata.papermill
    details.pop("input_path", None)
    details.pop("output_path", None)
    notebook.metadata["workbench"] = {
        "kernel": {
            "name": kernel_name,
            "python": notebook.metadata.get("language_info", {}).get("version")
            or (sys.version.split()[0] if is_ours(kernel_name) else None),
        }
    }
    if stop is not None:
        notebook.metadata["workbench"]["stop"] = stop
    write_notebook(notebook, artifact)
    if run.log.exists() and not run.log.stat().st_size:
        run.log.unlink()
    return notebook


def _is_uncaught(cell: NotebookNode) -> bool:
    if cell.cell_type != "code" or options(cell)["check_exception"]:
        return False
    return any(output.output_type == "error" for output in cell.outputs)


def _literal(path: Path) -> str:
    # papermill runs str.format over paths
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")
