# SPDX-License-Identifier: BSD-3-Clause
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import rig as rigs  # noqa: E402
from sluice import Sluice  # noqa: E402

PREFIX = "sluice-e2e"
RUN = f"{PREFIX}-{os.getpid()}"


def pytest_configure(config):
    config.addinivalue_line("markers", "engine(name, reason): for this engine alone, and why")
    if os.geteuid() != 0:
        raise pytest.UsageError("the end-to-end tests make network namespaces: run them as root")
    # a TERM must run the fixtures' undo, as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rigs.sweep_dead(PREFIX)


def pytest_unconfigure(config):
    for name in rigs.names():
        if name.startswith(f"{RUN}-"):
            rigs.down(name)


def pytest_generate_tests(metafunc):
    """A test that has a rig is run once for each engine, or for the one that its mark names."""
    if "engine" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("engine")
    if mark is not None:
        assert mark.args[0] in rigs.ENGINES and mark.kwargs["reason"], metafunc.definition.nodeid
    engines = [mark.args[0]] if mark else rigs.ENGINES
    metafunc.parametrize("engine", engines, indirect=True, scope="module")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What sluiced said stands below a failure."""
    outcome = yield
    report = outcome.get_result()
    for fixture in ("sluice", "own_sluice"):
        daemon = item.funcargs.get(fixture) if hasattr(item, "funcargs") else None
        if report.failed and daemon is not None and os.path.exists(daemon.log_path):
            report.sections.append(("sluiced", "".join(daemon.log().splitlines(True)[-40:])))


@pytest.fixture(scope="module")
def engine(request):
    """The engine that the rig is for: "xdp" or "dpdk"."""
    return request.param


@pytest.fixture(scope="module")
def make_rig(engine):
    """make_rig(arms=…, narrow=…) makes a rig that goes with the module's last test."""
    made = []

    def make(**options):
        name = f"{RUN}-{len(made)}"
        made.append(rigs.Rig(name, engine=engine, **options).up())
        return made[-1]

    yield make
    for one in made:
        one.down()


@pytest.fixture(scope="module")
def rig(make_rig):
    return make_rig()


@pytest.fixture(scope="module")
def module_sluice(rig):
    return Sluice(rig).start()


@pytest.fixture
def sluice(module_sluice):
    """sluiced in the module's rig; must be there still when the test ends."""
    if module_sluice.process is None or module_sluice.process.poll() is not None:
        module_sluice.start()
    yield module_sluice
    process = module_sluice.process
    assert process is None or process.poll() is None, "sluiced died"
