"""The page's table of one token against another has the verdicts of `workbench compare`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from written import row, written

from workbench import report
from workbench.measure import Run, compare_runs, comparison_figure
from workbench.measure.store import Row


def blocks(token: str, rate: float, **changes: Any) -> list[Row]:
    return [row(token, number, rate + number, **changes) for number in range(7)]


def text(page: Path) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page.read_text()).split())


def test_tokens_of_one_run_are_compared_by_the_rules_of_compare(tmp_path: Path) -> None:
    other = {"driver": "pykcs11"}
    rows = blocks("a", 1000) + blocks("b", 500) + blocks("a", 1000, **other) + blocks("b", 1000, **other)
    meta: dict[str, Any] = {"drivers": ["c-kernel", "pykcs11"], "sessions": "", "keys": ""}
    run = written(tmp_path / "run", rows, **meta)
    said = text(report.write(tmp_path / "page", None, [run.path]))
    assert "b against a: slower in 1 of 2 lines" in said
    assert "c-kernel slower throughput −49.9 %" in said
    assert "pykcs11 no difference shown" in said
    local = written(tmp_path / "local", rows, disclosure={"b": {"round_trip_ns": 1e9}}, **meta)
    assert "b against a" not in text(report.write(tmp_path / "other", None, [local.path]))


def test_rows_of_a_figure_name_token_and_driver_where_there_are_several(tmp_path: Path) -> None:
    def of(path: Path, *tokens: str) -> Run:
        return written(path, [one for token in tokens for one in blocks(token, 1000)])

    for tokens, label in (
        (("a",), "sign, 1 thread: CPU"),
        (("a", "b"), "sign, 1 thread, b: CPU"),
    ):
        runs = [of(tmp_path / f"{n}-{len(tokens)}", *tokens) for n in range(2)]
        (axes,) = comparison_figure(compare_runs(*runs)).axes
        labels = [tick.get_text() for tick in axes.get_yticklabels()]
        assert labels[-1] == label
        assert len(set(labels)) == len(labels)
        assert "98.4 % interval" in axes.get_xlabel()  # of seven rounds
