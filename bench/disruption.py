# SPDX-License-Identifier: BSD-3-Clause
"""What one target that comes or goes disturbs.

Of established flows, in the rig: 2,048 flows over N targets; one more target is registered, then one
of the first deregistered. Every flow's next packet must arrive where its first did; one that does
not ends the benchmark. Of the hash space, computed: the share whose new flows change their target,
beside the least there can be (an ideal consistent hash) and a hash modulo N.
"""
import json
import os
import subprocess
import sys

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import crowd  # noqa: E402
import rig as rigs  # noqa: E402
from sluice import Sluice  # noqa: E402
from wires import Wires  # noqa: E402

PREFIX = "sluice-bench"
FLOWS = 2048
SIZES = [2, 100] if results.is_quick() else [2, 10, 100, 999]


def moved(wires, flows, before, when):
    """How many flows' next packets arrive elsewhere than their first: must be none."""
    now = wires.where(flows)
    strays = [flow for flow in flows if now[flow] != before[flow]]
    if strays:
        flow = strays[0]
        raise RuntimeError(f"{when}: {len(strays)} of {len(flows)} established flows moved, "
                           f"one from {before[flow]} to {now[flow]}")
    return len(strays)


def churn(rig, sluice, count):
    """Established flows that moved, in percent, as one target comes to `count` and one goes."""
    task, first = rig.tasks[0], crowd.FIRST_PORT
    service = crowd.service(sluice, f"churn-{count}",
                            attributes={"deregistration_delay.timeout_seconds": "300"})

    def call(method, ports):
        sluice.rpc(method, TargetGroupArn=service.tg_arn, Targets=crowd.targets(task, ports))

    call("RegisterTargets", range(first, first + count))
    crowd.wait_healthy(service, count)
    # the VIP may be one that a deleted load balancer had: its flows live on
    wires = Wires(rig, service.vip, first_flow=SIZES.index(count) * FLOWS)
    flows = wires.new(FLOWS)
    before = wires.where(flows)
    if len(set(before.values())) < min(count, FLOWS / 8):
        raise RuntimeError(f"{FLOWS} flows over {len(set(before.values()))} of {count} targets")
    call("RegisterTargets", [first + count])
    crowd.wait_healthy(service, count + 1)
    added = moved(wires, flows, before, f"one more than {count} targets")
    call("DeregisterTargets", [first])
    removed = moved(wires, flows, before, f"one less than {count + 1} targets")
    service.delete()
    return 100 * added / FLOWS, 100 * removed / FLOWS


def established():
    rigs.sweep_dead(PREFIX)
    with rigs.Rig(f"{PREFIX}-{os.getpid()}", tasks=1) as rig:
        crowd.answer_everywhere(rig, rig.tasks[0])
        sluice = Sluice(rig).start()
        for count in SIZES:
            results.progress(f"disruption: {FLOWS} flows over {count} targets")
            added, removed = churn(rig, sluice, count)
            yield results.result(f"established_added_to_{count}", "moved_percent", "%", [added])
            yield results.result(f"established_removed_from_{count + 1}", "moved_percent", "%",
                                 [removed])


def hash_space():
    done = subprocess.run([os.path.join(rigs.BUILD, "bench", "bench_hashing")],
                          stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        n = row["targets"]
        for case, share in ((f"added_sluice_{n}", row["added"]),
                            (f"added_ideal_{n}", 1 / (n + 1)),
                            (f"added_modulo_{n}", n / (n + 1)),
                            (f"removed_sluice_{n + 1}", row["removed"]),
                            (f"removed_ideal_{n + 1}", 1 / (n + 1)),
                            (f"removed_modulo_{n + 1}", n / (n + 1))):
            yield results.result(case, "remapped_percent", "%", [100 * share])
        yield results.result(f"spread_{n}", "largest_share_of_even", "", [row["largest"]])


def main():
    results.finish("disruption", [*established(), *hash_space()], {})


if __name__ == "__main__":
    main()
