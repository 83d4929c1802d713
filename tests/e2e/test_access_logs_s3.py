# SPDX-License-Identifier: BSD-3-Clause
"""Access logs while S3 is in trouble: whatever happens, each flow arrives, and arrives once."""
import concurrent.futures
import os
import re
import signal

import pytest

import rig as rigs
from access_logs import ACCOUNT, REGION, Bucket, check_exactly_once, http_flows
from s3 import Ceph, Swift
from sluice import ApiError, Sluice

pytestmark = pytest.mark.engine("xdp", reason="what comes behind the flow records is the same")

PORTS = {Swift: 8080, Ceph: 8090}
TLS_PORT = 8443
TLS_PROXY = """
daemon off;
master_process off;
user root;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ }}
http {{
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	server {{
		listen 127.0.0.1:{port} ssl;
		ssl_certificate {dir}/right.pem;
		ssl_certificate_key {dir}/right.key;
		location / {{
			proxy_pass {behind};
			proxy_set_header Host $http_host;
		}}
	}}
}}
"""
EXPIRATION_DAYS = 30


@pytest.fixture(scope="module")
def servers(rig):
    """Both, started side by side."""
    made = [kind(rig, "lb", port) for kind, port in PORTS.items()]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return {server.name: server for server in pool.map(lambda one: one.start(), made)}


@pytest.fixture(scope="module")
def module_sluice(rig):
    return Sluice(rig)  # started by the tests, with a server


@pytest.fixture
def start(module_sluice, servers):
    """start(server name, settings of S3): sluiced with that server."""
    def start_with(name, **settings):
        server = servers[name]
        server.write_credentials(server.credentials_file)
        module_sluice.stop()
        module_sluice.config["access_logs"].update(
            server.settings(**settings), interval_seconds=1,
            lb_access_logs_expiration_days=EXPIRATION_DAYS)
        return module_sluice.start(), server
    yield start_with
    module_sluice.stop()


@pytest.fixture
def own_sluice(module_sluice):
    return module_sluice


def new_bucket(server, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-60:].strip("-")
    server.make_bucket(name)
    return Bucket(server, name)


def wait_for_failure(sluice, text):
    """Uploads fail, and say why."""
    rigs.wait_until(lambda: text in sluice.rpc("DescribeAccessLogs").get("LastError", ""),
                    f"an upload fails with {text}", 60, every_s=0.1)


both = pytest.mark.parametrize("name", ["swift", "ceph"])


@both
def test_a_bucket_that_is_not_there_refuses_the_attributes(rig, start, own_sluice, name):
    sluice, server = start(name)
    with sluice.service("refused", rig.tasks) as service:
        with pytest.raises(ApiError) as error:
            Bucket(server, "nowhere").enable(service)
        assert error.value.code == "InvalidConfigurationRequest"
        assert error.value.message == ("Access Denied for bucket: nowhere. "
                                       "Please check S3bucket permission")
        attributes = sluice.rpc("DescribeLoadBalancerAttributes", LoadBalancerArn=service.lb_arn)
        assert {"Key": "access_logs.s3.bucket", "Value": ""} in attributes["Attributes"]


def test_a_wrong_secret_refuses_and_a_right_one_is_noticed(rig, start, own_sluice, request):
    sluice, server = start("swift")
    bucket = new_bucket(server, request)
    with sluice.service("secret", rig.tasks) as service:
        server.write_credentials(server.credentials_file, secret_key="wrong")
        with pytest.raises(ApiError, match="Access Denied for bucket"):
            bucket.enable(service)
        server.write_credentials(server.credentials_file)
        bucket.enable(service)
        # and once more, with files under way
        flows = http_flows(rig, service, 10)
        bucket.lines_with(flows)
        server.write_credentials(server.credentials_file, secret_key="wrong")
        sluice.restart()
        flows += http_flows(rig, service, 10)
        wait_for_failure(sluice, "HTTP 403 SignatureDoesNotMatch")
        server.write_credentials(server.credentials_file)
        check_exactly_once(bucket.lines_with(flows), flows)


def test_credentials_are_rotated(rig, start, own_sluice, request):
    """The server refuses the old ones from one moment to the next."""
    sluice, server = start("ceph")
    bucket = new_bucket(server, request)
    with sluice.service("rotated", rig.tasks) as service:
        bucket.enable(service)
        flows = http_flows(rig, service, 10)
        bucket.lines_with(flows)
        server.rotate("another/secret")
        flows += http_flows(rig, service, 10)
        wait_for_failure(sluice, "HTTP 403")
        server.write_credentials(server.credentials_file)
        check_exactly_once(bucket.lines_with(flows), flows)


