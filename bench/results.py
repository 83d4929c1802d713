# SPDX-License-Identifier: BSD-3-Clause
"""Results of a benchmark: one JSON file, and a table beside the aims."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUICK = "SLUICE_BENCH_QUICK"
PEERS = ["haproxy", "nginx", "nftables", "wrk", "dnsperf", "iperf3", "libbpf1", "libdpdk-dev"]


def _line_of(path, key):
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _first_line(*command):
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0]


def _version(package):
    query = subprocess.run(("dpkg-query", "-W", "-f", "${Version}", package), capture_output=True,
                           text=True, check=False)
    return query.stdout or "not installed"


def machine():
    return {
        "cpu": _line_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mib": int(_line_of("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": os.uname().release,
        "compiler": _first_line("gcc", "--version"),
        "bpf_compiler": _first_line("clang", "--version"),
        "versions": {package: _version(package) for package in PEERS},
    }


def commit():
    git = ("git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}")
    if not (ROOT / ".git").exists():
        return "unknown"
    head = _first_line(*git, "rev-parse", "--short=12", "HEAD")
    changed = subprocess.run((*git, "diff", "--quiet", "HEAD"), check=False).returncode
    return head + ("+changes" if changed else "")


def is_quick():
    """Whether to be done soon rather than sure: `./run bench --quick`."""
    return os.environ.get(QUICK) == "1"


def progress(text):
    """A line that says what goes on; on a terminal it is overwritten by the next."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def entered(managers):
    """Enter context managers in turn, and leave them all."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(manager) for manager in managers]


def lead_sign(ahead, behind):
    """" >" when every round of one is ahead of every round of the other, else " ~"."""
    return " >" if min(ahead) > max(behind) else " ~"


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


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


def number(value):
    """With as many digits as mean something."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def print_columns(rows, left):
    """Print rows below each other; the first `left` columns to the left, others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) if i < left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def table(measured, aims):
    """Print the results; aims: {(case, metric): ("<=" or ">=", number)}."""
    rows = [("case", "metric", "aim", "median", "min", "max", "runs")]
    for r in measured:
        rows.append((r["case"], r["metric"],
                     _aim_text(aims.get((r["case"], r["metric"])), r["median"]),
                     number(r["median"]), number(r["min"]), number(r["max"]), str(r["runs"])))
    print_columns(rows, left=3)


def directory(kind):
    """Where "results" or the "report" of this run go; a quick run does not overwrite a real one."""
    path = ROOT / "bench" / kind
    if is_quick():
        path /= "quick"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _path(name):
    return directory("results") / f"{name}.json"


def write(name, document):
    _path(name).write_text(json.dumps(document, indent=1) + "\n")


def read(name):
    return json.loads(_path(name).read_text())


def finish(bench, measured, aims):
    """Write bench/results/NAME.json and print the table."""
    host = machine()
    document = {"bench": bench, "commit": commit(), "quick": is_quick(), "machine": host,
                "results": measured}
    write(bench, document)
    print(f"\n{bench} at {document['commit']} on {host['cpu']}, {host['cores']} cores, "
          f"{host['memory_mib']} MiB, Linux {host['kernel']}\n")
    table(measured, aims)
    print(f"\nwritten to {_path(bench).relative_to(ROOT)}")
