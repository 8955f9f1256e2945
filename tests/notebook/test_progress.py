"""Progress is for people: drawn in a live front end, nothing at all elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from scratch_notebooks import NotebookMaker

from workbench.notebook import Progress, track
from workbench.notebook.document import read_notebook

SOURCE = """
from workbench.notebook import Progress
with Progress(total=2, label="signing") as progress:
    progress.advance(note="<P-256>")
"""


@pytest.mark.notebook
def test_nothing_is_printed_without_a_front_end(make_notebook: NotebookMaker) -> None:
    path = make_notebook(SOURCE)
    assert read_notebook(path).cells[1].outputs == []


@pytest.mark.notebook
@pytest.mark.parametrize("environment, drawn", [({}, True), ({"CI": "1"}, False)], ids=["person", "CI"])
def test_a_person_sees_a_bar_that_is_taken_away_at_the_end(
    environment: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    manager, client = start_new_kernel()
    shown: list[str] = []

    def collect(message: dict) -> None:
        if "display_data" in message["msg_type"]:
            shown.append(message["content"]["data"]["text/html"])

    try:
        client.execute_interactive(SOURCE, allow_stdin=True, output_hook=collect, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    if drawn:
        assert shown[0] == '<progress value="0" max="2"></progress> signing 0 of 2'
        assert shown[1] == '<progress value="1" max="2"></progress> signing 1 of 2 &lt;P-256&gt;'
        assert shown[-1] == ""
    else:
        assert shown == []


def test_outside_of_a_kernel_it_only_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert list(track("abc", total=3)) == ["a", "b", "c"]
    with Progress(total=1) as progress:
        progress.advance(5)
    assert progress.done == 1
    assert capsys.readouterr() == ("", "")
