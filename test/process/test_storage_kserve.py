"""The storage initializer beside KServe's own (kserve 0.15.2): the same URI and server, then the same files
or the same error text. Where they differ on purpose, the test says how."""

import gzip
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

from test_storage import INITIALIZER, FileServer, run, s3, s3_environment, visible  # noqa: F401
from test_storage_clouds import gcs  # noqa: F401

pytest.importorskip("kserve.storage")
pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

# Reads {uri, destination, env} lines, downloads, answers {error} lines: importing KServe takes seconds.
KSERVE = """
import json, os, sys
from kserve.storage import Storage
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    before = dict(os.environ)
    os.environ.update(request["env"])
    error = None
    try:
        os.makedirs(os.path.dirname(request["destination"]), exist_ok=True)
        Storage.download(request["uri"], request["destination"])
    except BaseException as e:
        error = str(e)
    os.environ.clear()
    os.environ.update(before)
    print(json.dumps({"error": error}), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def kserve():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_"))}
    process = subprocess.Popen(
        [sys.executable, "-c", KSERVE],
        env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def download(uri, destination, env):
        request = {"uri": uri, "destination": str(destination), "env": env or {}}
        print(json.dumps(request), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())["error"]

    yield download
    process.kill()
    process.wait()


@pytest.fixture
def compare(kserve, tmp_path):
    count = itertools.count()

    def both(uri, env=None, same=True):
        """Runs both. Gives (our files or error text, theirs)."""
        folder = tmp_path / f"run-{next(count)}"
        result = run(uri, folder / "ours", env=env)
        error = kserve(uri, folder / "theirs", env)
        prefix = f"{uri}: "
        message = result.stderr.strip()
        message = message[message.rfind("\n" + prefix) + 1 :].removeprefix(prefix)
        ours = visible(folder / "ours") if result.returncode == 0 else message
        theirs = error or visible(folder / "theirs")
        if same:
            assert ours == theirs
        return ours, theirs

    return both


def tar(mode, files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return packed.getvalue()


FILES = {"model/a.txt": b"one", "b.txt": b"two" * 1000}
OCTETS = "application/octet-stream"
# path and query, content, Content-Type
HTTP = {
    "plain": ("model.joblib", b"bytes" * 999, OCTETS),
    "plain, with parameters": ("model.pkl", b"x", OCTETS + "; charset=binary"),
    "query": ("model.joblib?sig=a%2Fb&x=1", b"signed", OCTETS),
    "tar": ("m.tar", tar("w", FILES), "application/x-tar"),
    "tar.gz": ("m.tar.gz", tar("w:gz", FILES), "application/x-gzip"),
    "tgz": ("m.tgz", tar("w:gz", FILES), "application/gzip"),
    "tar.bz2": ("m.tar.bz2", tar("w:bz2", FILES), "application/x-tar"),
    "tar.xz": ("m.tar.xz", tar("w:xz", FILES), "application/x-gtar"),
    "zip": ("m.zip", zipped(FILES), "application/zip"),
    "zip by query": ("download?name=m.zip", zipped(FILES), "application/x-zip-compressed"),
    "tar by query": ("download?name=m.tar", tar("w", FILES), "application/x-tar"),
    "gz": ("model.json.gz", gzip.compress(b"{}" * 500), OCTETS),
    "not a zip": ("m.zip", b"PK nothing", "application/zip"),
    "not a tar": ("m.tar", b"nothing" * 300, "application/x-tar"),
    "zip with another type": ("m.zip", zipped(FILES), OCTETS),
    "tar with another type": ("m.tar", tar("w", FILES), "text/plain"),
    "no type": ("m.bin", b"x", ""),
    "page": ("model.joblib", b"<html>", "text/html"),
}


@pytest.mark.parametrize("case", HTTP)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_http(case, ranges, compare):
    path, content, kind = HTTP[case]
    server = FileServer(content)
    server.type, server.ranges = kind, ranges
    try:
        ours, theirs = compare(server.url(path), same=not case.startswith("not a"))
        if case.startswith("not a"):
            # Ours says why as well.
            assert ours.startswith(theirs) and len(ours) > len(theirs)
    finally:
        server.close()


def test_encoded_by_the_server(compare):
    """KServe's initializer keeps the encoded bytes under the plain name; ours decodes them."""
    server = FileServer(gzip.compress(b"model"))
    server.headers = {"Content-Encoding": "gzip"}
    try:
        ours, theirs = compare(server.url("model.joblib"), same=False)
        assert ours == {"model.joblib": b"model"}
        assert gzip.decompress(theirs["model.joblib"]) == b"model"
    finally:
        server.close()


def test_local(compare, tmp_path):
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "a.txt").write_text("a")
    (model / "deep/b.txt").write_text("b")
    (model / ".hidden").write_text("no")
    (tmp_path / "empty").mkdir()
    for uri in (f"file://{model}", str(model), f"file://{model}/a.txt", str(model / "a.txt")):
        assert compare(uri)[0]
    for uri in ("file:///absent", "/mnt/pvc/absent", f"file://{tmp_path}/empty", "ftp://h/x", "s3:/x"):
        assert isinstance(compare(uri)[0], str)


def test_s3(compare, s3):  # noqa: F811
    s3.create_bucket(Bucket="compare")
    objects = {
        "churn": b"exact",
        "churn-pickle": b"sibling",
        "churn-pickle-logs": b"sibling too",
        "dir/model.joblib": b"m" * 3_000_000,
        "dir/deep/er/a b+c%.txt": b"a",
        "dir/": b"",
        "dir-sibling/x": b"x",
        "one/model.tar.gz": tar("w:gz", FILES),
        "zip/m.zip": zipped(FILES),
        "bad/m.zip": b"PK nothing",
        "two/a.tar": tar("w", FILES),
        "two/b": b"b",
    }
    for key, body in objects.items():
        s3.put_object(Bucket="compare", Key=key, Body=body)
    env = s3_environment(s3)
    for path in ("churn", "churn-", "dir", "dir/", "dir/deep", "dir/model.joblib", "one", "zip/m.zip", "two"):
        files, _ = compare(f"s3://compare/{path}", env=env)
        assert isinstance(files, dict) and files, path
    assert isinstance(compare("s3://compare/none", env=env)[0], str)
    ours, theirs = compare("s3://compare/bad", env=env, same=False)
    assert ours.startswith(theirs)
    config = {"type": "s3", "endpoint_url": s3.endpoint, "access_key_id": "a", "secret_access_key": "b"}
    spec = {"STORAGE_CONFIG": json.dumps(config), "STORAGE_OVERRIDE_CONFIG": json.dumps({"region": "eu"})}
    compare("s3://compare/dir", env=spec)


def optional(module):
    """KServe's initializer needs clients of Google and Hugging Face that the test setup does not bring."""
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    return pytest.mark.skipif(not found, reason=f"no {module}")


@optional("google.cloud.storage")
def test_gcs(compare, gcs):
    env = {"STORAGE_EMULATOR_HOST": gcs}
    for path in ("m", "m/", "m/deep", "m/model.bin", "single"):
        assert isinstance(compare(f"gs://models/{path}", env=env)[0], dict), path


@optional("huggingface_hub")
def test_hub_uris(compare):
    for uri in ("hf://m", "hf://a/b/c", "hf:///m", "hf://a/", "hf://a/:main"):
        assert isinstance(compare(uri)[0], str)
