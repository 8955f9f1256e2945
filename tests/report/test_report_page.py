"""The page: what it says, that it needs nothing else, and that everybody can read it."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest

from workbench import report, tokens
from workbench.faults import WorkbenchError
from workbench.measure import Run, bench
from workbench.notebook import CellVerdict, Verdict
from workbench.notebook.verdict import overall, write_verdicts

GOOD = CellVerdict(1, "aa", "token = wb.open()", "passed")
SKIPPED = CellVerdict(2, "bb", "%%requires CKM_EDDSA", "skipped", "not offered: CKM_EDDSA")
BAD = CellVerdict(
    2, "bb", "C.Sign(s, data)", "failed", "outputs differ from the committed ones", "-<64>\n+<65>"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short measurement on two tokens; Ed25519 is not offered by every NSS."""
    names = [name for name in ("softhsm", "nss") if tokens.why_not(name) is None]
    if not names:
        pytest.skip("no token is available here")
    out = tmp_path_factory.mktemp("runs")
    return bench("quick", names, cases=["Ed25519 sign", "random 32 B"], rounds=3, seconds=0.02, out=out)


def verdicts(directory: Path, *cells: CellVerdict, absent: bool = False) -> Path:
    """A directory with verdicts of two notebooks, the second with these cells."""
    (directory / "softhsm").mkdir(parents=True)
    made = []
    for stem, of in (("00-start", (GOOD,)), ("01-signing", (GOOD, *cells))):
        artifact = directory / "softhsm" / f"{stem}.ipynb"
        artifact.with_suffix(".html").write_text("<p>executed</p>", encoding="utf-8")
        outcome, reason = overall(of)
        made.append(
            Verdict(f"notebooks/{stem}.ipynb", "softhsm", outcome, reason, of, 1.5, artifact, "python3")
        )
    if absent:
        made.append(
            Verdict("notebooks/00-start.ipynb", "nss", "skipped", "no libsoftokn3.so", (), 0.0, None, "")
        )
    write_verdicts(directory, tuple(made), {"softhsm": {"library": "SoftHSM 2.6"}})
    return directory


class Page(HTMLParser):
    """The parts of a page that the tests ask for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(self.source)
        self.text = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_headline_says_that_everything_holds(tmp_path: Path) -> None:
    page = Page(report.write(tmp_path, verdicts(tmp_path / "run", SKIPPED)))
    assert "✓ passed All 2 notebooks hold on softhsm." in page.text
    assert "1 cell skipped: not offered: CKM_EDDSA" in page.text


def test_a_failing_cell_is_named_with_its_difference_and_a_link_to_it(tmp_path: Path) -> None:
    page = Page(report.write(tmp_path / "pages" / "report.html", verdicts(tmp_path / "run", BAD)))
    assert "✗ failed 1 of 2 notebook runs do not hold: 01-signing on softhsm." in page.text
    assert "01-signing on softhsm, cell 2 : outputs differ" in page.text.replace(", cell 2:", ", cell 2 :")
    assert "-<64> +<65>" in page.text
    links = [link["href"] for link in page.of("a")]
    assert "../run/softhsm/01-signing.html#cell-id=bb" in links
    for link in links:
        target = (link or "").split("#")[0]
        assert not target or (tmp_path / "pages" / target).exists()


def test_a_token_that_was_not_there_is_said(tmp_path: Path) -> None:
    page = Page(report.write(tmp_path, verdicts(tmp_path / "run", absent=True)))
    assert "nss is not available here." in page.text
    assert "no libsoftokn3.so" in page.text


def test_a_measurement_has_a_table_figures_and_its_origin(run: Run, tmp_path: Path) -> None:
    page = Page(report.write(tmp_path, None, [run.path]))
    assert "2 operations measured on" in page.text
    for line in run.lines:
        assert line.case in page.text
    assert str(run.meta["name"]) in page.text
    assert run.meta["machine"]["host_sha256"] in page.text
    for token in run.tokens:
        assert run.meta["provenance"][token]["module_sha256"] in page.text
    assert len(page.of("figure")) == 2
    assert all(image["alt"] for image in page.of("img"))


def test_a_measurement_can_be_made_again_as_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    asked = ["--plan", "my plan.toml", "--token", "sandbox", "--token", "sandbox", "--threads", "4"]
    meta = run.meta | {"asked": asked, "tokens": {"sandbox": "sandbox", "sandbox#2": "sandbox"}}
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    (path / "run.json").write_text(json.dumps(meta))
    page = Page(report.write(tmp_path, runs=[path])).source
    command = "workbench bench --plan &#39;my plan.toml&#39; --token sandbox --token sandbox --threads 4\n"
    assert command in page
    assert "The plan</h2>" not in page


def test_a_measurement_that_no_command_made_shows_its_plan(run: Run, tmp_path: Path) -> None:
    page = Page(report.write(tmp_path, runs=[run.path])).source
    assert "How to reproduce" not in page
    assert "<dt>cases</dt><dd>Ed25519 sign; random 32 B</dd>" in page
    assert f"<dt>tokens</dt><dd>{', '.join(run.tokens)}</dd>" in page


def test_a_lost_block_fails_the_report_and_keeps_the_rest(run: Run, tmp_path: Path) -> None:
    rows = run.path / "rows.jsonl"
    whole = rows.read_text(encoding="utf-8")
    lost = next(row for row in run.rows if row.kind == "block" and row.measured)
    failed = attrs.asdict(attrs.evolve(lost, round=99, outcome="worker died (SIGSEGV)", latencies=None))
    import json

    try:
        rows.write_text(whole + json.dumps(failed) + "\n", encoding="utf-8")
        page = Page(report.write(tmp_path, None, [run.path]))
    finally:
        rows.write_text(whole, encoding="utf-8")
    assert "1 step of the measurement failed" in page.text
    assert "✗ incomplete worker died (SIGSEGV)" in page.text
    assert f"✗ worker died (SIGSEGV) {lost.case} on {lost.token}, 1 thread" in page.text


def test_the_page_needs_no_network_and_no_script(run: Run, tmp_path: Path) -> None:
    page = Page(report.write(tmp_path, verdicts(tmp_path / "run", BAD), [run.path]))
    assert not page.of("script")
    assert not page.of("link")
    assert "@import" not in page.source
    for attributes in page.of("img") + page.of("source"):
        assert (attributes.get("src") or attributes.get("srcset") or "").startswith("data:")
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page.source)


def test_the_page_can_be_read_without_seeing_it(run: Run, tmp_path: Path) -> None:
    page = Page(report.write(tmp_path, verdicts(tmp_path / "run", BAD), [run.path]))
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("h1")) == 1
    assert all("scope" in header for header in page.of("th"))
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    inside = {link["href"][1:] for link in page.of("a") if (link["href"] or "").startswith("#")}
    assert inside <= targets
    assert len(targets) == len([1 for _, attributes in page.tags if "id" in attributes])


def test_nothing_to_report_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="nothing to report"):
        report.write(tmp_path)
    with pytest.raises(WorkbenchError, match="no verdicts in"):
        report.write(tmp_path, tmp_path)


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WorkbenchError, match="cannot write the report"):
        report.write(tmp_path / "file" / "page.html", verdicts(tmp_path / "run"))