@both
def test_a_bucket_that_goes_and_comes_back(rig, start, own_sluice, request, name):
    sluice, server = start(name)
    bucket = new_bucket(server, request)
    with sluice.service("missing", rig.tasks) as service:
        bucket.enable(service)
        for key in server.objects(bucket.name):
            server.call("delete_object", Bucket=bucket.name, Key=key)
        server.call("delete_bucket", Bucket=bucket.name)
        flows = http_flows(rig, service, 10)
        wait_for_failure(sluice, "HTTP 404 NoSuchBucket")
        server.make_bucket(bucket.name)
        check_exactly_once(bucket.lines_with(flows), flows)


@pytest.mark.parametrize("name, part", [("swift", "proxy"), ("ceph", "radosgw")])
def test_a_server_is_killed_and_back(rig, start, own_sluice, request, name, part):
    sluice, server = start(name)
    bucket = new_bucket(server, request)
    with sluice.service("killed", rig.tasks) as service:
        bucket.enable(service)
        server.kill(part)
        flows = http_flows(rig, service, 10)
        wait_for_failure(sluice, "connect to")
        flows += http_flows(rig, service, 10)
        rig.kill_process("lb", "sluice-logs")
        flows += http_flows(rig, service, 10)
        server.launch_part(part)
        check_exactly_once(bucket.lines_with(flows), flows)


@pytest.mark.parametrize("name, part", [("swift", "object"), ("ceph", "osd")])
def test_a_server_loses_its_storage_for_a_while(rig, start, own_sluice, request, name, part):
    """Frozen: the front is there, and answers late or with 503. Ours are killed meanwhile."""
    sluice, server = start(name)
    bucket = new_bucket(server, request)
    with sluice.service("frozen", rig.tasks) as service:
        bucket.enable(service)
        server.signal(part, signal.SIGSTOP)
        try:
            flows = http_flows(rig, service, 10)
            rigs.wait_until(lambda: sluice.rpc("DescribeAccessLogs")["UploadFailures"] > 0,
                            "an upload fails", 60, every_s=0.1)
            # neither the control socket nor the packet path waits for it
            flows += http_flows(rig, service, 10)
            sluice.rpc("DescribeLoadBalancers")
            rig.kill_process("lb", "sluice-logs")
            flows += http_flows(rig, service, 10)
            sluice.kill9()
            sluice.start()
            flows += http_flows(rig, service, 10)
        finally:
            server.signal(part, signal.SIGCONT)
        check_exactly_once(bucket.lines_with(flows), flows)


def test_a_server_asks_to_slow_down(rig, start, own_sluice, request):
    """Ceph takes two requests at once here, and there are buckets for more."""
    sluice, server = start("ceph")
    buckets = [Bucket(server, f"slow-down-{i}") for i in range(6)]
    services = [sluice.service(f"slow{i}", rig.tasks, port=8100 + i, target_port=80)
                for i in range(6)]
    try:
        for bucket, service in zip(buckets, services):
            server.make_bucket(bucket.name)
            bucket.enable(service)
        flows = {}

        def was_slowed():
            for service in services:
                flows.setdefault(service, []).extend(http_flows(rig, service, 3))
            return "SlowDown" in sluice.rpc("DescribeAccessLogs").get("LastError", "")

        rigs.wait_until(was_slowed, "the server says SlowDown", 60, every_s=0.1)
        for bucket, service in zip(buckets, services):
            check_exactly_once(bucket.lines_with(flows[service]), flows[service])
    finally:
        for service in services:
            service.delete()


def test_a_wrong_clock_is_told(rig, start, own_sluice, request):
    sluice, server = start("swift")
    bucket = new_bucket(server, request)
    with sluice.service("skewed", rig.tasks) as service:
        bucket.enable(service)
        server.kill("proxy")
        server.launch_part("proxy", clock="+1h")
        rigs.wait_until(server.answers, "the proxy answers", 60)
        flows = http_flows(rig, service, 10)
        wait_for_failure(sluice, "RequestTimeTooSkewed")
        error = sluice.rpc("DescribeAccessLogs")["LastError"]
        seconds = int(re.search(r"the server's clock is \+(\d+) s from ours", error).group(1))
        assert 3500 < seconds < 3700
        server.kill("proxy")
        server.launch_part("proxy")
        check_exactly_once(bucket.lines_with(flows), flows)


