# SPDX-License-Identifier: BSD-3-Clause
"""Requests through Sluice and through what users would pick instead, on the same rig in one run.

Rounds are interleaved (every peer, then every peer again …), so that a busy machine disturbs all
alike. A round whose load had one failed request, or one lost datagram, ends the benchmark.
"""
import os
import re
import statistics
import sys

import results

sys.path.insert(0, str(results.ROOT / "tests" / "e2e"))

import peers  # noqa: E402
import rig as rigs  # noqa: E402

PREFIX = "sluice-bench"
ROUNDS, SECONDS = 5, 2
QUICK_ROUNDS, QUICK_SECONDS = 1, 1
CONNECTIONS = 16     # of wrk
OUTSTANDING = 32     # datagrams of dnsperf
QUERY = "localhost A\n"


def busy_seconds():
    """CPU time that this machine has spent on anything, interrupts included."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq, *_ = map(int, stat.readline().split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def wrk(peer, seconds, new_connections):
    """Requests a second and their latencies; (count, values)."""
    options = ["-H", "Connection: close"] if new_connections else []
    out = peer.rig.exec("client", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s",
                        peer.percentiles, *options,
                        f"http://{peer.http}:{rigs.HTTP_PORT}/quiet").stdout
    if "Socket errors" in out or "Non-2xx" in out:
        raise RuntimeError(f"{peer.name}: requests failed\n{out}")
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    p50, p99, p999 = (float(us) / 1000
                      for us in re.search(r"us ([\d.]+) ([\d.]+) ([\d.]+)", out).groups())
    return requests, {"per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
                      "latency_ms_p50": p50, "latency_ms_p99": p99, "latency_ms_p999": p999}


# wrk's own summary rounds; microseconds, on one line
PERCENTILES_LUA = """
function done(summary, latency, requests)
	print(string.format("us %.1f %.1f %.1f", latency:percentile(50), latency:percentile(99),
		latency:percentile(99.9)))
end
"""


def dnsperf(peer, seconds):
    out = peer.rig.exec("client", "dnsperf", "-v", "-s", peer.udp_echo, "-p", str(rigs.ECHO_PORT),
                        "-q", str(OUTSTANDING), "-l", str(seconds), "-t", "2", "-d",
                        peer.queries).stdout
    lost = int(re.search(r"Queries lost:\s+(\d+)", out).group(1))
    if lost:
        raise RuntimeError(f"{peer.name}: {lost} datagrams lost\n{out[-1000:]}")
    times = sorted(float(line.rsplit(None, 1)[1]) for line in out.splitlines()
                   if line.startswith("> "))
    per_second = float(re.search(r"Queries per second:\s+([\d.]+)", out).group(1))
    return len(times), {"per_second": per_second,
                        **{f"latency_ms_p{name}": times[int(len(times) * share)] * 1000
                           for name, share in (("50", 0.5), ("99", 0.99), ("999", 0.999))}}


def iperf3(peer, seconds):
    done = peer.rig.exec("client", "iperf3", "-c", peer.bulk, "-p", str(peers.BULK_PORT), "-t",
                         str(seconds), "-f", "m")
    mbit = float(re.search(r"([\d.]+) Mbits/sec\s+receiver", done.stdout).group(1))
    return 0, {"gbit_per_second": mbit / 1000}


LOADS = {
    "new_connections": lambda peer, seconds: wrk(peer, seconds, True),
    "keepalive": lambda peer, seconds: wrk(peer, seconds, False),
    "udp": dnsperf,
    "bulk": iperf3,
}


def measure(peer, load, seconds):
    before = busy_seconds()
    count, values = LOADS[load](peer, seconds)
    if count:
        values["cpu_us_per_request"] = (busy_seconds() - before) * 1e6 / count
    return values


def collect(everyone, rounds, seconds, progress):
    """{(peer, load): {metric: [value of each round]}}"""
    got = {}
    for number in range(rounds):
        for load in LOADS:
            for peer in everyone:
                if load == "udp" and not peer.udp:
                    continue
                progress(f"round {number + 1} of {rounds}: {load} {peer.name}")
                for metric, value in measure(peer, load, seconds).items():
                    got.setdefault((peer.name, load), {}).setdefault(metric, []).append(value)
    return got


UNITS = {"per_second": "1/s", "gbit_per_second": "Gbit/s", "ratio_to_direct": "",
         "cpu_us_per_request": "us"}


def rows(got):
    for (name, load), metrics in got.items():
        rate = "gbit_per_second" if load == "bulk" else "per_second"
        direct = got["direct", load][rate]
        metrics["ratio_to_direct"] = [ours / theirs
                                      for ours, theirs in zip(metrics[rate], direct)]
        for metric, values in metrics.items():
            yield results.result(f"{name}_{load}", metric, UNITS.get(metric, "ms"), values)


def leads(got):
    """Who is ahead of whom, and whether the rounds are close enough together to say so."""
    for load in LOADS:
        rate = "gbit_per_second" if load == "bulk" else "per_second"
        measured = {name: metrics[rate] for (name, of), metrics in got.items() if of == load}
        order = sorted(measured, key=lambda name: -statistics.median(measured[name]))
        print(f"{load}: " + " ".join(
            name + results.lead_sign(measured[name], measured[behind]) + " "
            for name, behind in zip(order, order[1:])) + order[-1])


def main():
    quick = results.is_quick()
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    rigs.sweep_dead(PREFIX)
    with results.entered(kind(f"{PREFIX}-{os.getpid()}") for kind in peers.ALL) as everyone:
        for peer in everyone:
            peer.percentiles = peer.write("percentiles.lua", PERCENTILES_LUA)
            peer.queries = peer.write("queries", QUERY)
        got = collect(everyone, rounds, seconds, results.progress)
    results.finish("throughput", list(rows(got)), {})
    print("\n> is ahead by more than the rounds differ, ~ is not")
    leads(got)


if __name__ == "__main__":
    main()
