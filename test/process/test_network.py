"""Names and connections inside pods are those of a cluster, in both ways of isolation."""

import http.server
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.request

import pytest

from conftest import IRIS_V1, Standalone, kubectls, wait_for

# A transformer as people write them: listens on all addresses at 8080, calls the predictor by its
# cluster name at port 80, and adds a mark so that a test sees who answered.
TRANSFORMER = r"""
import http.server, json, sys, urllib.request

predictor = sys.argv[sys.argv.index("--predictor_host") + 1]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, b"{}")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = urllib.request.Request(f"http://{predictor}{self.path}", body,
                                         {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=10))
        answer["through"] = predictor
        self.answer(200, json.dumps(answer).encode())

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


@pytest.fixture(params=["namespaces", "host"])
def cluster(request):
    folder = tempfile.mkdtemp(prefix="kinglet-network-")
    server = Standalone(folder)
    try:
        server.start("--isolation", request.param)
    except AssertionError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if request.param == "namespaces" and "namespace" in str(error):
            pytest.skip("the kernel allows no namespaces")
        raise
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def kubectl(cluster, *args):
    return subprocess.run([kubectls()[0][1], *args], env=cluster.env(), text=True, check=True,
                          capture_output=True).stdout


def apply(cluster, tmp_path, *objects):
    file = tmp_path / "objects.json"
    file.write_text("\n---\n".join(json.dumps(each) for each in objects))
    cluster.cli("apply", "-f", str(file))


def test_a_transformer_calls_its_predictor_by_its_cluster_name(cluster, iris_manifest, tmp_path):
    manifest = iris_manifest("iris")
    manifest["spec"]["transformer"] = {"containers": [{
        "name": "kserve-container",
        "image": "kinglet/server",
        "command": ["/usr/bin/python3", "-c", TRANSFORMER],
        "args": ["--predictor_host", "iris-predictor.default"],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }]}
    apply(cluster, tmp_path, manifest)
    isvc = cluster.wait_ready("iris")
    request = urllib.request.Request(isvc["status"]["url"] + "/v1/models/iris:predict",
                                     json.dumps(IRIS_V1).encode(), {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request, timeout=20))
    assert answer == {"predictions": [1, 1], "through": "iris-predictor.default"}


def test_a_pod_reaches_the_world_outside(cluster, tmp_path):
    """By an address of this machine that is not a loopback one, which a pod's network does not have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    outside = http.server.ThreadingHTTPServer((address, 0), Handler)
    threading.Thread(target=outside.serve_forever, daemon=True).start()
    try:
        url = f"http://{address}:{outside.server_port}/"
        apply(cluster, tmp_path, {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fetch", "namespace": "default"},
            "spec": {"restartPolicy": "Never", "containers": [{
                "name": "main", "image": "kinglet/server",
                "command": ["/usr/bin/python3", "-c",
                            f"import urllib.request; print(urllib.request.urlopen('{url}', timeout=10).read())"]}]}})
        wait_for(lambda: kubectl(cluster, "get", "pod", "fetch", "-o", "jsonpath={.status.phase}")
                 in ("Succeeded", "Failed"), 30, "the pod to end")
        assert kubectl(cluster, "logs", "fetch").strip() == "b'hello'"
    finally:
        outside.shutdown()
