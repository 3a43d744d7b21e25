"""Whoever reaches the API server of standalone mode, with the token or without: it must not be stopped, filled up or
kept from answering. Each attack ends with the health of the server."""

import base64
import json
import socket
import ssl
import threading

import pytest
import requests
from conftest import ROOT, wait_for

BOUNDARY = "network"


class Api:
    def __init__(self, standalone):
        self.standalone = standalone
        self.url = standalone.state()["api"]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.session = requests.Session()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.ca = str(standalone.data / "pki" / "ca.crt")
        self.session.headers["Authorization"] = "Bearer " + (standalone.data / "pki" / "token").read_text()

    def call(self, method, path, body=None, content_type="application/json", **options):
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        return self.session.request(method, self.url + path, data=data, timeout=30, verify=self.ca,
                                    headers={"Content-Type": content_type}, **options)

    def connect(self):
        return self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 10))

    def metric(self, name):
        text = requests.get(self.standalone.state()["metrics"], timeout=20).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def healthy(self):
        answer = requests.get(self.url + "/readyz", verify=self.ca, timeout=20)
        assert answer.status_code == 200
        assert self.call("GET", "/api/v1/namespaces/default").status_code == 200


@pytest.fixture(scope="module")
def api(standalone):
    return Api(standalone)


@pytest.fixture(autouse=True)
def alive(api):
    yield
    api.healthy()


def config_map(name, size):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "a" * size}}


MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize("token", [None, "Bearer ", "Basic eDp5", "Bearer " + "0" * 48, "Bearer " + "0" * 60_000],
                         ids=["none", "empty", "basic", "wrong", "long"])
@pytest.mark.parametrize("method,path", [("GET", "/api/v1/secrets"), ("POST", MAPS),
                                         ("GET", "/api/v1/pods?watch=true")], ids=["get", "post", "watch"])
def test_without_the_token_there_is_nothing(api, token, method, path):
    answer = requests.request(method, api.url + path, verify=api.ca, timeout=20,
                              headers={"Authorization": token} if token is not None else {})
    assert answer.status_code == 401


