"""Forged and hostile reviews, sent to kinglet-manager's webhooks by somebody who only reaches their port.

The manager reads from the API server of a `kinglet up`, with all rights. Every secret of the tests holds MARKER, so an
answer, an error or a log line that has it gives a secret away.
"""

import base64
import contextlib
import functools
import http.client
import json
import pathlib
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import pytest
from conftest import BIN, ROOT, Standalone, wait_for

sys.path.insert(0, str(ROOT / "test/apiserver"))
from cluster import Api, Process, free_ports  # noqa: E402

BOUNDARY = "webhook"
MARKER = "marker-of-a-secret"
VICTIM = "victim"
SECRETS = {
    "hf": {"HF_TOKEN": MARKER},
    "https": {"https-host": "models.example.com", "headers": json.dumps({"Authorization": MARKER})},
    "https-host": {"https-host": f"user:{MARKER}@models.example.com", "headers": "{}"},
    "s3": {"AWS_ACCESS_KEY_ID": MARKER, "AWS_SECRET_ACCESS_KEY": MARKER},
    "gcs": {"gcloud-application-credentials.json": MARKER},
    "azure": {"AZURE_CLIENT_ID": MARKER, "AZURE_CLIENT_SECRET": MARKER, "AZURE_TENANT_ID": MARKER},
    "azure-key": {"AZURE_STORAGE_ACCESS_KEY": MARKER},
    "hdfs": {"HDFS_NAMENODE": MARKER, "KERBEROS_KEYTAB": MARKER},
    "other": {"password": MARKER},
}
ENTRIES = {
    "default": json.dumps({"type": "s3", "bucket": "b", "access_key_id": MARKER, "secret_access_key": MARKER}),
    "text": f"not JSON: {MARKER}",
    "list": json.dumps([MARKER]),
    "numbers": json.dumps({"type": 5, "secret_access_key": MARKER}),
    "untyped": json.dumps({"secret_access_key": MARKER}),
}
LABELS = {"serving.kserve.io/inferenceservice": "iris"}
URI = "internal.serving.kserve.io/storage-initializer-sourceuri"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def issue(self, common_name, usage, names=""):
        """(certificate, key) files for a common name."""
        stem = self.folder / f"{self.name}-{common_name}-{usage}"
        cert, key, request, extensions = (pathlib.Path(f"{stem}.{end}") for end in ("crt", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}",
                "-keyout", key, "-out", request)
        extensions.write_text(f"extendedKeyUsage={usage}\n" + (f"subjectAltName={names}\n" if names else ""))
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", cert)
        return cert, key


@functools.cache
def client_context(cert):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if cert:
        tls.load_cert_chain(*cert)
    return tls


class Manager:
    """kinglet-manager with webhooks only."""

    def __init__(self, folder, kubeconfig, *flags):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.kubeconfig, self.flags = kubeconfig, flags
        self.port, self.health, self.metrics = free_ports(3)
        self.process = None

    def start(self, ready=True):
        command = [BIN / "kinglet-manager", "--kubeconfig", self.kubeconfig, "--controllers=none", "--webhooks",
                   f"--webhook-port={self.port}", f"--health-probe-addr=127.0.0.1:{self.health}",
                   f"--metrics-addr=127.0.0.1:{self.metrics}", "--zap-log-level=debug", *self.flags]
        self.process = Process(command, self.folder / "log", {"POD_NAMESPACE": "kserve"})
        if ready:
            wait_for(lambda: self.get(self.health, "/readyz") == 200 or self.ended(), 30, "the manager")
            assert not self.ended(), self.process.output()[-2000:]
        return self

    def ended(self):
        return self.process.child.poll() is not None

    @staticmethod
    def get(port, path, timeout=5):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def memory_peak(self):
        status = pathlib.Path(f"/proc/{self.process.child.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def connect(self, cert=None):
        return client_context(cert).wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=20))

    def post(self, path, body, cert=None):
        """(status, text) of a POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(self.connect(cert)) as connection.sock:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def review(self, path, request, cert=None):
        """The response to an AdmissionReview, and its patch as text."""
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        status, text = self.post(path, json.dumps(review), cert)
        assert status == 200, text
        response = json.loads(text)["response"]
        return response, base64.b64decode(response.get("patch", "")).decode()


@pytest.fixture(scope="module")
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-webhook-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def server(folder):
    """A Kubernetes API with the victim's secrets."""
    standalone = Standalone(folder / "up").start("--workloads=false")
    api = Api(standalone.kubeconfig)
    api.ensure_namespace(VICTIM)
    for name, values in [*SECRETS.items(), ("storage-config", ENTRIES)]:
        api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}, VICTIM)
        api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
                   "secrets": [{"name": name}]}, VICTIM)
    api.ensure_namespace("attacker")
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, "attacker")
    api.apply({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": {"name": MARKER},
               "spec": {"protocolVersions": ["v1"], "supportedModelFormats": [
                   {"name": "f", "version": "1", "autoSelect": True, "priority": 1}],
                   "containers": [{"name": "kserve-container", "image": "i"}]}}, VICTIM)
    yield standalone
    standalone.stop()


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def cert_dir(folder, authority):
    cert, key = authority.issue("webhook", "serverAuth", "IP:127.0.0.1")
    path = folder / "certs"
    path.mkdir()
    shutil.copy(cert, path / "tls.crt")
    shutil.copy(key, path / "tls.key")
    return path


