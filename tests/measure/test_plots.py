"""Figures: the finding is in the title, the disclosure at the foot, and nobody needs colour to read them."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import attrs
import matplotlib.image
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from written import row, written

from workbench import measure, tokens
from workbench.faults import WorkbenchError
from workbench.measure.history import Series, Step
from workbench.measure.payload import byte_cost
from workbench.measure.plots import latency_finding, payload_finding, phases_finding, scaling_finding
from workbench.measure.plots.canvas import COLOURS, look, number
from workbench.measure.stats import pack


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> measure.Run:
    """Random bytes in three sizes with one, two and four threads."""
    names = tokens.available()[:1]
    if not names:
        pytest.skip("no token is available here")
    cases = tuple(measure.Case(f"random {n} B", "random", None, n, output=n) for n in (16, 1024, 4096))
    plan = measure.Plan("sweep", cases, threads=(1, 2, 4), rounds=5, seconds=0.01, warmup=0.0)
    return measure.bench(plan, names, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def figures(run: measure.Run) -> dict[str, Figure]:
    """Every figure that a run can have."""
    token, case = run.tokens[0], "random 16 B"
    return {
        "throughput": measure.throughput_figure(run),
        "latency": measure.latency_figure(run),
        "scaling": measure.scaling_figure(run),
        "payload": measure.payload_figure(run),
        "tail": measure.tail_figure({token: run.latencies(token, case, 1)}, "All calls", run=run),
        "comparison": measure.comparison_figure(measure.compare_runs(run, run), run),
        "capacity": measure.capacity_figure(run, token, case, measure.sizing(1e7, 1e6)),
    }


def words(figure: Figure) -> str:
    """Everything that is written in a figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    texts = (text for text in figure.findobj(Text) if isinstance(text, Text))
    return " ".join(" ".join(text.get_text().split()) for text in texts)


def test_every_figure_discloses_what_was_measured_on_what(
    run: measure.Run, figures: dict[str, Figure]
) -> None:
    for name, figure in figures.items():
        said = words(figure)
        assert str(run.meta["machine"]["cpu"]) in said, name
        assert "(m) measured, (d) declared" in said, name
        assert f"{run.meta['plan']['rounds']} rounds" in said, name


def test_the_finding_is_the_title(run: measure.Run, figures: dict[str, Figure]) -> None:
    titles = {name: " ".join(figure.get_suptitle().split()) for name, figure in figures.items()}
    assert titles["scaling"] == scaling_finding(run)
    assert titles["payload"] == " ".join(payload_finding(run).split())
    assert "nodes" not in titles["capacity"]
    assert run.tokens[0] in titles["capacity"]


def test_series_differ_in_marker_and_line_and_not_in_colour_alone() -> None:
    looks = [look(index) for index in range(len(COLOURS))]
    assert len({ink.marker for ink in looks}) == len(looks)
    assert len({ink.style for ink in looks}) == len(looks)


def test_a_figure_printed_without_colour_still_shows_its_marks(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=30)
        drawn.seek(0)
        grey = np.asarray(matplotlib.image.imread(drawn))[..., :3] @ np.array([0.299, 0.587, 0.114])
        assert (grey < 0.75).mean() > 0.005, name


def test_what_a_byte_costs_is_found_where_it_is_known() -> None:
    cost = byte_cost({size: 700.0 + 0.5 * size for size in (16, 256, 4096)})
    assert cost.fixed_ns == pytest.approx(700)
    assert cost.byte_ns == pytest.approx(0.5)
    assert cost.half == pytest.approx(1400)
    assert cost.limit == pytest.approx(2e9)
    assert cost.error < 1e-6


@pytest.mark.parametrize(
    "medians", [{16: 900.0, 256: 850.0, 4096: 800.0}, {16: 10.0, 256: 400.0, 4096: 9000.0}]
)
def test_no_part_of_a_cost_is_negative(medians: dict[int, float]) -> None:
    cost = byte_cost(medians)
    assert min(cost.fixed_ns, cost.byte_ns) >= 0


@pytest.mark.parametrize(
    "rate, node_rate, headroom, spare, nodes",
    [
        (1000, 1000, 0.0, 0, 1),
        (1000, 1000, 0.3, 1, 3),
        (5, 1, 0.3, 1, 9),
        (700, 500, 0.1, 1, 3),
        (1, 1e6, 0.5, 2, 3),
    ],
)
def test_a_sizing_carries_the_rate_with_its_headroom_after_the_failure(
    rate: float, node_rate: float, headroom: float, spare: int, nodes: int
) -> None:
    found = measure.sizing(rate, node_rate, headroom, spare)
    assert found.nodes == nodes
    assert found.load_after_failure <= 1 - headroom + 1e-9
    if found.nodes - spare > 1:
        fewer = found.nodes - 1 - spare
        assert rate / (fewer * node_rate) > 1 - headroom, "one node less would not do"


def test_bad_sizings_are_one_sentence() -> None:
    with pytest.raises(WorkbenchError, match="rates above 0"):
        measure.sizing(0, 10)
    with pytest.raises(WorkbenchError, match="headroom is a part of 1"):
        measure.sizing(10, 10, headroom=1)


