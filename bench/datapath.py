# SPDX-License-Identifier: BSD-3-Clause
"""How long the XDP program takes for a packet: runs build/bench/bench_datapath."""

import json
import subprocess
import sys

import results

AIMS = {
    "tcp4_nat_established_1024": 40,
    "tcp4_nat_established_65536": 130,
    "tcp4_nat_established_1048576": 260,
    "tcp4_nat_new_flow": 400,
}
BELOW_LRU = (65536, 1048576)
QUICK_OPTIONS = ["--rounds", "1", "--flows-max", "65536"]


def main():
    options = QUICK_OPTIONS if results.is_quick() else sys.argv[1:]
    run = subprocess.run([results.ROOT / "build/bench/bench_datapath", *options],
                         stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.returncode)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    measured = [results.result(r["case"], r["metric"], r["unit"], r["values"]) for r in rows]
    results.finish("datapath", measured,
                   {(case, "ns_per_packet"): ("<=", aim) for case, aim in AIMS.items()})
    print("null is the harness: what was subtracted from every other case")
    medians = {r["case"]: r["median"] for r in measured}
    for flows in BELOW_LRU:
        ours = medians.get(f"tcp4_nat_established_{flows}")
        lru = medians.get(f"lru_hash_lookup_{flows}")
        if ours is not None and lru is not None:
            print(f"at {flows} flows: {ours / lru:.2f} of a bare LRU hash look-up"
                  + ("" if ours < lru else "  MISSED: the aim is less than 1"))


main()
