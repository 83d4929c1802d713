# SPDX-License-Identifier: BSD-3-Clause
"""Many targets in one task: its nginx answers on every port."""
import rig as rigs
from sluice import STANDARD_CHECKS

FIRST_PORT, LAST_PORT = 10000, 65535


def answer_everywhere(rig, task):
    """Make nginx of a task answer on FIRST_PORT to LAST_PORT, too: health checks ask there."""
    rig.exec(task.name, "nft", "-f", "-", text_input=f"""
table ip crowd {{
	chain pre {{
		type nat hook prerouting priority dstnat;
		tcp dport {FIRST_PORT}-{LAST_PORT} redirect to :{rigs.HTTP_PORT}
	}}
}}
""")


def targets(task, ports):
    return [{"Id": task.v4, "Port": port} for port in ports]


def service(sluice, name, attributes=None):
    """One for a crowd. Checked as is standard, each target on its own port every 30 s: the tests'
    five a second would be 50,000 for 10,000 targets."""
    return sluice.service(name, [], check={"HealthCheckPort": "traffic-port"},
                          attributes={**STANDARD_CHECKS, **(attributes or {})})


def wait_healthy(service, count, timeout_s=60):
    """Wait until so many targets of a service are healthy, and none is anything else."""
    def states():
        answer = service.sluice.rpc("DescribeTargetHealth", TargetGroupArn=service.tg_arn)
        return [entry["TargetHealth"]["State"] for entry in answer["TargetHealthDescriptions"]]

    rigs.wait_until(lambda: [state for state in states() if state != "draining"]
                    == ["healthy"] * count, f"{count} healthy targets", timeout_s)
