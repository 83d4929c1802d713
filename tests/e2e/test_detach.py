# SPDX-License-Identifier: BSD-3-Clause
"""What `sluicectl shutdown` leaves: what serves its flows, or, with --detach, nothing."""
import json
import os

import pytest
import rig as rigs
from sluice import Sluice
from traffic import HttpConnection, curl, who_answers


def traces(rig, sluice):
    """What of Sluice is in the balancer's namespace."""
    links = json.loads(rig.exec("lb", "ip", "-j", "-d", "link", "show").stdout)
    programs = [link["ifname"] for link in links if "xdp" in link]
    taps = [link["ifname"] for link in links
            if link.get("linkinfo", {}).get("info_kind") == "tun"]
    tables = [file for directory in (sluice.pin_dir, sluice.table_dir)
              if os.path.exists(directory) for file in os.listdir(directory)]
    addresses = rig.exec("lb", "ip", "-o", "addr", "show").stdout
    vips = [word for line in addresses.splitlines() for word in line.split()
            if word.startswith(("10.77.0.12", "10.77.0.13", "fd77::100:", *rig.snat))]
    return {"programs": programs, "taps": taps, "tables": tables, "addresses": vips}


def test_an_orderly_end_keeps_what_flows_need_and_detach_leaves_nothing(make_rig):
    rig = make_rig()
    before = rig.exec("lb", "ip", "-o", "addr", "show").stdout
    sluice = Sluice(rig).start()
    web = sluice.service("web", rig.tasks)
    dual = sluice.service("dual", rig.tasks, family=6)
    assert curl(rig, web.url())

    assert sluice.stop() == 0
    held = traces(rig, sluice)
    assert held["tables"] and held["addresses"]
    if sluice.forwards_alone:
        assert sorted(held["programs"]) == rig.interfaces
        assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}
        assert set(who_answers(rig, dual.url(), 60)) == {"task1", "task2", "task3"}
    else:
        assert sorted(held["taps"]) == rig.interfaces

    sluice.start()
    sluice.ctl("shutdown", "--detach")
    assert sluice.process.wait(20) == 0
    assert traces(rig, sluice) == {"programs": [], "taps": [], "tables": [], "addresses": []}
    assert rig.exec("lb", "ip", "-o", "addr", "show").stdout == before

    # the model is in the store: the next start serves it again
    sluice.start()
    assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}


def test_shutdown_without_detach_loses_no_flow(make_rig):
    rig = make_rig()
    sluice = Sluice(rig).start()
    with sluice.service("web", rig.tasks) as web, \
            HttpConnection(rig, web.vip, web.port) as kept:
        owner = kept.get()
        sluice.ctl("shutdown")
        assert sluice.process.wait(20) == 0
        if sluice.forwards_alone:
            assert kept.get() == owner
            assert curl(rig, web.url()).strip() in {"task1", "task2", "task3"}
        sluice.start()
        assert kept.get() == owner


@pytest.mark.engine("xdp", reason="generic is a way to attach an XDP program")
def test_generic_mode_serves_where_native_is_not_wanted(make_rig):
    rig = make_rig()
    sluice = Sluice(rig, attach="generic").start()
    info = sluice.rpc("DescribeEngine")
    assert {interface["Mode"] for interface in info["Interfaces"]} == {"generic"}
    with sluice.service("web", rig.tasks) as web:
        assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}
        assert int(curl(rig, web.url("/big"), "-o", "/dev/null", "-w",
                        "%{size_download}")) == rigs.BIG_BYTES