@both
def test_a_large_file_goes_in_parts(rig, start, own_sluice, request, name):
    """Behind what a sluice-logs that was killed has left of the same key."""
    sluice, server = start(name, part_mib=5)
    bucket = new_bucket(server, request)
    with sluice.service("large", rig.tasks) as service:
        bucket.enable(service)
        front = {"swift": "proxy", "ceph": "radosgw"}[name]
        server.kill(front)
        http_flows(rig, service, 50)
        wait_for_failure(sluice, "connect to")
        sluice.stop()
        # members of gzip files are files themselves: the same lines many times over
        (path,) = [os.path.join(parent, file)
                   for parent, _, files in os.walk(sluice.spool_dir) for file in files
                   if re.match(r"\d{8}\.", file) and ".large." in file][:1]
        with open(path, "rb") as file:
            content = file.read()
        copies = (11 << 20) // len(content) + 1
        with open(path, "ab") as file:
            for _ in range(copies - 1):
                file.write(content)
        server.launch_part(front)
        rigs.wait_until(server.answers, "the server answers", 60)
        year, month, day, name = re.fullmatch(r"(\d{4})(\d\d)(\d\d)\.(.*)",
                                              os.path.basename(path)).groups()
        key = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{year}/{month}/{day}/{name}"
        server.call("create_multipart_upload", Bucket=bucket.name, Key=key)
        sluice.start()
        rigs.wait_until(lambda: key in server.objects(bucket.name), "the object", 60, every_s=0.2)
        assert "-3" in server.call("head_object", Bucket=bucket.name, Key=key)["ETag"]
        assert not server.call("list_multipart_uploads", Bucket=bucket.name).get("Uploads")
        assert server.read(bucket.name, key) == content * copies


def test_https_is_used_with_the_ca_of_the_config(rig, start, own_sluice, request):
    """nginx with a certificate in front of Swift."""
    _, server = start("swift")
    bucket = new_bucket(server, request)
    directory = os.path.join(server.dir, "tls")
    os.makedirs(directory)
    for name in ("right", "wrong"):
        rigs.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-subj", "/CN=s3", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.pem")
    with open(f"{directory}/nginx.conf", "w", encoding="ascii") as file:
        file.write(TLS_PROXY.format(dir=directory, port=TLS_PORT, behind=server.endpoint))
    server.spawn("tls", "nginx", "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf")
    rigs.wait_until(lambda: rig.listens("lb", "tcp", TLS_PORT), "nginx listens")
    endpoint = f"https://127.0.0.1:{TLS_PORT}"
    sluice, _ = start("swift", endpoint=endpoint, ca_file=f"{directory}/wrong.pem")
    with sluice.service("secure", rig.tasks) as service:
        with pytest.raises(ApiError, match="SSL certificate problem") as error:
            bucket.enable(service)
        assert error.value.code == "ServiceUnavailable"
        start("swift", endpoint=endpoint, ca_file=f"{directory}/right.pem")
        bucket.enable(service)
        flows = http_flows(rig, service, 10)
        check_exactly_once(bucket.lines_with(flows), flows)
    server.kill("tls")


def test_old_logs_are_expired_where_the_server_can(rig, start, own_sluice, request):
    sluice, server = start("ceph")
    bucket = new_bucket(server, request)
    theirs = {"ID": "theirs", "Filter": {"Prefix": "other/"}, "Status": "Enabled",
              "Expiration": {"Days": 7}}
    server.call("put_bucket_lifecycle_configuration", Bucket=bucket.name,
                LifecycleConfiguration={"Rules": [theirs]})
    with sluice.service("expired", rig.tasks) as service:
        bucket.enable(service)

        def rules():
            return server.call("get_bucket_lifecycle_configuration", Bucket=bucket.name)["Rules"]

        rigs.wait_until(lambda: len(rules()) == 2, "a lifecycle rule", 60, every_s=0.2)
        assert [rule for rule in rules() if rule["ID"] == "theirs"] == [theirs]
        (ours,) = [rule for rule in rules() if rule["ID"] != "theirs"]
        assert ours["Expiration"] == {"Days": EXPIRATION_DAYS} and ours["Status"] == "Enabled"
        assert ours["Filter"]["Prefix"].startswith("AWSLogs/")


def test_a_server_without_expiration_is_warned_of(rig, start, own_sluice, request):
    sluice, server = start("swift")
    bucket = new_bucket(server, request)
    with sluice.service("kept", rig.tasks) as service:
        bucket.enable(service)
        rigs.wait_until(lambda: f"logs below s3://{bucket.name}/AWSLogs/" in sluice.log()
                        and f"will not be deleted after {EXPIRATION_DAYS} days" in sluice.log(),
                        "a warning", 60, every_s=0.1)
