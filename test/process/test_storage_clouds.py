"""The storage initializer against the emulators of Google Cloud Storage (fake-gcs-server) and Azure Blob
Storage (Azurite), and against git-like hubs and registries that the test itself is. tools/setup/emulators.sh
installs the emulators; without them these tests are skipped."""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest

from conftest import CACHE, wait_for
from test_storage import INITIALIZER, run, visible

EMULATORS = pathlib.Path(os.environ.get("KINGLET_EMULATORS", CACHE / "emulators"))
FAKE_GCS = EMULATORS / "bin/fake-gcs-server"
AZURITE = EMULATORS / "azurite/node_modules/.bin/azurite-blob"

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

BIG = random.Random(7).randbytes(5_000_000)
OBJECTS = {
    "m/model.bin": BIG,
    "m/deep/b c+d%.txt": b"two",
    "m/empty": b"",
    "m-sibling/x": b"no",
    "single": b"alone",
    "single-sibling": b"no",
}
MODEL = {"model.bin": BIG, "deep/b c+d%.txt": b"two", "empty": b""}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command, port, **options):
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    def up():
        assert process.poll() is None, f"{command[0]} ended"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_for(up, 90, what=str(command[0]))
    return process


def call(method, url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    return urllib.request.urlopen(request, timeout=30).read()


@pytest.fixture(scope="module")
def gcs():
    if not FAKE_GCS.exists():
        pytest.skip("no fake-gcs-server")
    port = free_port()
    process = started(
        [FAKE_GCS, "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory",
         "-public-host", f"127.0.0.1:{port}"], port)
    base = f"http://127.0.0.1:{port}"
    try:
        call("POST", f"{base}/storage/v1/b", json.dumps({"name": "models"}).encode(),
             {"Content-Type": "application/json"})
        for name, content in OBJECTS.items():
            quoted = urllib.parse.quote(name, safe="")
            call("POST", f"{base}/upload/storage/v1/b/models/o?uploadType=media&name={quoted}", content,
                 {"Content-Type": "application/octet-stream"})
        yield base
    finally:
        process.kill()
        process.wait()


def test_gcs(gcs, tmp_path):
    env = {"STORAGE_EMULATOR_HOST": gcs}
    result = run("gs://models/m", tmp_path / "a", "--chunk-mib", 1, env=env)
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "a") == MODEL
    # A single object comes alone, without its name-siblings.
    assert run("gs://models/single", tmp_path / "b", env=env).returncode == 0
    assert visible(tmp_path / "b") == {"single": b"alone"}
    result = run("gs://models/sing", tmp_path / "c", env=env)
    assert result.returncode == 1
    assert result.stderr.strip().endswith("Failed to fetch model. No model found in gs://models/sing.")
    assert run("gs://none/x", tmp_path / "c", env=env).returncode == 1