def test_without_the_token_there_is_no_connection_to_keep(api):
    with api.connect() as peer:
        peer.sendall(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while piece := peer.recv(65536):  # to the end of the stream
            answer += piece
        assert answer.startswith(b"HTTP/1.1 401 ") and b"Connection: close" in answer


def test_without_the_token_no_body_is_read(api):
    with api.connect() as peer:
        peer.sendall(b"POST " + MAPS.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n" + b"a" * 65536)
        assert peer.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_body_over_the_limit_is_refused(api):
    answer = api.call("POST", MAPS, b" " * (3 << 20) + b"{}")
    assert answer.status_code == 413


def test_a_chunked_body_over_the_limit_is_refused(api):
    with api.connect() as peer:
        peer.sendall(f"POST {MAPS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {api.session.headers['Authorization']}\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n".encode())
        answer = b""
        try:
            for _ in range(64):
                peer.sendall(b"20000\r\n" + b"a" * 0x20000 + b"\r\n")
        except OSError:
            pass
        answer = peer.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_object_over_the_limit_is_refused(api):
    before = api.metric('apiserver_request_total{code="413"}')
    answer = api.call("POST", MAPS, config_map("large", 2 << 20))
    assert answer.status_code == 413 and answer.json()["reason"] == "RequestEntityTooLarge", answer.text[:300]
    assert api.metric('apiserver_request_total{code="413"}') > before


def test_an_object_does_not_grow_over_the_limit_by_patches(api):
    assert api.call("POST", MAPS, config_map("growing", 1 << 20)).status_code == 201
    try:
        answer = api.call("PATCH", MAPS + "/growing", {"data": {"y": "b" * (1 << 20)}}, "application/merge-patch+json")
        assert answer.status_code == 413
        assert "y" not in api.call("GET", MAPS + "/growing").json()["data"]
    finally:
        api.call("DELETE", MAPS + "/growing")


def test_a_patch_that_doubles_a_value_again_and_again_is_refused(api):
    assert api.call("POST", MAPS, config_map("doubled", 1000)).status_code == 201
    try:
        patch = [{"op": "copy", "from": "/metadata", "path": f"/metadata/x{i}"} for i in range(64)]
        answer = api.call("PATCH", MAPS + "/doubled", patch, "application/json-patch+json")
        assert 400 <= answer.status_code < 500
    finally:
        api.call("DELETE", MAPS + "/doubled")


def deep_protobuf(levels):
    inner = b""
    for _ in range(levels):
        size, length = len(inner), b""
        while True:
            length += bytes([size & 0x7f | (0x80 if size > 0x7f else 0)])
            size >>= 7
            if not size:
                break
        inner = b"\x0a" + length + inner
    return b"k8s\x00" + inner


@pytest.mark.parametrize("content_type,body", [
    ("application/json", b"[" * 1_000_000), ("application/json", b'{"a":' * 400_000),
    ("application/json", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"annotations":' + b'{"a":' * 300_000),
    ("application/yaml", b"[" * 100_000), ("application/yaml", b"- " * 100_000), ("application/yaml", b"{a: " * 50_000),
    ("application/yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((98 + i, 98 + i) + (97 + i,) * 9) for i in range(20))),
    ("application/vnd.kubernetes.protobuf", deep_protobuf(20_000)),
    ("application/vnd.kubernetes.protobuf", b"k8s\x00" + b"\xff" * 1_000_000)],
    ids=["json-array", "json-object", "json-map", "yaml-flow", "yaml-block", "yaml-map", "yaml-aliases", "protobuf",
         "protobuf-lengths"])
def test_a_nested_body_is_refused(api, content_type, body):
    assert api.call("POST", MAPS, body, content_type).status_code in (400, 415)


@pytest.mark.parametrize("query", ["labelSelector=" + ",".join(f"k{i}!=v" for i in range(5000)),
                                   "labelSelector=k in (" + ",".join(f"v{i}" for i in range(8000)) + ")",
                                   "fieldSelector=" + ",".join(f"metadata.name!=v{i}" for i in range(2500))],
                         ids=["labels", "set", "fields"])
@pytest.mark.parametrize("method,watch", [("GET", ""), ("GET", "watch=true&"), ("DELETE", "")])
def test_a_huge_selector_is_refused(api, method, watch, query):
    answer = api.call(method, f"{MAPS}?{watch}{query}")
    assert answer.status_code == 413 and answer.json()["reason"] == "RequestEntityTooLarge"


@pytest.mark.parametrize("token", ["x", "A" * 50_000, base64.b64encode(b"[" * 30_000).decode(),
                                   base64.b64encode(b'{"v":"kinglet/v1","rv":-9223372036854775808}').decode(),
                                   base64.b64encode(b'{"v":"kinglet/v1","rv":9e99,"ns":{},"name":[]}').decode()],
                         ids=["short", "long", "deep", "lowest", "types"])
def test_a_continue_token_of_somebodys_own_is_refused(api, token):
    assert api.call("GET", f"{MAPS}?limit=1&continue={token}").status_code in (400, 410, 200)


@pytest.mark.parametrize("query", ["timeoutSeconds=99999999999999999999", "resourceVersion=99999999999999999999&watch=true",
                                   "limit=99999999999999999999", "limit=-1", "resourceVersion=x&watch=true"])
def test_numbers_out_of_range_are_refused_or_ignored(api, query):
    assert api.call("GET", f"{MAPS}?{query}").status_code in (200, 400, 504)


def test_a_head_over_the_limit_is_refused(api):
    with api.connect() as peer:
        peer.sendall(b"GET /api HTTP/1.1\r\nHost: localhost\r\nX: ")
        try:
            for _ in range(8):
                peer.sendall(b"a" * 65536)
        except OSError:
            pass
        assert peer.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_more_watches_than_there_may_be_are_refused(api):
    request = (f"GET {MAPS}?watch=true HTTP/1.1\r\nHost: localhost\r\n"
               f"Authorization: {api.session.headers['Authorization']}\r\n\r\n").encode()
    peers, refused = [], 0
    try:
        while not refused and len(peers) < 1200:
            peers.append(api.connect())
            peers[-1].sendall(request)
            refused = peers[-1].recv(65536).startswith(b"HTTP/1.1 429 ")
        assert refused and len(peers) > 500
        api.healthy()
    finally:
        for peer in peers:
            peer.close()
    wait_for(lambda: api.metric('apiserver_longrunning_requests{verb="WATCH"}') < 500, 20, "the watches to end")


def test_more_log_streams_than_there_may_be_are_refused(api):
    manifest = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "logged", "namespace": "default"},
                "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"},
                                                 "storageUri": f"file://{ROOT}/config/samples/sklearn/iris"}}}}
    api.standalone.cli("apply", "-f", "-", input=json.dumps(manifest))
    api.standalone.wait_ready("logged")
    pod = next(pod["metadata"]["name"] for pod in api.call("GET", "/api/v1/namespaces/default/pods").json()["items"]
               if pod["metadata"]["name"].startswith("logged"))
    request = (f"GET /api/v1/namespaces/default/pods/{pod}/log?follow=true&container=kserve-container HTTP/1.1\r\n"
               f"Host: localhost\r\nAuthorization: {api.session.headers['Authorization']}\r\n\r\n").encode()
    peers, refused = [], 0
    try:
        while not refused and len(peers) < 100:
            peers.append(api.connect())
            peers[-1].sendall(request)
            refused = peers[-1].recv(65536).startswith(b"HTTP/1.1 429 ")
        assert refused and len(peers) > 32
        api.healthy()
    finally:
        for peer in peers:
            peer.close()
        api.standalone.cli("delete", "isvc", "logged")


