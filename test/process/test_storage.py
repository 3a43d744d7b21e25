"""The storage initializer against moto's S3 and against file servers that misbehave."""

import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request

import pytest

from conftest import BIN, wait_for

INITIALIZER = BIN / "kinglet-storage-initializer"
KILLS = int(os.environ.get("KINGLET_KILLS", "15"))

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")


def run(*arguments, env=None, **options):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_"))}
    environment.update(env or {})
    return subprocess.run(
        [INITIALIZER, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def visible(folder):
    """Relative names of what a reader sees, the program's own files left out."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return {}
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_file() and not relative.parts[0].startswith(".kinglet-"):
            found[str(relative)] = path.read_bytes()
    return found


class FileServer:
    """Serves bytes with ranges over HTTP; slows down or fails when told to."""

    def __init__(self, content):
        self.content = content
        self.etag = '"%s"' % hashlib.sha1(content).hexdigest()
        self.sent = 0
        self.delay = 0.0
        self.fail_every = 0
        self.type = "application/octet-stream"
        self.headers = {}
        self.status = None  # of every answer
        self.wanted = {}  # fields that a request must have
        self.ranges = True
        self.count = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                outer.count += 1
                allowed = all(self.headers.get(k) == v for k, v in outer.wanted.items())
                if outer.status or not allowed:
                    self.send_response(outer.status or 403)
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                wanted = self.headers.get("Range", "") if outer.ranges else ""
                match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
                first, last = (int(match[1]), int(match[2])) if match else (0, len(outer.content) - 1)
                last = min(last, len(outer.content) - 1)
                body = outer.content[first : last + 1]
                self.send_response(206 if match else 200)
                self.send_header("Content-Type", outer.type)
                self.send_header("ETag", outer.etag)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                if match:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(outer.content)}")
                self.end_headers()
                broken = outer.fail_every and outer.count % outer.fail_every == 0
                for at in range(0, len(body), 65536):
                    if broken and at > len(body) // 2:
                        self.connection.shutdown(socket.SHUT_RDWR)
                        return
                    try:
                        self.wfile.write(body[at : at + 65536])
                    except OSError:
                        return
                    outer.sent += len(body[at : at + 65536])
                    if outer.delay:
                        time.sleep(outer.delay)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def file_server():
    servers = []

    def make(content):
        servers.append(FileServer(content))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def test_http_with_broken_connections(file_server, tmp_path):
    server = file_server(random.Random(1).randbytes(9_000_000))
    server.fail_every = 3
    result = run(server.url("model.joblib"), tmp_path / "m", "--chunk-mib", 1)
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "m") == {"model.joblib": server.content}
    assert result.stderr.splitlines()[-1].startswith("Successfully copied 1 file")


def test_kill_an_archive_anywhere(file_server, tmp_path):
    """Also while unpacking: what was fetched is not fetched again."""
    files = {f"f{i}": random.Random(i).randbytes(400_000) for i in range(40)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    server = file_server(packed.getvalue())
    server.type, server.delay = "application/x-tar", 0.001
    dice = random.Random(5)
    kills = 0
    arguments = [INITIALIZER, server.url("m.tar"), tmp_path / "m", "--chunk-mib", "1", "--connections", "4"]
    while True:
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=dice.uniform(0.01, 0.3) if kills < KILLS else 120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            assert visible(tmp_path / "m") in ({}, files)
            continue
        assert process.returncode == 0, process.stderr.read()
        break
    assert visible(tmp_path / "m") == files
    assert server.sent <= len(server.content) + kills * 4 * ((1 << 20) + 65536) + kills + 1


def test_sigterm_stops_cleanly(file_server, tmp_path):
    server = file_server(random.Random(4).randbytes(8_000_000))
    server.delay = 0.05
    process = subprocess.Popen(
        [INITIALIZER, server.url("m"), tmp_path / "m"], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: server.sent > 0, what="the download's begin")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=10)
    assert time.monotonic() - began < 3
    assert process.returncode == 143
    assert "run again to resume" in stderr.splitlines()[-1]
    assert not (tmp_path / "m").exists()


def test_archives(file_server, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (("model/a.txt", b"one"), ("b.txt", b"two")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    server = file_server(packed.getvalue())
    server.type = "application/x-gzip"
    result = run(server.url("model.tar.gz"), tmp_path / "m")
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "m") == {"model/a.txt": b"one", "b.txt": b"two"}

    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w:gz") as tar:
        info = tarfile.TarInfo("../evil.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"bad"))
    server = file_server(evil.getvalue())
    server.type = "application/x-gzip"
    result = run(server.url("model.tar.gz"), tmp_path / "e")
    assert result.returncode == 1
    assert not (tmp_path / "e").exists() and not (tmp_path / "evil.txt").exists()


def test_usage_and_errors(tmp_path):
    result = run()
    assert result.returncode == 0 and "src_uri dest_path" in result.stdout
    result = run("ftp://host/x", tmp_path / "m")
    assert result.returncode == 1
    assert "Cannot recognize storage type for ftp://host/x" in result.stderr
    result = run(tmp_path / "missing", tmp_path / "m")
    assert result.stderr.splitlines()[-1].endswith("does not exist.")
    assert run("--version").stdout.startswith("Kinglet ")
    log = tmp_path / "log"
    run("/mnt/pvc/absent", tmp_path / "m", "--termination-log", log)
    assert log.read_text().endswith("Cannot locate source uri /mnt/pvc/absent for PVC")


def test_encoded_answers_and_no_ranges(file_server, tmp_path):
    """What a server encodes on its own is decoded; one that ignores ranges is read from end to end."""
    plain = b"a model\n" * 200_000
    server = file_server(gzip.compress(plain))
    server.headers = {"Content-Encoding": "gzip"}
    for ranges in (True, False):
        server.ranges = ranges
        to = tmp_path / f"encoded-{ranges}"
        result = run(server.url("model.joblib"), to, "--chunk-mib", 1)
        assert result.returncode == 0, result.stderr
        assert visible(to) == {"model.joblib": plain}
    server.content = server.content[:-100]
    result = run(server.url("cut.joblib"), tmp_path / "cut")
    assert result.returncode == 1 and not (tmp_path / "cut").exists()
    # The file's own compression is not a second encoding.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("model.txt")
        info.size = len(plain)
        tar.addfile(info, io.BytesIO(plain))
    server = file_server(packed.getvalue())
    server.headers, server.type = {"Content-Encoding": "gzip"}, "application/x-tar"
    result = run(server.url("model.tar.gz"), tmp_path / "tar")
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "tar") == {"model.txt": plain}


def test_metrics_and_termination_message(file_server, tmp_path):
    server = file_server(random.Random(6).randbytes(6_000_000))
    server.delay = 0.05
    log = tmp_path / "termination"
    process = subprocess.Popen(
        [INITIALIZER, server.url("m"), tmp_path / "m", "--metrics-addr", "127.0.0.1:0",
         "--chunk-mib", "1", "--termination-log", log],
        stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "serving metrics" in line:
            break
    port = re.search(r"port=(\d+)", lines[-1])[1]

    def received():
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        match = re.search(r"^kinglet_storage_received_bytes_total (\S+)$", text, re.M)
        return match and float(match[1]) > 0 and text

    text = wait_for(received, what="bytes in /metrics")
    assert float(re.search(r"^kinglet_storage_model_bytes (\S+)$", text, re.M)[1]) == 6_000_000
    assert "process_cpu_seconds_total" in text
    wait_for(lambda: log.exists() and log.read_text().startswith("killed while downloading"),
             what="the interim message")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    last = stderr.splitlines()[-1]
    assert re.fullmatch(r"Successfully copied 1 file, 5.7 MiB in .* s \(.*/s, 0 retries\) to .*", last)
    assert log.read_text() == last


def test_links_neither_kube_nor_control():
    symbols = subprocess.run(["nm", "-C", INITIALIZER], capture_output=True, text=True).stdout
    assert "kinglet::storage::Download" in symbols
    for module in ("kube", "control", "admission", "api"):
        assert f"kinglet::{module}::" not in symbols


@pytest.fixture(scope="module")
def s3():
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    assert moto
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def up():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(up, what="moto")
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="models")
        client.endpoint = endpoint
        yield client
    finally:
        process.kill()
        process.wait()


def s3_environment(s3):
    return {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def test_s3_prefix_key_and_siblings(s3, tmp_path):
    objects = {
        "churn/model.joblib": b"one",
        "churn/deep/b c+d%.txt": b"two",
        "churn/empty": b"",
        "churn-pickle/model.pkl": b"three",
        "single": b"four",
        "single/below": b"five",
        "big/model.bin": random.Random(5).randbytes(5_000_000),
    }
    for key, body in objects.items():
        s3.put_object(Bucket="models", Key=key, Body=body)
    s3.put_object(Bucket="models", Key="churn/", Body=b"")
    env = s3_environment(s3)
    result = run("s3://models/churn/", tmp_path / "a", env=env)
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "a") == {
        "model.joblib": b"one",
        "deep/b c+d%.txt": b"two",
        "empty": b"",
    }
    # KServe's prefix listing takes name-siblings too; a key that is the prefix comes alone.
    run("s3://models/churn", tmp_path / "b", env=env)
    assert visible(tmp_path / "b")["-pickle/model.pkl"] == b"three"
    run("s3://models/single", tmp_path / "c", env=env)
    assert visible(tmp_path / "c") == {"single": b"four"}
    run("s3://models/big", tmp_path / "d", "--chunk-mib", 1, env=env)
    assert visible(tmp_path / "d") == {"model.bin": objects["big/model.bin"]}
    result = run("s3://models/nothing", tmp_path / "e", env=env)
    assert result.returncode == 1
    assert "Failed to fetch model. No model found in nothing." in result.stderr.splitlines()[-1]
    result = run("s3://absent/x", tmp_path / "e", env=env)
    assert result.returncode == 1 and "NoSuchBucket" in result.stderr


def test_s3_listing_over_a_thousand(s3, tmp_path):
    s3.create_bucket(Bucket="many")
    for i in range(1203):
        s3.put_object(Bucket="many", Key=f"m/{i:05}", Body=str(i).encode())
    config = {"type": "s3", "endpoint_url": s3.endpoint, "access_key_id": "a", "secret_access_key": "b"}
    result = run("s3://many/m", tmp_path / "m", env={"STORAGE_CONFIG": json.dumps(config)})
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "m") == {f"{i:05}": str(i).encode() for i in range(1203)}


def test_s3_patterns_and_several_pairs(s3, tmp_path):
    for key in ("p/a.json", "p/a.bin", "p/b.txt"):
        s3.put_object(Bucket="models", Key=key, Body=key.encode())
    env = {**s3_environment(s3), "STORAGE_IGNORE_PATTERNS": "*.bin"}
    result = run("s3://models/p", tmp_path / "a", "s3://models/p/a.bin", tmp_path / "b", env=env)
    assert result.returncode == 1
    assert set(visible(tmp_path / "a")) == {"a.json", "b.txt"}
    env.pop("STORAGE_IGNORE_PATTERNS")
    assert run("s3://models/p/b.txt", tmp_path / "b", env=env).returncode == 0
    assert visible(tmp_path / "b") == {"b.txt": b"p/b.txt"}


def test_s3_web_identity(s3, tmp_path):
    """IRSA: a token of the pod is exchanged at STS for credentials that end."""
    s3.put_object(Bucket="models", Key="irsa/model", Body=b"m")
    token = tmp_path / "token"
    token.write_text("a.b.c")
    env = {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ENDPOINT_URL_STS": s3.endpoint,
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/models",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
    }
    result = run("s3://models/irsa", tmp_path / "m", env=env)
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "m") == {"model": b"m"}
    result = run("s3://models/irsa", tmp_path / "n", env={**env, "AWS_WEB_IDENTITY_TOKEN_FILE": "/none"})
    assert result.returncode == 1 and "AWS_WEB_IDENTITY_TOKEN_FILE" in result.stderr
