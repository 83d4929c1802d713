# SPDX-License-Identifier: BSD-3-Clause
"""The report of a run: bench/report/index.html, one file that needs nothing beside it.

What is drawn of each benchmark stands in PLOTS; whatever else it measured is in its table.
"""
import html
import re
from collections import namedtuple

import plots
import results

# groups: a pattern of cases with the names `series` and, for bars `category`, for lines `x`
Plot = namedtuple("Plot", "bench name title unit metric groups xlabel log", defaults=("", ""))

THROUGHPUT = r"(?P<series>\w+?)_(?P<category>new_connections|keepalive|udp)"
PLOTS = [
    Plot("datapath", "datapath", "XDP program: cost of a packet", "ns", "ns_per_packet",
         r"(?P<series>\w+?)_(?P<x>\d+)", "flows", "x"),
    Plot("dpdk", "dpdk_worker", "DPDK worker function: cost of a packet", "ns", "ns_per_packet",
         r"(?P<series>\w+?)_(?P<x>\d+)", "flows", "x"),
    Plot("dpdk", "dpdk_engine", "DPDK engine, one worker, beside testpmd", "Mpps", "mpps",
         r"(?P<series>\w+?)_(?P<category>1024|65536)"),
    Plot("packets", "packets", "Small packets that arrive, by how many are offered", "Mpps",
         "arrived_mpps", r"(?P<series>\w+?)_offered_(?P<x>\d+)", "packets offered a second", "x"),
    Plot("registration", "first_flow", "From the call to the first new connection on a target (p50)",
         "ms", "first_flow_ms_p50", r"(?P<series>sluice_\w+|nft|haproxy|nginx)_(?P<category>register)"),
    Plot("registration", "last_flow", "From the call to the last new connection on it (p50)", "ms",
         "last_flow_ms_p50", r"(?P<series>sluice_\w+|nft|haproxy|nginx)_(?P<category>deregister)"),
    Plot("disruption", "remapped", "Hash space that changes its target when one is added", "%",
         "remapped_percent", r"added_(?P<series>\w+?)_(?P<x>\d+)", "targets", "xy"),
    Plot("scale", "scale_packet", "Packet path, native, one at a time: cost of a packet", "ns",
         "ns_per_packet", r"(?P<series>flows)_(?P<x>\d+)", "flows in a table that fits", "x"),
    Plot("scale", "scale_memory", "Memory of the tables", "MiB", "tables_mib",
         r"(?P<series>flows)_(?P<x>\d+)", "flows", "xy"),
    Plot("scale", "scale_sweep", "A whole sweep of the flow table", "ms", "sweep_ms",
         r"(?P<series>flows)_(?P<x>\d+)", "flows", "xy"),
    Plot("scale", "scale_register", "RegisterTargets of one target, p50", "ms", "reply_ms_p50",
         r"(?P<series>targets)_(?P<x>\d+)", "targets that are registered", "x"),
    Plot("scale", "scale_rss", "Resident memory of sluiced beside the tables", "MiB",
         "sluiced_mib", r"(?P<series>targets)_(?P<x>\d+)", "targets that are registered", "x"),
    Plot("throughput", "requests", "Requests a second", "1/s", "per_second", THROUGHPUT),
    Plot("throughput", "latency", "Latency, 99th percentile", "ms", "latency_ms_p99", THROUGHPUT),
    Plot("throughput", "cpu", "CPU time of the whole machine for a request", "µs",
         "cpu_us_per_request", THROUGHPUT),
    Plot("throughput", "bulk", "One TCP stream", "Gbit/s", "gbit_per_second",
         r"(?P<series>\w+?)_(?P<category>bulk)"),
]

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sluice: benchmarks</title><style>
body {{ font: 15px/1.45 sans-serif; max-width: 60em; margin: 2em auto; color: #222 }}
table {{ border-collapse: collapse; margin: 1em 0; font-size: 13px }}
td, th {{ border-bottom: 1px solid #ddd; padding: 2px 10px; text-align: right }}
td:nth-child(-n+2), th:nth-child(-n+2) {{ text-align: left; font-family: monospace }}
figure {{ margin: 1em 0 }} svg {{ max-width: 100%; height: auto }}
.note {{ color: #666 }}
</style></head><body>
<h1>Sluice: benchmarks</h1>
<p>Commit <code>{commit}</code>; {machine}.</p>
<p class="note">Median of the rounds; bars and whiskers show the lowest and the highest round. All
traffic runs over veth pairs of one machine, which carry no wire: figures compare, they do not
promise. bench/README.md says what each case does.</p>
{sections}
</body></html>
"""


def points(document, plot):
    """{series: {category or x: (median, min, max)}} of what a plot shows."""
    series = {}
    for r in document["results"]:
        match = re.fullmatch(plot.groups, r["case"])
        if match is None or r["metric"] != plot.metric:
            continue
        found = match.groupdict()
        place = int(found["x"]) if "x" in found else found["category"]
        series.setdefault(found["series"], {})[place] = (r["median"], r["min"], r["max"])
    return series


def draw(document, plot):
    """Draw one plot; the SVG's text, or "" when the run has none of its cases."""
    series = points(document, plot)
    if not series:
        return ""
    path = results.directory("report") / plot.name
    if "(?P<x>" in plot.groups:
        plots.lines(path, plot.title, plot.xlabel, plot.unit, series, plot.log)
    else:
        plots.bars(path, plot.title, plot.unit, series)
    svg = path.with_suffix(".svg").read_text(encoding="utf-8")
    svg = svg[svg.index("<svg"):]
    # names inside are the same in every plot: make them this one's
    svg = re.sub(r'(id="|href="#|url\(#|href=\'#|id=\')', rf"\g<1>{plot.name}-", svg)
    return f"<figure>{svg}</figure>"


def table(document):
    rows = ["<tr><th>case</th><th>metric</th><th>unit</th><th>median</th><th>min</th><th>max</th>"
            "<th>rounds</th></tr>"]
    for r in document["results"]:
        cells = [r["case"], r["metric"], r["unit"],
                 *(results.number(r[key]) for key in ("median", "min", "max")), str(r["runs"])]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return "<table>" + "\n".join(rows) + "</table>"


def describe(machine):
    fixed = (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']} MiB, "
             f"Linux {machine['kernel']}")
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"{fixed}; {versions}"


def write(documents):
    """Draw all that a run's documents have, write the page; its path."""
    sections = []
    for document in documents:
        drawn = [draw(document, plot) for plot in PLOTS if plot.bench == document["bench"]]
        sections.append(f"<h2>{document['bench']}</h2>" + "".join(drawn) + table(document))
    page = results.directory("report") / "index.html"
    page.write_text(PAGE.format(commit=documents[0]["commit"],
                                machine=html.escape(describe(documents[0]["machine"])),
                                sections="\n".join(sections)), encoding="utf-8")
    return page