@pytest.fixture
def start(folder, server, cert_dir):
    """Starts managers that end with the test."""
    started = []

    def run(*flags, kubeconfig=server.kubeconfig, ready=True):
        started.append(Manager(folder, kubeconfig, f"--webhook-cert-dir={cert_dir}", *flags))
        return started[-1].start(ready)

    yield run
    for manager in started:
        manager.process.kill()


@pytest.fixture(scope="module")
def manager(folder, server, cert_dir):
    """One manager for all attacks that leave it as it is."""
    running = Manager(folder, server.kubeconfig, f"--webhook-cert-dir={cert_dir}").start()
    yield running
    running.process.kill()


def pod_request(annotations=None, account="default", **members):
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "p", "labels": LABELS, "annotations": {URI: "s3://b/m", **(annotations or {})}},
           "spec": {"serviceAccountName": account, "containers": [{"name": "kserve-container"}]}}
    return {"uid": "u", "operation": "CREATE", "namespace": VICTIM, "name": "p",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": pod, **members}


# What a review can make the manager tell.


@pytest.mark.parametrize("kind", SECRETS)
def test_a_forged_review_does_not_get_the_secrets_of_a_service_account(manager, kind):
    response, patch = manager.review("/mutate-pods", pod_request(account=kind))
    assert MARKER not in patch and MARKER not in json.dumps(response)
    if kind not in ("other", "https-host"):
        assert response["allowed"] and f'"{kind}"' in patch  # a reference, which is what pods need


@pytest.mark.parametrize("kind", SECRETS)
def test_a_forged_review_does_not_get_a_secret_that_it_names(manager, kind):
    request = pod_request({"serving.kserve.io/storageSecretName": kind, "internal.serving.kserve.io/logger": "true"})
    response, patch = manager.review("/mutate-pods", request)
    assert MARKER not in patch and MARKER not in json.dumps(response)


@pytest.mark.parametrize("key", ENTRIES)
def test_a_forged_review_does_not_get_an_entry_of_the_storage_secret(manager, key):
    request = pod_request({URI: "<scheme-placeholder>://m", "internal.serving.kserve.io/storage-spec": "true",
                           "internal.serving.kserve.io/storage-spec-key": key})
    response, patch = manager.review("/mutate-pods", request)
    assert MARKER not in patch and MARKER not in json.dumps(response)


@pytest.mark.parametrize("named, claimed", [(VICTIM, "attacker"), ("attacker", VICTIM), ("", VICTIM), ("", "")])
def test_a_review_for_one_namespace_about_a_pod_of_another_is_refused(manager, named, claimed):
    request = pod_request({"serving.kserve.io/storageSecretName": "hf"}, namespace=named)
    request["object"]["metadata"]["namespace"] = claimed
    response, patch = manager.review("/mutate-pods", request)
    assert not response["allowed"] and response["status"]["code"] == 400 and not patch


@pytest.mark.parametrize("namespace", [f"../{VICTIM}", f"x/../../namespaces/{VICTIM}", f"{VICTIM}/secrets", f"{VICTIM}?",
                                       VICTIM.upper(), ["victim"], None])
def test_a_namespace_that_is_none_is_refused(manager, namespace):
    response, patch = manager.review("/mutate-pods", pod_request(account="hf", namespace=namespace))
    assert not response["allowed"] and not patch


@pytest.mark.parametrize("name", ["../hf", f"../../{VICTIM}/secrets/hf", "hf?x=1", "hf/", "hf%2f"])
def test_the_name_of_a_secret_is_no_path(manager, name):
    request = pod_request({"serving.kserve.io/storageSecretName": name}, namespace="attacker")
    response, patch = manager.review("/mutate-pods", request)
    assert not response["allowed"] and MARKER not in json.dumps(response) + patch


@pytest.mark.parametrize("members", [
    {"operation": "UPDATE"}, {"operation": "DELETE"}, {"operation": "CONNECT"}, {"subResource": "exec"},
    {"kind": {"group": "", "version": "v1", "kind": "Secret"}},
    {"resource": {"group": "", "version": "v1", "resource": "secrets"}},
    {"resource": {"group": "example.com", "version": "v1", "resource": "pods"}},
], ids=lambda members: json.dumps(members)[:40])
def test_a_review_that_is_not_the_creation_of_a_pod_is_refused(manager, members):
    response, patch = manager.review("/mutate-pods", pod_request(account="hf", **members))
    assert not response["allowed"] and not patch


def test_a_review_does_not_tell_of_runtimes_of_another_namespace(manager):
    runtime = {"metadata": {"name": "mine", "namespace": VICTIM},
               "spec": {"protocolVersions": ["v1"], "supportedModelFormats": [
                   {"name": "f", "version": "1", "autoSelect": True, "priority": 1}]}}
    response, _ = manager.review("/validate-serving-kserve-io-v1alpha1-servingruntime", {
        "uid": "u", "operation": "CREATE", "namespace": "attacker", "object": runtime,
        "kind": {"group": "serving.kserve.io", "version": "v1alpha1", "kind": "ServingRuntime"},
        "resource": {"group": "serving.kserve.io", "version": "v1alpha1", "resource": "servingruntimes"}})
    assert not response["allowed"] and MARKER not in json.dumps(response)


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"request": {}}', '{"apiVersion": "v1", "kind": "Pod", "request": {"uid": "u"}}',
                                  '{"apiVersion": "admission.k8s.io/v2", "kind": "AdmissionReview", "request": {"uid": "u"}}',
                                  '{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}'])
