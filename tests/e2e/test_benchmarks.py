# SPDX-License-Identifier: BSD-3-Clause
"""Every benchmark still measures what it says: each checks itself. No figure is asserted."""
import json
import os
import subprocess
import sys

import pytest

import rig as rigs

BENCH = os.path.join(rigs.ROOT, "bench")
sys.path.append(BENCH)

import results  # noqa: E402
import suite  # noqa: E402

TIMEOUT_S = 180


def run_quick(name):
    environment = {**os.environ, "SLUICE_BUILD": rigs.BUILD}
    try:
        return subprocess.run([sys.executable, "-B", os.path.join(BENCH, "suite.py"), "--quick",
                               name], env=environment, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=TIMEOUT_S, check=False)
    finally:  # what one that was killed left
        rigs.sweep_dead("sluice-bench")


@pytest.mark.parametrize("name", suite.NAMES)
def test_a_benchmark_runs_and_is_reported(name, monkeypatch):
    done = run_quick(name)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.setenv(results.QUICK, "1")
    document = results.read(name)
    assert document["results"] and document["quick"]
    assert all(r["runs"] >= 1 and r["min"] <= r["median"] <= r["max"]
               for r in document["results"])
    page = (results.directory("report") / "index.html").read_text(encoding="utf-8")
    assert f"<h2>{name}</h2>" in page


def test_a_comparison_prints_ratios(tmp_path):
    document = {"bench": "b", "results": [{"case": "c", "metric": "m", "median": 2.0}]}
    old = tmp_path / "old.json"
    old.write_text(json.dumps(document), encoding="utf-8")
    loaded = suite.load(str(old))
    assert suite.medians(loaded) == {("b", "c", "m"): 2.0}
    with pytest.raises(SystemExit, match="not a results file"):
        suite.load(os.path.join(rigs.ROOT, "README.md"))
