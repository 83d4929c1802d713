# SPDX-License-Identifier: BSD-3-Clause
"""The dpdk engine: its worker function alone, and the whole engine beside dpdk-testpmd.

Engine and testpmd play the same pcap files from net_pcap (infinite_rx) into net_null, in turns. A
rate is packets per second that the forwarding thread had a CPU for (schedstat).
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import results

BUILD = results.ROOT / "build" / "bench"
QUICK = results.is_quick()
ROUNDS, WORKER_ROUNDS = (1, 1) if QUICK else (5, 7)
SECONDS = 1  # each engine and testpmd, a round
FLOWS = (1024,) if QUICK else (1024, 65536)
PROTOCOLS = ("udp", "tcp")
MAIN_CORE, CORE = 0, 1  # of DPDK's main thread, and of the one that forwards
HUGEPAGES = 400  # of 2 MiB: 98,304 mbufs and the tables of 1,048,576 flows, twice over
MBUFS = 98304
TESTPMD_TIMEOUT = 60  # seconds of one run
AIMS = {
    ("worker_tcp4_nat_1048576", "ns_per_packet"): ("<=", 40),
    **{(f"{protocol}4_nat_{flows}", metric): (">=", aim)
       for protocol in PROTOCOLS
       for flows, mpps, ratio in ((1024, 40, 0.6), (65536, 30, 0.5))
       for metric, aim in (("mpps", mpps), ("ratio_to_5tswap", ratio))},
}


@contextlib.contextmanager
def hugepages(count):
    """Have this many free ones for a while; yields whether they are there."""
    path = "/proc/sys/vm/nr_hugepages"

    def total():
        with open(path, encoding="ascii") as file:
            return int(file.read())

    def add(pages):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(max(0, total() + pages)))

    before = total()
    free = int(re.search(r"HugePages_Free:\s+(\d+)",
                         open("/proc/meminfo", encoding="ascii").read()).group(1))
    add(max(0, count - free))
    added = total() - before
    try:
        yield free + added >= count
    finally:
        add(-added)


def program(name, *arguments):
    """What a program of build/bench writes."""
    run = subprocess.run([BUILD / name, *map(str, arguments)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{name} {' '.join(map(str, arguments))}:\n{run.stderr[-3000:]}")
    return run.stdout


class Files:
    """The pcap files of a run, and the folder where the engine's tables go."""

    def __init__(self, folder, huge):
        self.folder, self.huge = folder, huge
        self.tables = os.path.join(folder, "tables")
        os.mkdir(self.tables)
        subprocess.run(["mount", "-t", "hugetlbfs" if huge else "tmpfs", "none", self.tables],
                       check=True)

    def pcap(self, protocol, flows, part=0, parts=1):
        path = os.path.join(self.folder, f"{protocol}{flows}.{part}.{parts}")
        if not os.path.exists(path):
            program("bench_dpdk_engine", "pcap", protocol, flows, path, part, parts)
        return path


def engine(files, protocol, flows, cores=(CORE,)):
    """Mpps of the engine with a worker on each core."""
    pcaps = [files.pcap(protocol, flows, part, len(cores)) for part in range(len(cores))]
    got = json.loads(program("bench_dpdk_engine", "run", protocol, flows, SECONDS, files.tables,
                             ",".join(map(str, cores)), *pcaps))
    if got["hugepages"] != files.huge:
        raise RuntimeError(f"the engine's packets lie in huge pages: {got['hugepages']}")
    return got["packets"] / (sum(got["cpu_ns"]) / len(cores)) * 1e3


