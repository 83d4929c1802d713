# SPDX-License-Identifier: BSD-3-Clause
"""New flows spread evenly over the targets, or stick to one by source address."""
import collections

from rig import wait_until
from sluice import STANDARD_CHECKS
from traffic import Load, who_answers

FLOWS = 20000
TOLERANCE = 0.05  # 1 % of Maglev, and 4 standard deviations of 20,000 draws


def test_connections_spread_evenly(rig, sluice):
    with sluice.service("even", rig.tasks, attributes=STANDARD_CHECKS) as even:
        rig.forget_requests()
        with Load(rig, even.url()) as load:
            wait_until(lambda: sum(len(rig.requests(task)) for task in rig.tasks) > FLOWS,
                       f"{FLOWS} requests", timeout_s=60)
            load.stop()
        assert load.failed == 0
        counts = {task.name: len(rig.requests(task)) for task in rig.tasks}
        mean = sum(counts.values()) / len(counts)
        assert all(abs(count - mean) < TOLERANCE * mean for count in counts.values()), counts


def test_stickiness_keeps_a_source_on_one_target(rig, sluice):
    with sluice.service("sticky", rig.tasks, attributes={"stickiness.enabled": "true"}) as sticky:
        assert len(who_answers(rig, sticky.url(), 100)) == 1


def test_sources_spread_under_stickiness(rig, sluice):
    with sluice.service("sticky", rig.tasks, attributes={"stickiness.enabled": "true"}) as sticky:
        seen = collections.Counter()
        for last in range(20, 50):
            rig.ip("client", f"addr add 10.77.0.{last}/24 dev eth0")
            done = rig.exec("client", "curl", "-sS", "--max-time", "5", "--interface",
                            f"10.77.0.{last}", sticky.url())
            seen[done.stdout.strip()] += 1
            rig.ip("client", f"addr del 10.77.0.{last}/24 dev eth0")
        assert set(seen) == {"task1", "task2", "task3"}, seen


def test_a_new_target_gets_its_share(rig, sluice):
    with sluice.service("growing", rig.tasks[:2]) as growing:
        assert set(who_answers(rig, growing.url(), 50)) == {"task1", "task2"}
        growing.register(rig.tasks[2])
        # the reply meant that the path does it already: no waiting here
        assert set(who_answers(rig, growing.url(), 100)) == {"task1", "task2", "task3"}