def test_slow_and_silent_clients_do_not_keep_the_others_out(api):
    peers = [socket.create_connection(("127.0.0.1", api.port), 10) for _ in range(300)]  # no handshake
    try:
        for peer in peers[:100]:
            peer.sendall(b"\x16\x03\x01")  # half a handshake
        slow = [api.connect() for _ in range(20)]
        for peer in slow:
            peer.sendall(b"GET /api HTTP/1.1\r\nHo")
        api.healthy()
        peers += slow
    finally:
        for peer in peers:
            peer.close()


def test_a_client_that_does_not_read_costs_bounded_memory(api):
    for i in range(8):
        assert api.call("POST", MAPS, config_map(f"big{i}", 1 << 20)).status_code == 201
    peers = []
    try:
        before = api.metric("process_resident_memory_bytes")
        for _ in range(12):
            peers.append(api.connect())
            peers[-1].sendall((f"GET {MAPS} HTTP/1.1\r\nHost: localhost\r\n"
                               f"Authorization: {api.session.headers['Authorization']}\r\n\r\n" * 20).encode())
        api.healthy()
        assert api.metric("process_resident_memory_bytes") - before < 600 << 20
    finally:
        for peer in peers:
            peer.close()
        for i in range(8):
            api.call("DELETE", f"{MAPS}/big{i}")


def test_the_store_does_not_grow_without_end(api):
    """Objects are refused at the limit; reads and deletes go on, and space comes back."""
    body = json.dumps(config_map("NAME", 1400 << 10))
    refusals = []

    def fill(worker):
        for i in range(60):
            if refusals:
                return
            answer = api.call("POST", MAPS, body.replace("NAME", f"fill-{worker}-{i}"))
            if answer.status_code != 201:
                refusals.append(answer)

    workers = [threading.Thread(target=fill, args=[worker]) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    try:
        assert refusals and {answer.status_code for answer in refusals} == {429}
        assert all("full" in answer.json()["message"] for answer in refusals)
        assert api.metric("apiserver_store_bytes") <= 256 << 20
        api.healthy()
    finally:
        answer = api.call("DELETE", MAPS)
    assert answer.status_code == 200
    assert api.call("POST", MAPS, config_map("after", 10)).status_code == 201
    api.call("DELETE", MAPS + "/after")


def test_many_connections_at_once_leave_the_server_well(api):
    answers = []

    def hammer():
        for _ in range(50):
            with api.connect() as peer:
                peer.sendall(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answers.append(peer.recv(65536).split()[1])

    threads = [threading.Thread(target=hammer) for _ in range(20)]
    for thread in threads:
        thread.start()
    api.healthy()
    for thread in threads:
        thread.join()
    assert answers == [b"401"] * 1000


def test_the_token_is_not_accepted_in_a_url(api):
    token = api.session.headers["Authorization"].split()[1]
    for query in (f"access_token={token}", f"token={token}"):
        assert requests.get(f"{api.url}/api/v1/secrets?{query}", verify=api.ca, timeout=20).status_code == 401
