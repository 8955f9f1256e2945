"""The device of known speed does what it was told: what is measured on it can be held against that."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.faults import WorkbenchError
from workbench.measure import Device, Emulated, drive, timeline
from workbench.measure.drivers import kernel
from workbench.measure.floor import floor_job

pytestmark = pytest.mark.skipif(kernel() is None, reason="the device is compiled with the load kernel")


def test_a_call_takes_its_service_time_and_no_less() -> None:
    with Emulated(Device(service=0.004)) as device:
        (result,) = drive(device.jobs(1), count=10)
    assert (result.latencies >= 4_000_000).all()


def test_places_that_are_taken_make_a_call_wait() -> None:
    with Emulated(Device(service=0.005, nodes=2, capacity=2)) as device:
        results = drive(device.jobs(8), count=5)
    made = sum(result.successes for result in results)
    last = max(result.end_ns for result in results) - min(result.begin_ns for result in results)
    assert made == 40
    assert last >= 40 / 4 * 0.005 * 1e9 * 0.99  # four at a time, however many ask


def test_without_a_capacity_calls_wait_for_nobody() -> None:
    with Emulated(Device(service=0.05)) as device:
        results = drive(device.jobs(16), count=1)
    last = max(result.end_ns for result in results) - min(result.begin_ns for result in results)
    assert last < 16 * 0.05 * 1e9 / 4


def test_every_so_many_calls_one_fails() -> None:
    with Emulated(Device(fail_every=10)) as device:
        results = drive(device.jobs(3), count=500)
        answered, failed = device.counts
    assert (answered, failed) == (1500, 150)
    assert sum(result.failures for result in results) == 150
    assert {name for result in results for name in result.errors} == {"CKR_DEVICE_ERROR"}


def test_a_lost_node_takes_what_it_served_and_its_share_of_the_rate() -> None:
    device_of_two = Device(service=0.004, nodes=2, capacity=2, lost_after=0.3)
    with Emulated(device_of_two) as device:
        results = drive(device.jobs(8), seconds=0.6, ends=True)
    assert 1 <= sum(result.failures for result in results) <= 2
    times, rates = timeline(results, 0.05)
    before, after = rates[times < 0.25].mean(), rates[(times >= 0.35) & (times < 0.55)].mean()
    assert after == pytest.approx(before / 2, rel=0.2)


def test_an_only_node_that_is_lost_answers_nothing_any_more() -> None:
    with Emulated(Device(service=0.001, lost_after=0.02)) as device:
        (result,) = drive(device.jobs(1), seconds=0.1, give_up=50)
    assert result.gave_up
    assert result.errors == {"CKR_DEVICE_ERROR": result.failures}


@pytest.mark.notebook  # a stall comes once a second
def test_a_stall_is_seen_by_the_open_loop_alone() -> None:
    with Emulated(Device(service=1e-4, stall=0.3)) as device:
        (closed,) = drive(device.jobs(1), seconds=1)
        device.restart()
        (opened,) = drive(device.jobs(1), count=280, rate=280)
    assert np.percentile(opened.latencies, 90) > 0.1e9
    assert np.percentile(closed.latencies, 90) < 0.1e9
    assert closed.latencies.max() > 0.25e9  # once


def test_a_device_made_anew_has_counted_nothing() -> None:
    with Emulated(Device()) as device:
        drive(device.jobs(1), count=7)
        assert device.counts == (7, 0)
        device.restart(Device(fail_every=2))
        assert device.counts == (0, 0)
        drive(device.jobs(1), count=4)
        assert device.counts == (4, 2)


def test_two_devices_of_a_process_know_nothing_of_each_other_nor_the_floor_of_them() -> None:
    with Emulated(Device(service=0.01)) as slow, Emulated(Device()) as fast:
        (hurried,) = drive(fast.jobs(1), count=100)
        (floor,) = drive([floor_job("c-kernel", "sign")], count=100)
        assert slow.counts == (0, 0)
    assert np.median(hurried.latencies) < 10_000_000 / 2
    assert np.median(floor.latencies) <= np.median(hurried.latencies)


@pytest.mark.parametrize(
    "device",
    [
        Device(nodes=100, capacity=100),
        Device(service=0.001, jitter=0.002),
        Device(stall=1.0),
    ],
)
def test_a_device_that_cannot_be_is_one_sentence(device: Device) -> None:
    with pytest.raises(WorkbenchError, match="no such device"):
        Emulated(device)


def test_a_timeline_has_every_success_of_the_bins_that_it_shows() -> None:
    with Emulated(Device(service=0.001)) as device:
        results = drive(device.jobs(2), seconds=0.25, ends=True)
    _, rates = timeline(results, 0.05)
    assert 0 < rates.sum() * 0.05 <= sum(result.successes for result in results) + 1e-6
    with pytest.raises(WorkbenchError, match="shorter than a bin"):
        timeline(results, 10)