class Testpmd:
    """DPDK's own forwarder; stopped at its prompt."""

    def __init__(self, files, mode, pcap):
        memory = ["--in-memory"] if files.huge else ["--no-huge", "--no-shconf", "-m", "512"]
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", "-l", f"{MAIN_CORE},{CORE}", *memory, "--no-pci", "--no-telemetry",
             "--vdev", f"net_pcap0,rx_pcap={pcap},infinite_rx=1", "--vdev", "net_null0,no-rx=1",
             "--", "--interactive", f"--forward-mode={mode}", f"--total-num-mbufs={MBUFS}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.watchdog = threading.Timer(TESTPMD_TIMEOUT, self.process.kill)
        self.watchdog.start()
        self.until("testpmd> ")

    def until(self, end):
        text = ""
        while end not in text:
            data = self.process.stdout.read(4096)
            if not data:
                raise RuntimeError(f"dpdk-testpmd ended:\n{text[-3000:]}")
            text += data.decode()
        return text

    def command(self, line, end):
        self.process.stdin.write(line.encode() + b"\n")
        return self.until(end)

    def cpu_ns(self):
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm", encoding="ascii") as comm:
                if re.match(r"(lcore|rte)-worker", comm.read()):
                    with open(f"{tasks}/{task}/schedstat", encoding="ascii") as schedstat:
                        return int(schedstat.read().split()[0])
        raise RuntimeError("dpdk-testpmd has no worker thread")

    def mpps(self):
        before = self.cpu_ns()
        self.command("start", "packet forwarding")
        time.sleep(SECONDS)
        text = self.command("stop", "Done.")
        spent = self.cpu_ns() - before
        total = text[text.index("Accumulated forward statistics for all ports"):]
        received, sent, dropped = (int(re.search(rf"{what}:\s+(\d+)", total).group(1))
                                   for what in ("RX-packets", "TX-packets", "TX-dropped"))
        if sent == 0 or sent != received or dropped != 0:
            raise RuntimeError(f"dpdk-testpmd did not forward all:\n{total}")
        return sent / spent * 1e3

    def end(self):
        self.process.stdin.write(b"quit\n")
        self.process.stdout.read()
        self.process.wait()
        self.watchdog.cancel()


def testpmd(files, mode, pcap):
    forwarder = Testpmd(files, mode, pcap)
    try:
        return forwarder.mpps()
    finally:
        forwarder.end()


def one_round(files, got):
    """Each case once; {(case, metric): [value of each round]} grows."""
    def add(case, metric, value):
        got.setdefault((case, metric), []).append(value)

    for flows in FLOWS:
        add(f"testpmd_io_{flows}", "mpps", testpmd(files, "io", files.pcap("udp", flows)))
        for protocol in PROTOCOLS:
            swapped = testpmd(files, "5tswap", files.pcap(protocol, flows))
            ours = engine(files, protocol, flows)
            add(f"testpmd_5tswap_{'' if protocol == 'udp' else 'tcp_'}{flows}", "mpps", swapped)
            add(f"{protocol}4_nat_{flows}", "mpps", ours)
            add(f"{protocol}4_nat_{flows}", "ratio_to_5tswap", ours / swapped)
    if len(os.sched_getaffinity(0)) > 1:
        flows = FLOWS[-1]
        both = engine(files, "udp", flows, (MAIN_CORE, CORE))
        add(f"udp4_nat_{flows}_two_workers", "mpps", both)
        add(f"udp4_nat_{flows}_two_workers", "ratio_to_one",
            both / got[f"udp4_nat_{flows}", "mpps"][-1])


def worker_rows():
    run = program("bench_dpdk_worker", "--rounds", WORKER_ROUNDS)
    for row in map(json.loads, run.splitlines()):
        yield results.result(row["case"], row["metric"], row["unit"], row["values"])


def main():
    # one more time in namespaces of its own: the engine's taps and mounts vanish with it
    if os.environ.get("SLUICE_BENCH_UNSHARED") != "1":
        os.environ["SLUICE_BENCH_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "-mn", sys.executable, "-B", *sys.argv])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the huge pages would stay
    got = {}
    with hugepages(HUGEPAGES) as huge, tempfile.TemporaryDirectory() as folder:
        print("huge pages are used" if huge else "there are no huge pages to be had: all is slower")
        results.progress("worker")
        rows = list(worker_rows())
        files = Files(folder, huge)
        try:
            for number in range(ROUNDS):
                results.progress(f"round {number + 1} of {ROUNDS}: engine and testpmd")
                one_round(files, got)
        finally:
            subprocess.run(["umount", files.tables], check=False)
    for (case, metric), values in got.items():
        rows.append(results.result(case, metric, "Mpps" if metric == "mpps" else "", values))
    results.finish("dpdk", rows, AIMS)


if __name__ == "__main__":
    main()
