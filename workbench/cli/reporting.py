"""The HTML page: `report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.base import app, listed
from workbench.faults import WorkbenchError

__all__ = ["write_report"]


@app.command("report")
def makewrite_report(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Run directories, and directories of workbench run.")
    ] = None,
    directory: Annotated[Path, typer.Option("--out", help="Where the page goes.")] = Path("build/report"),
) -> None:
    """Write one self-contained HTML page from what was run."""
    found = sources or [
        path for path in (Path("build/run"), *sorted(Path("runs").glob("*"))) if path.is_dir()
    ]
    verdicts = [path for path in found if (path / "verdicts.json").is_file()]
    runs = [path for path in found if (path / "run.json").is_file()]
    for path in found:
        if path not in verdicts and path not in runs:
            raise WorkbenchError(
                f"{path} holds neither a benchmark run nor verdicts; give directories that do"
            )
    if len(verdicts) > 1:
        raise WorkbenchError(
            f"a report shows one set of verdicts, not {len(verdicts)}; give one of: {listed(verdicts)}"
        )
    print(f"report: {write_report(directory, verdicts[0] if verdicts else None, runs)}")


def write_report(directory: Path, verdicts: Path | None, runs: Sequence[Path]) -> Path:
    """The page of these results, below ``directory``."""
    from workbench import report

    return report.write(directory / "index.html", verdicts, runs)
