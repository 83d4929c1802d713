# SPDX-License-Identifier: BSD-3-Clause
"""Results of a benchmark: one JSON file, and a table beside the aims."""

import json
import os
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _line_of(path, key):
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _first_line(*command):
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0]


def machine():
    return {
        "cpu": _line_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mib": int(_line_of("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": os.uname().release,
        "compiler": _first_line("gcc", "--version"),
        "bpf_compiler": _first_line("clang", "--version"),
    }


def commit():
    git = ("git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}")
    if not (ROOT / ".git").exists():
        return "unknown"
    head = _first_line(*git, "rev-parse", "--short=12", "HEAD")
    changed = subprocess.run((*git, "diff", "--quiet", "HEAD"), check=False).returncode
    return head + ("+changes" if changed else "")


def result(case, metric, unit, values):
    return {
        "case": case,
        "metric": metric,
        "unit": unit,
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "runs": len(values),
    }


def _aim_text(aim, median):
    if aim is None:
        return ""
    sign, limit = aim
    met = median <= limit if sign == "<=" else median >= limit
    return f"{sign} {limit:g}" + ("" if met else "  MISSED")


def table(results, aims):
    """Print the results; aims: {(case, metric): ("<=" or ">=", number)}."""
    rows = [("case", "metric", "median", "min", "max", "runs", "aim")]
    for r in results:
        rows.append((r["case"], f"{r['metric']}", f"{r['median']:.1f}", f"{r['min']:.1f}",
                     f"{r['max']:.1f}", str(r["runs"]),
                     _aim_text(aims.get((r["case"], r["metric"])), r["median"])))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) if i in (0, 1, 6) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def finish(bench, results, aims):
    """Write bench/results/NAME.json and print the table."""
    path = ROOT / "bench" / "results" / f"{bench}.json"
    path.parent.mkdir(exist_ok=True)
    host = machine()
    document = {"bench": bench, "commit": commit(), "machine": host, "results": results}
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\n{bench} at {document['commit']} on {host['cpu']}, {host['cores']} cores, "
          f"{host['memory_mib']} MiB, Linux {host['kernel']}\n")
    table(results, aims)
    print(f"\nwritten to {path.relative_to(ROOT)}")