def test_what_is_no_review_is_refused(manager, body):
    assert manager.post("/mutate-pods", body)[0] == 400


@pytest.mark.parametrize("path", ["/", "/mutate-pods/", "/mutate-pods/..", "//mutate-pods", "/metrics", "/debug/pprof/"])
def test_no_other_path_answers(manager, path):
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": pod_request(account="hf")}
    status, text = manager.post(path, json.dumps(review))
    assert status == 404 and MARKER not in text


def test_the_log_and_the_metrics_have_no_secrets(manager):
    for kind in SECRETS:
        manager.review("/mutate-pods", pod_request(account=kind))
    connection = http.client.HTTPConnection("127.0.0.1", manager.metrics, timeout=5)
    connection.request("GET", "/metrics")
    assert MARKER not in connection.getresponse().read().decode()
    assert MARKER not in manager.process.output()


# What a client can make the manager spend.


def test_a_review_of_more_than_7_mib_is_refused(manager):
    assert manager.post("/mutate-pods", " " * (8 << 20))[0] == 413


def test_deep_json_is_refused(manager):
    assert manager.post("/mutate-pods", "[" * 1_000_000)[0] in (400, 413)
    assert manager.review("/mutate-pods", pod_request())[0]["allowed"]


def test_json_of_many_small_values_does_not_fill_the_memory(start):
    manager = start()
    before = manager.memory_peak()
    for body in ("[" + "[]," * (2 << 20) + "[]]", "[" + ",".join(['{"":{}}'] * (700 << 10)) + "]"):
        assert manager.post("/mutate-pods", body)[0] == 413
    assert manager.memory_peak() - before < 64 << 20


def calls(manager):
    """How many requests the manager has sent to the API server."""
    connection = http.client.HTTPConnection("127.0.0.1", manager.metrics, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("rest_client_requests_total"))


