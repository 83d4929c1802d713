# SPDX-License-Identifier: BSD-3-Clause
"""./run bench: runs benchmarks one after the other, compares with an earlier run, writes the report.

usage: ./run bench [--quick] [--compare OLD.json] [NAME...]

  --quick             few short rounds: whether it works, not how fast it is
  --compare OLD.json  print what changed since a file of bench/results/, as ratios
"""
import argparse
import json
import os
import subprocess
import sys
import time

import report
import results

# in the order in which they run; those that want an idle machine first
NAMES = ["datapath", "dpdk", "restart", "packets", "registration", "disruption", "rollout", "health",
         "accesslog", "scale", "throughput"]


def run(name):
    """Run one; returns whether it went well. Its results are in bench/results/NAME.json."""
    begin = time.monotonic()
    results.progress(f"== {name}")
    command = [sys.executable, "-B", str(results.ROOT / "bench" / f"{name}.py")]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    print(f"{name}: {'done' if status == 0 else f'FAILED ({status})'} "
          f"in {time.monotonic() - begin:.0f} s\n", flush=True)
    return status == 0


def medians(documents):
    return {(document["bench"], r["case"], r["metric"]): r["median"]
            for document in documents for r in document["results"]}


def compare(old, new):
    """Print new / old of every figure that both have."""
    before, after = medians(old), medians(new)
    rows = [("bench", "case", "metric", "old", "new", "new/old")]
    for key in after:
        if key in before:
            ratio = f"{after[key] / before[key]:.2f}" if before[key] else "-"
            rows.append((*key, results.number(before[key]), results.number(after[key]), ratio))
    if len(rows) == 1:
        print("nothing to compare: the files have no figure in common")
        return
    results.print_columns(rows, left=3)


def load(path):
    """Documents of a results file: of one benchmark, or of a whole run."""
    try:
        document = json.loads(open(path, encoding="utf-8").read())
        documents = document["benches"] if "benches" in document else [document]
        medians(documents)
        return documents
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"bench: --compare {path}: not a results file of ./run bench: {error}")


def arguments():
    parser = argparse.ArgumentParser(prog="./run bench", description="measure Sluice")
    parser.add_argument("--quick", action="store_true", help="few short rounds")
    parser.add_argument("--compare", metavar="OLD.json", help="print what changed, as ratios")
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(NAMES))
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"no benchmark named '{name}'; there are {', '.join(NAMES)}")
    return options


def main():
    options = arguments()
    old = load(options.compare) if options.compare else None
    if options.quick:
        os.environ[results.QUICK] = "1"
    names = options.names or NAMES
    failed = [name for name in names if not run(name)]
    documents = [results.read(name) for name in names if name not in failed]
    if documents:
        results.write("all", {"benches": documents})
        page = report.write(documents)
        print(f"report: {page.relative_to(results.ROOT)}")
    if old is not None:
        compare(old, documents)
    if failed:
        sys.exit(f"bench: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
