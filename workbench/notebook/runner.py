"""Run notebooks on tokens: one execution each gives the papermill artifact, the page and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from workbench import tokens as token_room
from workbench.faults import WorkbenchError
from workbench.notebook.document import read_notebook, write_notebook
from workbench.notebook.execute import execute, parameters_for
from workbench.notebook.judge import judge, sanitizer_for
from workbench.notebook.kernels import kernel_for
from workbench.notebook.page import write_page
from workbench.notebook.verdict import Verdict, overall, write_verdicts
from workbench.workers import Worker, WorkerDied, WorkerFailed, WorkerTimeout

if TYPE_CHECKING:
    from workbench.tokens import Token

__all__ = ["Step", "failures", "notebooks_in", "refusal", "run", "run_one", "skipped"]


@attrs.frozen
class Step:
    """Progress of a run: before each code cell, and once with the verdict when a notebook has ended."""

    notebook: str
    token: str
    position: int
    """This notebook's place in the run, from 1."""
    total: int
    """Notebooks times tokens."""
    cell: int
    cells: int
    verdict: Verdict | None = None


OnStep = Callable[[Step], None]


def notebooks_in(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The notebooks that the paths name, directories searched (not their subdirectories), in order.

    Raises WorkbenchError for a path that is missing or is no notebook.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.glob("*.ipynb"))
        elif path.suffix == ".ipynb" and path.is_file():
            found.append(path)
        else:
            raise WorkbenchError(f"{path} is not a notebook: give .ipynb files or directories that hold some")
    if not found:
        raise WorkbenchError(f"no notebook in {', '.join(map(str, paths))}")
    return tuple(dict.fromkeys(found))


def run(
    paths: Sequence[Path],
    tokens: Sequence[str],
    out_dir: Path,
    on_progress: OnStep | None = None,
    *,
    timeout: int = 300,
) -> tuple[Verdict, ...]:
    """Execute each notebook on each token, one after the other, and judge it against its committed outputs.

    Writes into out_dir: `verdicts.json`, and for each token `<token>/<stem>.ipynb`, `.html`, and
    `.kernel.log` when the kernel itself said something. A token that is not available gives "skipped". What is
    finished is kept: `verdicts.json` is rewritten after every notebook.

    One after the other, because lessons show timings and one of them measures. timeout: seconds per cell.
    """
    for token in tokens:
        refuse_production(token)
    notebooks = notebooks_in(paths)
    stems = [path.stem for path in notebooks]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise WorkbenchError(f"two of the notebooks are named {twice}: run them into different directories")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        write_verdicts(out_dir, (), {})
    except OSError as error:
        raise WorkbenchError(f"cannot write to {out_dir}: {error.strerror}") from None
    verdicts: list[Verdict] = []
    provenance: dict[str, dict[str, Any]] = {}
    total = len(notebooks) * len(tokens)
    for token in tokens:
        why_not = refusal(token)
        provenance[token] = {"unavailable": why_not} if why_not else _provenance(token)
        for path in notebooks:
            place = Step(_shown(path), token, len(verdicts) + 1, total, 0, 0)
            if why_not:
                verdict = skipped(path, token, why_not)
            else:
                verdict = run_one(path, token, out_dir, _reporter(place, on_progress), timeout=timeout)
            verdicts.append(verdict)
            write_verdicts(out_dir, tuple(verdicts), provenance)
            if on_progress is not None:
                count = len(verdict.cells)
                on_progress(attrs.evolve(place, cell=count, cells=count, verdict=verdict))
    return tuple(verdicts)


def refuse_production(token: str) -> None:
    """Raises WorkbenchError for a token in production: lessons make keys, provoke errors and log in and out."""
    if refusal(token) is None and token_room.origin(token).standing == "production":
        raise WorkbenchError(
            f"token {token!r} is in production, and lessons are not run there; run them on a sandbox: --token sandbox"
        )


def run_one(
    path: Path,
    token: str,
    out_dir: Path,
    on_cell: Callable[[int, int], None] | None = None,
    *,
    timeout: int = 300,
) -> Verdict:
    """One notebook on one token: execute, judge, write artifact and page."""
    committed = read_notebook(path)
    artifact = out_dir / token / path.name
    started = time.monotonic()
    executed = execute(
        path,
        artifact,
        parameters_for(path, token),
        kernel_name=kernel_for(token),
        timeout=timeout,
        on_cell=on_cell,
    )
    seconds = round(time.monotonic() - started, 2)
    cells = judge(committed, executed, sanitizer_for(path))
    outcome, reason = overall(cells)
    kernel = executed.metadata.workbench.kernel
    verdict = Verdict(
        _shown(path), token, outcome, reason, cells, seconds, artifact,
        f"{kernel.name} (Python {kernel.python})" if kernel.python else kernel.name,
    )  # fmt: skip
    executed.metadata.workbench["token"] = token
    executed.metadata.workbench["verdict"] = {"outcome": outcome, "reason": reason}
    write_notebook(executed, artifact)
    write_page(executed, verdict, artifact.with_suffix(".html"))
    return verdict


def refusal(token: str) -> str | None:
    """Why no notebook can run on the token here; None when one can. A token with a kernel of its own is brought up."""
    why_not = token_room.why_not(token)
    if why_not is None:
        try:
            kernel_for(token)
        except WorkbenchError as error:
            return str(error)
    return why_not


def skipped(path: Path, token: str, reason: str) -> Verdict:
    """The verdict on a notebook that was not run."""
    return Verdict(_shown(path), token, "skipped", reason, (), 0.0, None, "")


def failures(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line for everything that failed: notebook, token, cell, why."""
    for verdict in verdicts:
        for cell in verdict.cells:
            if cell.outcome in ("failed", "error"):
                yield f"{verdict.notebook} on {verdict.token}, cell {cell.number} `{cell.title}`: {cell.reason}"


def _shown(path: Path) -> str:
    """A path without this machine in it, where that is possible."""
    here = Path.cwd()
    full = path.resolve()
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else path.as_posix()


def _reporter(place: Step, on_progress: OnStep | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda cell, cells: on_progress(attrs.evolve(place, cell=cell, cells=cells))


def _provenance(token: str) -> dict[str, Any]:
    # In a worker: a module that crashes must not take the run with it.
    try:
        with Worker(token) as worker:
            return worker.run(_own_provenance)
    except (WorkerDied, WorkerFailed, WorkerTimeout, WorkbenchError) as error:
        return {"unavailable": str(error)}


def _own_provenance(token: Token) -> dict[str, Any]:
    return token.provenance()
