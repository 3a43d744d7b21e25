"""The storage initializer behind a proxy, with a private certificate authority, and where an address that a
user gives may lead."""

import datetime
import http.server
import ipaddress
import json
import pathlib
import select
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request

import pytest

from storage_server import FaultyStore
from test_storage import INITIALIZER, run, visible

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

MODEL = {"m/a.bin": b"a" * 3_000_000, "m/deep/b": b"b"}
SEEN = {"a.bin": MODEL["m/a.bin"], "deep/b": b"b"}
ANONYMOUS = {"awsAnonymousCredential": "true", "REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": ""}


class Proxy:
    """An HTTP proxy: CONNECT, and requests with absolute URLs. Every name leads to this machine."""

    def __init__(self):
        self.tunnels, self.requests, self.fields = [], [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_CONNECT(self):
                outer.tunnels.append(self.path)
                outer.fields.append(self.headers.get("Proxy-Authorization"))
                with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as to:
                    self.send_response(200)
                    self.end_headers()
                    ends = [self.connection, to]
                    while True:
                        for end in select.select(ends, [], [])[0]:
                            data = end.recv(65536)
                            if not data:
                                self.close_connection = True
                                return
                            ends[1 - ends.index(end)].sendall(data)

            def do_GET(self):
                outer.requests.append(self.path)
                _, _, rest = self.path.partition("://")
                authority, _, path = rest.partition("/")
                port = authority.rpartition(":")[2]
                fields = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy")}
                asked = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", headers=fields)
                direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with direct.open(asked) as answer:
                    body = answer.read()
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *arguments):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def proxy():
    made = Proxy()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate of an authority that nobody knows, for 127.0.0.1 and store.example: (SSLContext, file)."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("store.example")]
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256()))
    folder = tmp_path_factory.mktemp("authority")
    file = folder / "cabundle.crt"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, folder / "key")
    return context, file


@pytest.fixture
def secure(authority):
    store = FaultyStore(MODEL, tls=authority[0])
    yield store
    store.close()


@pytest.fixture
def plain():
    store = FaultyStore(MODEL)
    yield store
    store.close()


def brings(to, env, **options):
    result = run("s3://bucket/m", to, "--chunk-mib", 1, "--timeout", "20s", env={**ANONYMOUS, **env}, **options)
    return result.returncode == 0 and visible(to) == SEEN, result.stderr.strip().splitlines()[-1]


def test_certificate_authorities(secure, authority, tmp_path):
    """Everything that KServe's webhook and its storage secret may say of them."""
    file = str(authority[1])
    base = {"AWS_ENDPOINT_URL": secure.endpoint}
    mounted = {"CA_BUNDLE_CONFIGMAP_NAME": "global-ca-bundle", "CA_BUNDLE_VOLUME_MOUNT_POINT": str(authority[1].parent)}

    def spec(**fields):
        return {"STORAGE_CONFIG": json.dumps({"type": "s3", "endpoint_url": secure.endpoint, **fields})}

    good = {
        "AWS_CA_BUNDLE": {**base, "AWS_CA_BUNDLE": file},
        "the mounted configmap": {**base, **mounted},
        "the isvc's own beside the mounted": {**base, **mounted, "CA_BUNDLE_VOLUME_MOUNT_POINT": "/nowhere",
                                               "AWS_CA_BUNDLE": file},
        "S3_VERIFY_SSL": {**base, "S3_VERIFY_SSL": "0"},
        "not verified, with a bundle that is missing": {**base, **mounted, "S3_VERIFY_SSL": "False",
                                                        "CA_BUNDLE_VOLUME_MOUNT_POINT": "/nowhere"},
        "REQUESTS_CA_BUNDLE": {**base, "REQUESTS_CA_BUNDLE": file},
        "SSL_CERT_FILE": {**base, "SSL_CERT_FILE": file},
        "the secret's ca_bundle": spec(ca_bundle=file),
        "the secret's verify_ssl": spec(verify_ssl="false"),
        "the secret's, overridden": {**spec(verify_ssl="1"), "STORAGE_OVERRIDE_CONFIG": json.dumps({"verify_ssl": "0"})},
    }
    for number, (case, env) in enumerate(good.items()):
        whole, last = brings(tmp_path / str(number), env)
        assert whole, (case, last)
    for words, env in (
        ("certificate", base),
        ("certificate", {**base, "S3_VERIFY_SSL": "1"}),
        ("certificate", spec(verify_ssl="true")),
        ("Failed to find ca bundle file(/nowhere/cabundle.crt).",
         {**base, **mounted, "CA_BUNDLE_VOLUME_MOUNT_POINT": "/nowhere"}),
        ("Failed to find ca bundle file(/nowhere.crt).", {**base, **mounted, "AWS_CA_BUNDLE": "/nowhere.crt"}),
    ):
        whole, last = brings(tmp_path / "bad", env)
        assert not whole and words in last, last
        assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_through_a_proxy(name, secure, authority, proxy, tmp_path):
    env = {"AWS_ENDPOINT_URL": f"https://store.example:{secure.port}", "AWS_CA_BUNDLE": str(authority[1]),
           name: f"http://user:word@{proxy.address}"}
    whole, last = brings(tmp_path / "m", env)
    assert whole, last
    assert set(proxy.tunnels) == {f"store.example:{secure.port}"}
    assert set(proxy.fields) == {"Basic dXNlcjp3b3Jk"}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_http_through_a_proxy(name, plain, proxy, tmp_path):
    env = {"AWS_ENDPOINT_URL": f"http://store.example:{plain.port}", name: f"http://{proxy.address}"}
    whole, last = brings(tmp_path / "m", env)
    assert whole, last
    assert len(proxy.requests) >= 5 and not proxy.tunnels


