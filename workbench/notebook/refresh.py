"""Refresh the committed outputs of notebooks, so that a diff shows what changed and nothing else."""

from __future__ import annotations

import copy
import tempfile
from typing import TYPE_CHECKING, Any, Final

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from workbench.faults import WorkbenchError
from workbench.notebook.document import code_cells, notebook_text, read_notebook
from workbench.notebook.judge import judge, sanitizer_for
from workbench.notebook.kernels import (
    KERNEL_ARGUMENTS,
    KERNEL_NAME,
    LessonKernelManager,
    kernel_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nbformat import NotebookNode

__all__ = ["KERNELSPEC", "accept", "normalize"]

KERNELSPEC: Final = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": KERNEL_NAME}


def accept(
    paths: Sequence[Path], on_progress: Callable[[Path, bool], None] | None = None, *, timeout: int = 300
) -> tuple[Path, ...]:
    """Execute notebooks as they stand, with their own parameters, and commit to what they print now.

    A compared cell whose outputs the judge finds equal keeps the stored ones to the byte, so two runs differ
    in nothing but the cells that are not compared. Returns the notebooks whose file changed; on_progress gets
    each path and whether it changed. Raises WorkbenchError when a cell fails, and then leaves that file alone.
    """
    changed: list[Path] = []
    for path in paths:
        before = path.read_bytes() if path.exists() else b""
        committed = read_notebook(path)
        fresh = copy.deepcopy(committed)
        normalize(fresh)
        _execute(fresh, path, timeout)
        normalize(fresh)
        _keep_equal(committed, fresh, path)
        text = notebook_text(fresh)
        if text.encode() != before:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
        if on_progress is not None:
            on_progress(path, path in changed)
    return tuple(changed)


def normalize(notebook: NotebookNode) -> None:
    """Reduce a notebook in place to what is committed: kernelspec, tags, and ids that do not change.

    A cell without an id (or with one that another has) gets one from its position.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook["metadata"] = {"kernelspec": KERNELSPEC}  # becomes a NotebookNode
    seen: set[str] = set()
    for number, cell in enumerate(notebook.cells, 1):
        tags = cell.metadata.get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell.get("id", "") in seen | {""}:
            cell["id"] = next(name for name in _names(number) if name not in seen)
        seen.add(cell["id"])


def _names(number: int) -> Any:
    yield f"cell-{number:02d}"
    yield from (f"cell-{number:02d}-{again}" for again in range(2, 1000))


def _execute(notebook: NotebookNode, path: Path, timeout: int) -> None:
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL_NAME,
        kernel_manager_class=LessonKernelManager,
        extra_arguments=[*KERNEL_ARGUMENTS],
        timeout=timeout,
        record_timing=False,
        coalesce_streams=True,
    )
    with tempfile.TemporaryFile() as log, kernel_environment() as environment:
        try:
            client.execute(cwd=str(path.resolve().parent), env=environment, stdout=log, stderr=log)
        except CellExecutionError as error:
            raise WorkbenchError(
                f"{path} fails with {error.ename} ({error.evalue}): repair it before accepting its outputs"
            ) from None
        except (CellTimeoutError, DeadKernelError) as error:
            reason = (
                "its kernel died" if isinstance(error, DeadKernelError) else f"a cell took over {timeout} s"
            )
            raise WorkbenchError(f"{path} cannot be accepted: {reason}") from None


def _keep_equal(committed: NotebookNode, fresh: NotebookNode, path: Path) -> None:
    cells = zip(
        code_cells(committed), code_cells(fresh), judge(committed, fresh, sanitizer_for(path)), strict=True
    )
    for old, new, verdict in cells:
        # An image may differ unseen by the judge, so a cell with one is always refreshed.
        if verdict.outcome == "passed" and not _has_image(old) and not _has_image(new):
            new.outputs = copy.deepcopy(old.outputs)
            for output in new.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = new.execution_count


def _has_image(cell: NotebookNode) -> bool:
    return any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {}))