def test_a_group_that_is_named_again_and_again_costs_no_more_calls(manager, server):
    api = Api(server.kubeconfig)
    api.apply({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "LocalModelNodeGroup", "metadata": {"name": "group"},
               "spec": {"storageLimit": "1Gi", "persistentVolumeSpec": {"hostPath": {"path": "/models"}},
                        "persistentVolumeClaimSpec": {"accessModes": ["ReadWriteMany"]}}})
    cache = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "LocalModelNamespaceCache", "metadata": {"name": "c"},
             "spec": {"sourceModelUri": "s3://b/m", "modelSize": "1Mi", "nodeGroups": ["group"] * 5000}}
    before = calls(manager)
    response, _ = manager.review("/validate-localmodelnamespacecaches", {
        "uid": "u", "operation": "CREATE", "namespace": "attacker", "name": "c", "object": cache,
        "kind": {"group": "serving.kserve.io", "version": "v1alpha1", "kind": "LocalModelNamespaceCache"},
        "resource": {"group": "serving.kserve.io", "version": "v1alpha1", "resource": "localmodelnamespacecaches"}})
    assert response["allowed"], response
    assert calls(manager) - before < 20


@pytest.mark.parametrize("names", [["other"] * 5000, [f"s{i}" for i in range(5000)]], ids=["repeated", "distinct"])
def test_an_account_with_many_secrets_costs_few_calls(manager, server, names):
    api = Api(server.kubeconfig)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "many"},
               "secrets": [{"name": name} for name in names]}
    for name in {*names[:100]} - {"other"}:
        api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "b"}}, VICTIM)
    api.apply(account, VICTIM)
    before = calls(manager)
    manager.review("/mutate-pods", pod_request(account="many"))
    assert calls(manager) - before < 80


def test_bodies_that_wait_do_not_fill_the_memory(start):
    manager = start()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(manager.connect()) for _ in range(8)]
        for s in sockets:
            s.sendall(b"POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Length: 6291456\r\n\r\n")
            with contextlib.suppress(OSError):
                s.sendall(b" " * (5 << 20))
        refused = 0
        for s in sockets:
            s.settimeout(0.5)
            with contextlib.suppress(OSError):
                refused += s.recv(64).startswith(b"HTTP/1.1 503")
        assert refused >= 1
    assert manager.review("/mutate-pods", pod_request())[0]["allowed"]


def test_slow_clients_are_cut_off(manager):
    """One that says nothing, one in the middle of the head, and two that send a byte now and then."""
    silent = socket.create_connection(("127.0.0.1", manager.port))
    slow = [manager.connect() for _ in range(3)]
    slow[0].sendall(b"POST /mutate-pods HTTP/1.1\r\nHo")
    slow[1].sendall(b"POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    slow[2].sendall(b"POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    open_ones = {silent, *slow}

    def all_cut():
        for s in list(open_ones):
            try:
                if s in slow[1:]:
                    s.sendall(b" ")
                s.settimeout(0.05)
                if not s.recv(4096):
                    open_ones.discard(s)
            except (TimeoutError, ssl.SSLWantReadError):
                pass
            except OSError:
                open_ones.discard(s)
        return not open_ones

    wait_for(all_cut, 20, "slow clients to be cut off")
    assert manager.get(manager.health, "/healthz") == 200


def test_idle_connections_are_limited_and_do_not_silence_the_probes(start):
    manager = start()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("too few file descriptors to open many connections")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    try:
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(socket.create_connection(("127.0.0.1", manager.port))) for _ in range(1500)]
            assert manager.get(manager.health, "/healthz") == 200 and manager.get(manager.metrics, "/metrics") == 200
            refused = 0
            for s in many[-400:]:
                s.settimeout(0.05)
                try:
                    refused += not s.recv(1)
                except TimeoutError:
                    pass
                except OSError:
                    refused += 1
                if refused > 10:
                    break
            assert refused > 10
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_for(lambda: with_room(manager), 10, "room for a review")


def with_room(manager):
    with contextlib.suppress(OSError):
        return manager.review("/mutate-pods", pod_request())[0]["allowed"]
    return False


def test_reviews_that_wait_for_the_api_server_do_not_silence_the_probes(start, server, folder):
    """An API server that never answers, and more reviews than may wait."""
    with contextlib.ExitStack() as stack:
        stuck = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
        text = server.kubeconfig.read_text()
        address = [line.split("server:")[1].strip() for line in text.splitlines() if "server:" in line][0]
        kubeconfig = folder / "stuck.kubeconfig"
        kubeconfig.write_text(text.replace(address, f"https://127.0.0.1:{stuck.getsockname()[1]}"))
        manager = start(kubeconfig=kubeconfig)
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": pod_request()})
        head = f"POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        sockets = []
        for _ in range(290):
            sockets.append(stack.enter_context(manager.connect()))
            sockets[-1].sendall((head + body).encode())

        def busy():
            for s in sockets[-20:]:
                s.settimeout(0.02)
                with contextlib.suppress(OSError):
                    if s.recv(64).startswith(b"HTTP/1.1 503"):
                        return True
            return False

        wait_for(busy, 10, "the manager to say that it is busy")
        began = time.monotonic()
        assert manager.get(manager.health, "/healthz") == 200 and manager.get(manager.metrics, "/metrics") == 200
        assert time.monotonic() - began < 5