@pytest.mark.parametrize("listed", ["127.0.0.1", "127.0.0.0/8", "other.example,127.0.0.1", "*"])
def test_no_proxy(listed, plain, proxy, tmp_path):
    for name in ("NO_PROXY", "no_proxy"):
        env = {"AWS_ENDPOINT_URL": plain.endpoint, "HTTP_PROXY": f"http://{proxy.address}", name: listed}
        whole, last = brings(tmp_path / name, env)
        assert whole and not proxy.requests, last


def test_a_proxy_that_is_not_there(plain, tmp_path):
    env = {"AWS_ENDPOINT_URL": "http://store.example", "HTTP_PROXY": "http://127.0.0.1:9"}
    whole, last = brings(tmp_path / "m", env)
    assert not whole and not (tmp_path / "m").exists() and "127.0.0.1" in last


# Runs in namespaces of its own, where this machine has an address of the public Internet and its own list of
# names: a server at that address redirects to loopback, and a name changes its address between two requests.
INSIDE = """
import http.server, json, os, pathlib, subprocess, sys, threading
initializer, folder = sys.argv[1], pathlib.Path(sys.argv[2])
PUBLIC, CONTENT = "8.8.4.4", b"x" * 3_000_000
for command in ("ip link set lo up", f"ip address add {PUBLIC}/32 dev lo",
                f"mount --bind {folder}/hosts /etc/hosts"):
    subprocess.run(command.split(), check=True)
private, public = [], []

def server(address, answer, seen):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass
        def do_GET(self):
            seen.append(self.path)
            answer(self)
    made = http.server.ThreadingHTTPServer((address, 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made.server_port

def whole(handler):
    first, last = map(int, handler.headers["Range"][6:].split("-")) if "Range" in handler.headers else (0, len(CONTENT) - 1)
    body = CONTENT[first:last + 1]
    handler.send_response(206)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("ETag", '"1"')
    handler.send_header("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)

secret = server("127.0.0.1", whole, private)

def outside(handler):
    if handler.path == "/redirected":
        handler.send_response(302)
        handler.send_header("Location", f"http://127.0.0.1:{secret}/secret")
        handler.end_headers()
    elif handler.path == "/named":
        handler.send_response(302)
        handler.send_header("Location", f"http://inside.example:{secret}/secret")
        handler.end_headers()
    else:
        whole(handler)
        if handler.path == "/rebound":  # from now on the name leads elsewhere
            (folder / "hosts").write_text("127.0.0.1 outside.example\\n")

port = server(PUBLIC, outside, public)
answers = {}
for name in ("fine", "redirected", "named", "rebound"):
    (folder / "hosts").write_text(f"{PUBLIC} outside.example\\n127.0.0.1 inside.example\\n")
    for policy in ("public", "any"):
        if policy == "any" and name == "rebound":
            continue
        private.clear()
        made = subprocess.run(
            [initializer, f"http://outside.example:{port}/{name}", folder / f"{name}-{policy}", "--chunk-mib", "1",
             "--timeout", "5s"], env={"STORAGE_HTTP_ADDRESSES": policy}, capture_output=True, text=True)
        answers[f"{name} {policy}"] = [made.returncode, made.stderr.strip().splitlines()[-1], len(private)]
print(json.dumps(answers))
"""


def test_where_addresses_lead(tmp_path):
    """With STORAGE_HTTP_ADDRESSES=public, neither a redirect nor a name that changes its address leads inside."""
    (tmp_path / "hosts").write_text("")
    made = subprocess.run(
        ["unshare", "--net", "--mount", sys.executable, "-c", INSIDE, str(INITIALIZER), str(tmp_path)],
        capture_output=True, text=True, timeout=120)
    if made.returncode != 0 and "unshare" in made.stderr:
        pytest.skip("no namespaces can be made here")
    assert made.returncode == 0, made.stderr
    answers = json.loads(made.stdout)
    assert answers["fine public"][0] == 0, answers
    for name in ("redirected", "named"):
        code, last, asked = answers[f"{name} public"]
        assert code == 1 and "not allowed" in last and asked == 0, answers
        assert answers[f"{name} any"][0] == 0 and answers[f"{name} any"][2] > 0, answers
    code, last, asked = answers["rebound public"]
    assert asked == 0 and (code == 0 or "not allowed" in last), answers
    assert not pathlib.Path(tmp_path / "redirected-public").exists()
