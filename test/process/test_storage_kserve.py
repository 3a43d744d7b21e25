"""The storage initializer beside KServe's own (kserve 0.15.2): the same URI and server, then the same files
or the same error text. Where they differ on purpose, the test says how."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from kserve_storage import compare, kserve  # noqa: F401
from test_storage import INITIALIZER, FileServer, s3, s3_environment  # noqa: F401

pytest.importorskip("kserve.storage")
pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

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
    "tar.gz as gtar": ("model.tar.gz?foo=bar", tar("w:gz", FILES), "application/x-gtar"),
    "tar.gz as zip": ("model.tar.gz", tar("w:gz", FILES), "application/zip"),
    "zip as zip-compressed": ("model.zip?foo=bar", zipped(FILES), "application/zip-compressed"),
    "zip with folders": ("model.zip", zipped({"a/": b"", "a/b/": b"", "a/b/c.txt": b"c"}), "application/zip"),
    "a path by query": ("download?path=/20210530/model.zip", zipped(FILES), "application/zip"),
    "no name": ("test/", b"x", OCTETS),
    "a name of spaces and more": ("a%20b%2Bc%25.bin", b"odd", OCTETS),
    "a dot": ("m/.hidden", b"x", OCTETS),
    "an upper-case type": ("m.bin", b"x", "Application/Octet-Stream"),
    "an upper-case extension": ("M.ZIP", zipped(FILES), OCTETS),
    "tar.Z": ("m.tar.Z", b"x", OCTETS),
    "nothing in it": ("empty.bin", b"", OCTETS),
}


@pytest.mark.parametrize("case", HTTP)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_http(case, ranges, compare):  # noqa: F811
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


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_http_status(status, compare):  # noqa: F811
    server = FileServer(b"x" * 100)
    server.status = status
    try:
        assert compare(server.url("model.joblib"))[0].endswith(f"returned a {status} response code.")
    finally:
        server.close()


def test_http_fields(compare):  # noqa: F811
    server = FileServer(b"secret")
    server.wanted = {"Authorization": "Bearer right", "X-Team": "ml"}
    try:
        uri = server.url("model.joblib")
        assert compare(uri)[0].endswith("returned a 403 response code.")
        env = {"127.0.0.1-headers": json.dumps(server.wanted)}
        assert compare(uri, env=env)[0] == {"model.joblib": b"secret"}
        assert isinstance(compare(uri, env={"127.0.0.1-headers": "{"}, same=False)[0], str)
    finally:
        server.close()


def test_links_in_archives(compare):  # noqa: F811
    """Links within an archive come as links; what leads out is refused, where KServe writes or links there."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as out:
        def add(name, kind, content=b"", target=""):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), target
            out.addfile(info, io.BytesIO(content))

        add("model", tarfile.DIRTYPE)
        add("model/a.txt", tarfile.REGTYPE, b"one")
        add("model/link", tarfile.SYMTYPE, target="a.txt")
        add("folder", tarfile.SYMTYPE, target="model")
        good = packed.getvalue()
        add("out", tarfile.SYMTYPE, target="../../outside")
    for content, refused in ((good + bytes(1024), False), (packed.getvalue(), True)):
        server = FileServer(content)
        server.type = "application/x-tar"
        try:
            ours, theirs = compare(server.url("m.tar"), same=not refused)
            if refused:
                assert "leads out" in ours
            else:
                assert ours == {"model/a.txt": b"one", "model/link": b"one"}
        finally:
            server.close()


def test_encoded_by_the_server(compare):  # noqa: F811
    """KServe's initializer keeps the encoded bytes under the plain name; ours decodes them."""
    server = FileServer(gzip.compress(b"model"))
    server.headers = {"Content-Encoding": "gzip"}
    try:
        ours, theirs = compare(server.url("model.joblib"), same=False)
        assert ours == {"model.joblib": b"model"}
        assert gzip.decompress(theirs["model.joblib"]) == b"model"
    finally:
        server.close()


def test_local(compare, tmp_path):  # noqa: F811
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "a.txt").write_text("a")
    (model / "deep/b.txt").write_text("b")
    (model / ".hidden").write_text("no")
    (tmp_path / "empty").mkdir()
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "m.tar.gz").write_bytes(tar("w:gz", FILES))
    (tmp_path / "bad.zip").write_bytes(b"PK nothing")
    for uri in (f"file://{model}", str(model), f"file://{model}/a.txt", str(model / "a.txt"), f"{model}/",
                f"file://{packed}", str(packed / "m.tar.gz")):
        assert compare(uri)[0]
    ours, theirs = compare(str(tmp_path / "bad.zip"), same=False)
    assert ours.startswith(theirs)
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
        "slashes//a.txt": b"a",
        "slashes//deep//b.txt": b"b",
        "odd/a b.txt": b"1",
        "odd/c+d%41%.txt": b"2",
        "odd/\u00e9\u2013\u6a21\u578b/\u00fc.bin": b"3",
        "odd/e&f=g;h'(i)~@,!": b"4",
        "odd/.hidden": b"5",
        "odd folder/x y": b"6",
        "m\u00f6del/x": b"7",
        "test/artifacts/model/model.pkl": b"8",
        "test/artifacts/model/model2.pkl": b"9",
        "model.tgz": tar("w:gz", FILES),
    }
    for key, body in objects.items():
        s3.put_object(Bucket="compare", Key=key, Body=body)
    env = s3_environment(s3)
    for path in ("churn", "churn-", "dir", "dir/", "dir/deep", "dir/model.joblib", "one", "zip/m.zip", "two",
                 "slashes", "slashes/", "slashes//", "/dir", "//dir/deep", "odd", "odd/", "odd/a b.txt", "odd/c+d%41%.txt",
                 "odd folder", "m\u00f6del", "odd/\u00e9\u2013\u6a21\u578b", "test/artifacts", "test/artifacts/model/",
                 "test/artifacts/model/model", "model.tgz", "tes", "dir/deep/er/a b+c%.txt"):
        files, _ = compare(f"s3://compare/{path}", env=env)
        assert isinstance(files, dict) and files, path
    for path in ("s3://compare/none", "s3://compare/dir/model.joblib/", "s3://compare/odd/a", "s3://compare/CHURN"):
        compare(path, env=env)
    assert isinstance(compare("s3://compare/none", env=env)[0], str)
    s3.create_bucket(Bucket="whole")
    for key in ("/lead/x", "a", "b/c"):
        s3.put_object(Bucket="whole", Key=key, Body=key.encode())
    for uri in ("s3://whole", "s3://whole/"):
        assert set(compare(uri, env=env)[0]) == {"lead/x", "a", "b/c"}
    ours, theirs = compare("s3://compare/bad", env=env, same=False)
    assert ours.startswith(theirs)
    config = {"type": "s3", "endpoint_url": s3.endpoint, "access_key_id": "a", "secret_access_key": "b"}
    spec = {"STORAGE_CONFIG": json.dumps(config), "STORAGE_OVERRIDE_CONFIG": json.dumps({"region": "eu"})}
    compare("s3://compare/dir", env=spec)