def test_a_history_shows_its_steps_as_better_or_worse() -> None:
    values = (100.0,) * 5 + (70.0,) * 5
    series = Series(
        "",
        "softhsm",
        "sign",
        1,
        "c-kernel",
        "throughput",
        tuple("abcdefghij"),
        values,
        (Step(5, 0.7, 0.001),),
    )
    figure = measure.history_figure(series)
    assert figure.get_suptitle() == "sign on softhsm: throughput -30 % (worse) from run 6 of 10 on"
    assert "-30.0 %, worse" in words(figure)
    dearer = attrs.evolve(series, quantity="p50", steps=(Step(5, 0.7, 0.001),))
    assert "better" in words(measure.history_figure(dearer))
    calm = attrs.evolve(series, steps=())
    assert "no step in 10 runs" in measure.history_figure(calm).get_suptitle()


def test_a_tail_is_spoken_of_where_there_are_calls_enough_for_it(tmp_path: Path) -> None:
    few = [row("few", r, 300, p50_ns=3e6) for r in range(3)]
    many = [row("many", r, 4000, p50_ns=0.2e6) for r in range(3)]
    waits = [2_900_000] * 29 + [90_000_000], [190_000] * 390 + [600_000] * 10
    latencies = {number: waits[number // 3] for number in range(6)}
    both = written(tmp_path / "both", few + many, latencies)
    assert [(line.successes, line.says(99), line.says(99.9)) for line in both.lines] == [
        (90, False, False),
        (1200, True, False),
    ]
    assert (
        latency_finding(both)
        == "One call in a hundred takes 3.0 times the median or longer (lines with calls enough for it: 1 of 2)"
    )
    drawn = words(measure.latency_figure(both))
    assert "200 µs, p99 600" in drawn
    assert "p99 90,000" not in drawn
    table = both.table().set_index("token")
    assert table["p99_us"].isna().to_dict() == {"few": True, "many": False}
    assert table["p999_us"].isna().all()
    alone = written(tmp_path / "alone", few, latencies)
    assert (
        latency_finding(alone) == "Half of the calls take 3,000 µs (sign) or longer; too few calls for a tail"
    )


def test_percentiles_are_marked_as_far_as_there_are_calls_for_them() -> None:
    few = pack(np.arange(1000, 1200, dtype=np.uint64))
    many = pack(np.arange(1000, 21000, dtype=np.uint64))
    assert "few: p50 1.1 µs, p90 1.18 µs" in words(measure.tail_figure({"few": few}, "t"))
    assert "many: p50 11 µs, p99.9 21 µs" in words(measure.tail_figure({"many": many}, "t"))


@pytest.mark.parametrize(
    "rates, spread",
    [((330, 350, 340), 0.02), ((500, 990, 1010), 0.6), ((1e5, 2e5, 4e5), 0.01), ((10, 320, 330), 0.3)],
)
def test_a_panel_of_the_threads_has_room_for_its_intervals_and_words_and_two_ticks(
    tmp_path: Path, rates: tuple[float, ...], spread: float
) -> None:
    rows = [
        row(token, r, rate * factor * (1 + spread * (r - 2) / 2), threads)
        for token, factor in (("softhsm", 1.0), ("a token of our partition", 0.98))
        for threads, rate in zip((1, 2, 4), rates, strict=True)
        for r in range(5)
    ]
    figure = measure.scaling_figure(written(tmp_path / "run", rows))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2
    for bars in axes.collections:
        assert isinstance(bars, LineCollection)
        for segment in bars.get_segments():
            assert low < np.asarray(segment)[:, 1].min() <= np.asarray(segment)[:, 1].max() < high
    frame = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 4  # two tokens, and what is said of each
    for box in boxes:
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_no_series_of_a_tail_is_named_across_another() -> None:
    """The one that ends first is beside a curve that goes on: names stand outside of the axes."""
    early = pack(np.arange(1000, 1200, dtype=np.uint64))
    late = pack(np.arange(1000, 201000, 10, dtype=np.uint64))
    figure = measure.tail_figure({"early": early, "late": late}, "t")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert not list(axes.texts)
    assert not axes.get_window_extent().overlaps(legend.get_window_extent())
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_nothing_to_draw_is_one_sentence(run: measure.Run) -> None:
    empty = attrs.evolve(run, rows=())
    for draw in (measure.throughput_figure, measure.latency_figure, measure.scaling_figure):
        with pytest.raises(WorkbenchError, match="nothing was measured"):
            draw(empty)
    with pytest.raises(WorkbenchError, match="three payloads"):
        measure.payload_figure(empty)
    with pytest.raises(WorkbenchError, match="no latencies"):
        measure.tail_figure({}, "t")
    with pytest.raises(WorkbenchError, match="was not measured on"):
        measure.capacity_figure(empty, run.tokens[0], "random 16 B", measure.sizing(10, 10))
    assert phases_finding(empty) == "no operation was measured"


@pytest.mark.parametrize(
    "value, text",
    [
        (0.271, "0.271"),
        (99.96, "100"),
        (1234.0, "1,230"),
        (999_499.0, "999,000"),
        (1_270_000.0, "1.27 million"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.notebook
def test_a_report_has_a_figure_for_every_sweep(run: measure.Run, tmp_path: Path) -> None:
    from workbench import report

    page = report.write(tmp_path, None, [run.path]).read_text(encoding="utf-8")
    assert page.count("<figure>") == 4
    assert "Disclosure" in page
    for token in run.tokens:
        for fact in measure.facts(run, token):
            assert fact.name in page
    assert "closed: every thread makes its next call" in page
