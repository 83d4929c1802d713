# SPDX-License-Identifier: BSD-3-Clause
"""iperf3 through a VIP: many full-sized packets, both directions."""
import json

import pytest
from rig import wait_until

IPERF_PORT = 5201
BYTES = "200M"
UDP_BYTES = "10M"


@pytest.fixture(scope="module", autouse=True)
def iperf_server(rig):
    server = rig.spawn(rig.tasks[0].name, "iperf3", "-s", "-p", str(IPERF_PORT))
    wait_until(lambda: rig.listens(rig.tasks[0].name, "tcp", IPERF_PORT), "iperf3 -s")
    yield
    server.kill()
    server.wait()


def iperf(rig, service, *options):
    done = rig.exec("client", "iperf3", "-J", "-c", service.vip, "-p", str(service.port), *options,
                    check=False)
    report = json.loads(done.stdout)
    assert "error" not in report, report["error"]
    return report["end"]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("preserve", [False, True], ids=["nat", "preserved"])
@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["up", "down"])
def test_tcp(rig, sluice, family, preserve, direction):
    with sluice.service("iperf", rig.tasks[:1], port=IPERF_PORT, family=family,
                        preserve=preserve) as service:
        end = iperf(rig, service, "-n", BYTES, *direction)
        assert end["sum_received"]["bytes"] > 150 << 20  # what is in flight at the end is not counted
        print(f"{end['sum_received']['bits_per_second'] / 1e9:.2f} Gbit/s")


def test_udp(rig, sluice):
    with sluice.service("iperf", rig.tasks[:1], port=IPERF_PORT, protocol="TCP_UDP") as service:
        end = iperf(rig, service, "-u", "-b", "20M", "-l", "1200", "-n", UDP_BYTES)
        assert end["sum"]["lost_percent"] < 1
