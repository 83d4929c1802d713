# SPDX-License-Identifier: BSD-3-Clause
"""Only `sluicectl shutdown --detach` stops forwarding, and it leaves nothing."""
import os

import rig as rigs
from sluice import Sluice
from traffic import curl, who_answers


def traces(rig, sluice):
    """What of Sluice is in the balancer's namespace."""
    links = rig.exec("lb", "ip", "-d", "link", "show").stdout
    pins = os.listdir(sluice.pin_dir) if os.path.exists(sluice.pin_dir) else []
    addresses = rig.exec("lb", "ip", "-o", "addr", "show").stdout
    vips = [word for line in addresses.splitlines() for word in line.split()
            if word.startswith(("10.77.0.12", "10.77.0.13", "fd77::100:", *rig.snat))]
    return {"xdp": links.count("prog/xdp"), "pins": pins, "addresses": vips}


def test_an_orderly_end_goes_on_forwarding_and_detach_leaves_nothing(make_rig):
    rig = make_rig()
    before = rig.exec("lb", "ip", "-o", "addr", "show").stdout
    sluice = Sluice(rig).start()
    web = sluice.service("web", rig.tasks)
    dual = sluice.service("dual", rig.tasks, family=6)
    assert curl(rig, web.url())

    assert sluice.stop() == 0
    held = traces(rig, sluice)
    assert held["xdp"] == 2 and held["pins"] and held["addresses"]
    assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}
    assert set(who_answers(rig, dual.url(), 60)) == {"task1", "task2", "task3"}

    sluice.start()
    sluice.ctl("shutdown", "--detach")
    assert sluice.process.wait(20) == 0
    assert traces(rig, sluice) == {"xdp": 0, "pins": [], "addresses": []}
    assert rig.exec("lb", "ip", "-o", "addr", "show").stdout == before

    # the model is in the store: the next start serves it again
    sluice.start()
    assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}


def test_shutdown_without_detach_goes_on_forwarding(make_rig):
    rig = make_rig()
    sluice = Sluice(rig).start()
    with sluice.service("web", rig.tasks) as web:
        sluice.ctl("shutdown")
        assert sluice.process.wait(20) == 0
        assert curl(rig, web.url()).strip() in {"task1", "task2", "task3"}
        sluice.start()


def test_generic_mode_serves_where_native_is_not_wanted(make_rig):
    rig = make_rig()
    sluice = Sluice(rig, attach="generic").start()
    info = sluice.rpc("DescribeEngine")
    assert {interface["Mode"] for interface in info["Interfaces"]} == {"generic"}
    with sluice.service("web", rig.tasks) as web:
        assert set(who_answers(rig, web.url(), 60)) == {"task1", "task2", "task3"}
        assert int(curl(rig, web.url("/big"), "-o", "/dev/null", "-w",
                        "%{size_download}")) == rigs.BIG_BYTES
