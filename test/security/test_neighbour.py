"""A neighbour on the network: floods, slow clients and requests that two parsers might read differently, against the
model server, the gateway, the probes of the manager and the API server. Each attack ends with another client's request."""

import contextlib
import json
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import pytest
from conftest import BIN, ROOT, Standalone, wait_for

sys.path.insert(0, str(ROOT / "test/apiserver"))
from cluster import Process, free_ports  # noqa: E402

BOUNDARY = "network"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def connect(port, timeout=20):
    return socket.create_connection(("127.0.0.1", port), timeout)


def ask(port, request, timeout=20):
    """Everything that is answered to these bytes until the connection ends."""
    with connect(port, timeout) as peer:
        peer.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := peer.recv(65536):
                answer += piece
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a kinglet-server with one event loop."""
    port, = free_ports(1)
    process = Process([BIN / "kinglet-server", "--model_dir", ROOT / "config/samples/sklearn/iris", "--model_name=m",
                       f"--http_port={port}", "--workers=1", "--enable_access_log=false"],
                      tmp_path_factory.mktemp("server") / "log", {})
    wait_for(lambda: "serving HTTP" in process.output(), 20, "the model server")
    yield port
    process.kill()


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    """The ports of a kinglet-manager's probes and metrics."""
    folder = tmp_path_factory.mktemp("manager")
    api, health, metrics = free_ports(3)
    (folder / "kubeconfig").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {"token": "x"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))
    process = Process([BIN / "kinglet-manager", "--kubeconfig", folder / "kubeconfig", "--controllers=none",
                       f"--health-probe-addr=127.0.0.1:{health}", f"--metrics-addr=127.0.0.1:{metrics}"],
                      folder / "log", {})

    def serving():
        with contextlib.suppress(OSError):
            return ask(health, GET).startswith(b"HTTP/1.1 200 ") and ask(metrics, GET)

    wait_for(serving, 20, "the manager")
    yield {"health": health, "metrics": metrics}
    process.kill()


# In processes of its own, so that it never pauses: what is sent at first, what again and again.
FLOOD = """
import contextlib, socket, sys, threading
port, first, again = int(sys.argv[1]), eval(sys.argv[2]), eval(sys.argv[3])
def read(peer):
    with contextlib.suppress(OSError):
        while peer.recv(1 << 20):
            pass
while True:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as peer:
        threading.Thread(target=read, args=[peer], daemon=True).start()
        peer.sendall(first)
        print("sends", flush=True)
        while True:
            peer.sendall(again)
"""
PREDICT = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {"pieces of a byte": (PREDICT, 'b"1\\r\\na\\r\\n" * 100_000'),
          "pipelined requests": (b"", 'b"GET /v2/health/live HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" * 4000'),
          "after a malformed request": (b"GET\r\n\r\n", 'b"a" * (1 << 20)')}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_client_that_never_pauses_keeps_the_others_waiting(server, flood):
    first, again = FLOODS[flood]
    sender = subprocess.Popen([sys.executable, "-c", FLOOD, str(server), repr(first), again], stdout=subprocess.PIPE)
    try:
        assert sender.stdout.readline() == b"sends\n"
        for _ in range(100):
            assert b"alive" in ask(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 4)
    finally:
        sender.kill()
        sender.wait()


