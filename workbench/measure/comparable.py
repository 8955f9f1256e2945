"""What may be held against what: runs of one machine, one plan and one driver; anything else is refused."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.faults import WorkbenchError
from workbench.measure.provenance import MACHINE_IS
from workbench.measure.results import Run

__all__ = ["HOST", "changed", "check_machine", "check_plan"]

# A plan may be repeated longer or shorter: these members of it do not change what is measured.
LENGTHS = frozenset({"name", "title", "rounds", "seconds", "warmup", "threads", "cases", "drivers"})
HOST = "host_sha256"


def check_machine(run: Run, baseline: Run, *, same_host: bool = True) -> None:
    """Errors: ``WorkbenchError`` where the runs come from two machines; of two kinds, unless ``same_host``."""
    for name in MACHINE_IS:
        ours, theirs = run.meta["machine"].get(name), baseline.meta["machine"].get(name)
        if ours == theirs or (name == HOST and not same_host):
            continue
        hint = "; --other-host accepts another host of the same kind" if name == HOST else ""
        raise WorkbenchError(
            f"cannot compare: {run.path.name} and {baseline.path.name} come from two machines "
            f"({name.removesuffix('_sha256')}: {ours} and {theirs}){hint}"
        )


def check_plan(run: Run, baseline: Run) -> None:
    """Errors: ``WorkbenchError`` where the runs follow two plans, or have no driver or case in common."""
    plan, before = run.meta["plan"], baseline.meta["plan"]
    if not set(run.drivers) & set(baseline.drivers):
        raise WorkbenchError(
            f"cannot compare: {run.path.name} was made with driver {run.driver}, "
            f"{baseline.path.name} with {baseline.driver}"
        )
    for name in sorted((plan.keys() | before.keys()) - LENGTHS):
        if plan.get(name) != before.get(name):
            raise WorkbenchError(
                f"cannot compare: {run.path.name} and {baseline.path.name} follow two plans "
                f"({name}: {plan.get(name)} and {before.get(name)})"
            )
    ours = {case["name"]: case for case in plan["cases"]}
    for case in before["cases"]:
        other = ours.get(case["name"])
        if other is None:
            continue
        # what only one of the two knows came with a newer workbench, as the default
        changed = [key for key in case.keys() & other.keys() if case[key] != other[key]]
        if changed:
            raise WorkbenchError(
                f"cannot compare: case {case['name']!r} has another {changed[0]} in the two runs "
                f"({other[changed[0]]} and {case[changed[0]]})"
            )
    if not ours.keys() & {case["name"] for case in before["cases"]}:
        raise WorkbenchError(
            f"cannot compare: plans {plan['name']!r} and {before['name']!r} have no case in common"
        )


def changed(run: Run, baseline: Run, tokens: Sequence[str]) -> list[str]:
    """What else differs between the runs: a difference may come from there."""
    found = []
    for token in tokens:
        ours, theirs = (one.meta["provenance"].get(token, {}) for one in (run, baseline))
        for name in ("library", "firmware", "module_sha256", "serial_sha256", "key_residency"):
            if ours.get(name) != theirs.get(name):
                found.append(f"{token}: {name.removesuffix('_sha256')} differs from the baseline's")
    for name in (HOST, "kernel", "python"):
        ours, theirs = (one.meta["machine"].get(name) for one in (run, baseline))
        if ours != theirs:
            found.append(f"{name.removesuffix('_sha256')}: {ours}, and {theirs} in the baseline")
    return found