# Who may connect.


def refuses(manager, cert=None):
    try:
        manager.review("/mutate-pods", pod_request(), cert)
    except (OSError, http.client.HTTPException):
        return True
    return False


def test_with_an_authority_only_its_clients_are_served(start, folder, authority):
    manager = start(f"--webhook-client-ca-file={authority.cert}")
    assert not refuses(manager, authority.issue("api-server", "clientAuth"))
    assert refuses(manager)
    assert refuses(manager, Authority(folder, "stranger").issue("api-server", "clientAuth"))
    assert refuses(manager, authority.issue("server", "serverAuth"))  # a certificate of another purpose
    assert manager.get(manager.health, "/healthz") == 200


def test_with_names_other_clients_of_the_authority_are_refused(start, authority):
    manager = start(f"--webhook-client-ca-file={authority.cert}", "--webhook-client-name=api-server",
                    "--webhook-client-name=api.example.com")
    assert not refuses(manager, authority.issue("api-server", "clientAuth"))
    assert not refuses(manager, authority.issue("other", "clientAuth", "DNS:api.example.com"))
    assert refuses(manager, authority.issue("kubelet", "clientAuth"))
    assert refuses(manager, authority.issue("api-server.evil", "clientAuth", "DNS:*.example.com"))


def test_without_the_file_of_the_authority_nothing_is_served(start, folder):
    manager = start(f"--webhook-client-ca-file={folder / 'missing.crt'}", ready=False)
    wait_for(lambda: "missing.crt" in manager.process.output() or manager.ended(), 10, "the reason in the log")
    assert not manager.ended() and manager.get(manager.health, "/readyz") == 503
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", manager.port), timeout=5)


def test_webhooks_on_one_address_are_not_reached_at_another(folder, server, cert_dir):
    manager = Manager(folder, server.kubeconfig, f"--webhook-cert-dir={cert_dir}")
    port, manager.port = manager.port, f"127.0.0.1:{manager.port}"
    manager.start()
    try:
        manager.port = port
        assert manager.review("/mutate-pods", pod_request())[0]["allowed"]
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
    finally:
        manager.process.kill()


@pytest.mark.parametrize("address", ["65536", "-1", "host:", "::1:9443", "127.0.0.1:x", "http://127.0.0.1:9443"])
def test_an_address_that_is_none_is_not_guessed(folder, server, cert_dir, address):
    manager = Manager(folder, server.kubeconfig, f"--webhook-cert-dir={cert_dir}")
    manager.port = address
    manager.start(ready=False)
    wait_for(manager.ended, 10, "the manager to end")
    assert "is not an address" in manager.process.output()


# What the manager calls.


def test_a_review_makes_nobody_call_a_url(manager):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        graph = {"metadata": {"name": "g"}, "spec": {"nodes": {"root": {"routerType": "Sequence", "steps": [
            {"name": "s", "serviceUrl": url}]}}}}
        isvc = {"metadata": {"name": "i"}, "spec": {"predictor": {"logger": {"mode": "all", "url": url}, "model": {
            "modelFormat": {"name": "sklearn"}, "storageUri": url + "m.tar"}}}}
        for kind, version, o in (("InferenceGraph", "v1alpha1", graph), ("InferenceService", "v1beta1", isvc)):
            response, _ = manager.review(f"/validate-serving-kserve-io-{version}-{kind.lower()}", {
                "uid": "u", "operation": "CREATE", "namespace": "attacker", "object": o,
                "kind": {"group": "serving.kserve.io", "version": version, "kind": kind},
                "resource": {"group": "serving.kserve.io", "version": version, "resource": f"{kind.lower()}s"}})
            assert response["allowed"], response
        manager.review("/mutate-pods", pod_request({URI: url, "internal.serving.kserve.io/logger": "true",
                                                    "internal.serving.kserve.io/logger-sink-url": url}))
        trap.settimeout(0.2)
        with pytest.raises(TimeoutError):
            trap.accept()