HELD = {"silent": b"", "half a head": b"GET /healthz HTTP/1.1\r\nHo", "kept": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "a body that nobody wants": b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"}


@pytest.mark.parametrize("which", ["health", "metrics"])
@pytest.mark.parametrize("held", HELD)
def test_connections_that_are_held_silence_the_managers_probes(manager, which, held):
    with contextlib.ExitStack() as stack:
        for _ in range(160):
            stack.enter_context(connect(manager[which])).sendall(HELD[held])
        for _ in range(5):
            assert ask(manager[which], GET).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 "))


@pytest.fixture(scope="module")
def gateway(standalone):
    return int(standalone.state()["gateway"].rsplit(":", 1)[1])


@pytest.mark.parametrize("request_line,host", [
    ("CONNECT xx/v2/repository/models/m/unload HTTP/1.1", "localhost"),
    ("CONNECT localhost:80 HTTP/1.1", "localhost:80"),
    ("GET http://allowed.example/ HTTP/1.1", "localhost"),
    ("GET http://localhost/ HTTP/1.1", "a.default.svc"),
    ("GET http://user@localhost/ HTTP/1.1", "localhost"),
    ("GET http:///serving/default/a/ HTTP/1.1", "localhost"),
    ("GET http://allowed.example?http://localhost/ HTTP/1.1", "localhost")])
def test_a_target_that_two_parsers_read_differently_is_routed(gateway, request_line, host):
    answer = ask(gateway, f"{request_line}\r\nHost: {host}\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"501"), answer


@pytest.mark.parametrize("path", ["/v2/%72epository/models/%zz/load", "/v2/%72epository/%", "/v2/%2572epository/x%7"])
def test_a_malformed_escape_hides_the_repository_from_the_gateway(gateway, standalone, path):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hidden", "namespace": "default"},
               "spec": {"ports": [{"port": 80}]}}
    standalone.cli("apply", "-f", "-", input=json.dumps(service))
    request = f"POST {path} HTTP/1.1\r\nHost: hidden.default.svc\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def answer():
        got = ask(gateway, request.encode())
        return got if not got.startswith(b"HTTP/1.1 404 ") and b"not a name of this server" not in got else None

    assert wait_for(answer, 20, "the route").startswith(b"HTTP/1.1 403 ")


# ctypes, since Python's ssl has no key updates.
KEY_UPDATES = """
import ctypes, ctypes.util, socket, sys
ssl = ctypes.CDLL(ctypes.util.find_library("ssl") or "libssl.so.3")
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(ssl, name).restype = ctypes.c_void_p
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
session = ctypes.c_void_p(ssl.SSL_new(ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))))
assert ssl.SSL_set_fd(session, peer.fileno()) == 1 and ssl.SSL_connect(session) == 1
for i in range(20_000):
    if ssl.SSL_key_update(session, 0) != 1 or ssl.SSL_do_handshake(session) != 1:
        sys.exit("cut off")
"""


def test_key_updates_without_end_keep_the_api_server_busy(standalone):
    port = int(standalone.state()["api"].rsplit(":", 1)[1])
    flood = subprocess.run([sys.executable, "-c", KEY_UPDATES, str(port)], capture_output=True, text=True, timeout=60)
    assert flood.stderr == "cut off\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connect(port)) as peer:
        peer.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 200 ")


ROWS = json.dumps({"instances": [[6.8, 2.8, 4.8, 1.4]]})
SLOW = "POST /serving/default/slow/v1/models/slow:predict HTTP/1.1\r\nHost: localhost\r\n"
BODIES = {"chunked": "Transfer-Encoding: chunked\r\n\r\n1\r\n", "short": "Content-Length: 50000\r\n\r\n1",
          "long": "Content-Length: 500000\r\n\r\n1"}


@pytest.fixture(scope="module")
def poor():
    """A `kinglet up` with few descriptors, and a service in it."""
    folder = tempfile.mkdtemp(prefix="kinglet-attack-")
    standalone = Standalone(folder)
    limit = (1024, 1024)
    try:
        standalone.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
        standalone.cli("apply", "-f", "-", input=json.dumps({
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": "slow", "namespace": "default"},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"},
                                             "storageUri": f"file://{ROOT}/config/samples/sklearn/iris"}}}}))
        standalone.wait_ready("slow")
        yield standalone
    finally:
        standalone.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_do_not_come_use_up_the_descriptors(poor, body):
    port = int(poor.state()["gateway"].rsplit(":", 1)[1])
    request = f"{SLOW}Connection: close\r\nContent-Length: {len(ROWS)}\r\n\r\n{ROWS}".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            peer = stack.enter_context(connect(port))
            with contextlib.suppress(OSError):
                peer.sendall((SLOW + BODIES[body]).encode())

        def answered():
            with contextlib.suppress(OSError):
                return b"predictions" in ask(port, request, 5)

        wait_for(answered, 20, "a prediction")
        poor.cli("get", "pods", timeout=20)


def test_connections_to_a_pod_use_up_the_descriptors(poor):
    pods = json.loads(poor.cli("get", "pods", "-o", "json").stdout)["items"]
    address = (pods[0]["status"]["podIP"], 8080)
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_connection(address, 10))
        poor.cli("get", "pods", timeout=20)
        with socket.create_connection(address, 10) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in peer.recv(65536)