ACCOUNT = "devstoreaccount1"
# The key of every Azurite, as its documentation gives it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def azure_put(base, path, query, content, headers):
    """One signed request, written apart from the initializer's own signing."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {**headers, "x-ms-date": now, "x-ms-version": "2021-12-02"}
    headers.setdefault("Content-Type", "application/octet-stream")  # or urllib adds its own
    own = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()) if k.startswith("x-ms-"))
    length = str(len(content)) if content else ""
    target = urllib.parse.quote(f"/{ACCOUNT}/{path}")
    text = "PUT\n\n\n" + length + "\n\n" + headers.get("Content-Type", "") + "\n" * 7 + own
    text += f"/{ACCOUNT}{target}" + "".join(f"\n{k}:{v}" for k, v in sorted(query.items()))
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = base + target + ("?" + urllib.parse.urlencode(query) if query else "")
    call("PUT", url, content, headers)


@pytest.fixture(scope="module")
def azurite():
    if not AZURITE.exists() or not shutil.which("node"):
        pytest.skip("no Azurite")
    port = free_port()
    process = started(
        ["node", AZURITE, "--blobPort", port, "--inMemoryPersistence", "--silent",
         "--skipApiVersionCheck", "--disableTelemetry"], port)
    base = f"http://127.0.0.1:{port}"
    try:
        for container, headers in (("models", {}), ("open", {"x-ms-blob-public-access": "container"})):
            azure_put(base, container, {"restype": "container"}, b"", headers)
            for name, content in OBJECTS.items():
                azure_put(base, f"{container}/{name}", {}, content,
                          {"x-ms-blob-type": "BlockBlob"})
        yield f"BlobEndpoint={base}/{ACCOUNT};AccountName={ACCOUNT}"
    finally:
        process.kill()
        process.wait()


def test_azure(azurite, tmp_path):
    uri = f"https://{ACCOUNT}.blob.core.windows.net/models/"
    key = {"AZURE_STORAGE_CONNECTION_STRING": azurite, "AZURE_STORAGE_ACCESS_KEY": KEY}
    result = run(uri + "m/", tmp_path / "a", "--chunk-mib", 1, env=key)
    assert result.returncode == 0, result.stderr
    # KServe cuts slashes off the prefix, so name-siblings come too.
    assert visible(tmp_path / "a") == {**MODEL, "-sibling/x": b"no"}
    assert run(uri + "single", tmp_path / "b", env=key).returncode == 0
    assert visible(tmp_path / "b") == {"single": b"alone"}
    result = run(uri + "none", tmp_path / "c", env=key)
    assert result.returncode == 1
    assert result.stderr.strip().endswith(f"Failed to fetch model. No model found in {uri}none.")
    anonymous = {"AZURE_STORAGE_CONNECTION_STRING": azurite}
    result = run(uri + "m", tmp_path / "c", env=anonymous)
    assert result.returncode == 1 and "asked anonymously" in result.stderr
    public = f"https://{ACCOUNT}.blob.core.windows.net/open/m/deep"
    result = run(public, tmp_path / "d", env=anonymous)
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "d") == {"b c+d%.txt": b"two"}
    wrong = {**key, "AZURE_STORAGE_ACCESS_KEY": base64.b64encode(b"wrong").decode()}
    result = run(uri + "m", tmp_path / "e", env=wrong)
    assert result.returncode == 1 and "403" in result.stderr


class GitServer:
    """git's own http-backend behind Python's server; asks for a password when it has one."""

    def __init__(self, root):
        self.password = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def answer(self):
                wanted = outer.password and "Basic " + base64.b64encode(outer.password).decode()
                if wanted and self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                env = {
                    **os.environ,
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                }
                made = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True)
                head, _, content = made.stdout.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_git(tmp_path):
    work, bare = tmp_path / "work", tmp_path / "model.git"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(work)]
    (work / "deep/er").mkdir(parents=True)
    subprocess.run([*git, "init", "-q", "-b", "trunk"], check=True)
    base = random.Random(8).randbytes(300_000)
    # Similar files become deltas of each other in the pack.
    files = {"model.bin": BIG, "deep/er/a.txt": b"a\n", "empty": b"", "v0": base}
    files |= {f"v{i}": base[:1000 * i] + b"changed" + base[1000 * i :] for i in range(1, 8)}
    for name, content in files.items():
        (work / name).write_bytes(content)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    (work / "gone").write_text("x")
    (work / "link").symlink_to("deep/er/a.txt")
    (work / "deep/run.sh").write_text("#!/bin/sh\n")
    (work / "deep/run.sh").chmod(0o755)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "two"], check=True)
    (work / "gone").unlink()
    subprocess.run([*git, "commit", "-qam", "three"], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "repack", "-adfq"], check=True)
    server = GitServer(tmp_path)
    expected = {**files, "link": b"a\n", "deep/run.sh": b"#!/bin/sh\n"}
    result = run(f"{server.base}/model.git", tmp_path / "a")
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "a") == expected
    assert os.readlink(tmp_path / "a/link") == "deep/er/a.txt"
    assert os.access(tmp_path / "a/deep/run.sh", os.X_OK)
    result = run(f"{server.base}/none.git", tmp_path / "b")
    assert result.returncode == 1 and "Git: " in result.stderr and "404" in result.stderr
    server.password = b"bob:secret"
    result = run(f"{server.base}/model.git", tmp_path / "b")
    assert result.returncode == 1 and "GIT_PASSWORD" in result.stderr
    host = server.base.removeprefix("http://")
    result = run(f"http://bob:ignored@{host}/model.git", tmp_path / "b", env={"GIT_PASSWORD": "secret"})
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "b") == expected
    # Links and names that lead out, written with git's plumbing.
    (work / "out").symlink_to("../../etc/passwd")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "evil"], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(tmp_path / "evil.git")], check=True)
    server.password = None
    result = run(f"{server.base}/evil.git", tmp_path / "e")
    assert result.returncode == 1 and "leads out" in result.stderr
    assert not (tmp_path / "e").exists()
