"""Stores, and other users of a volume, that have a wrong model accepted as the right one, or speak through its errors."""

import hashlib
import io
import json
import os
import tarfile

import pytest

from stores import Store, environment, fetch

BOUNDARY = "store"
MIB = 1 << 20
BINARY = "application/octet-stream"


@pytest.fixture
def store():
    made = []

    def make(answer):
        made.append(Store(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("digest", ["sha512:" + "0" * 128, "SHA256:" + "0" * 64, "sha256", "sha256:00", "latest"])
def test_an_image_has_another_digest_than_the_uri_names(store, tmp_path, digest):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        entry = tarfile.TarInfo("models/m.bin")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    name = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
    manifest = json.dumps({"layers": [{"digest": name, "size": len(layer.getvalue())}]})
    registry = store(lambda h: h.send(200, manifest if "/manifests/" in h.path else layer.getvalue()))
    env = environment(tmp_path, KSERVE_OCI_INSECURE_REGISTRY="true")
    result = fetch(f"oci://{registry.host}/model/m@{digest}", tmp_path / "to", env=env)
    assert result.returncode == 1 and not (tmp_path / "to").exists(), result.stderr


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_an_object_changes_between_ranges_and_its_listing_had_no_validator(store, tmp_path, validator):
    """The ranges of one file are of two versions of the same size."""
    ranges = []

    def answer(handler):
        first, last = map(int, handler.headers["Range"].split("=")[1].split("-"))
        fields = {"Content_Type": BINARY, "Content_Range": f"bytes {first}-{last}/{4 * MIB}"}
        if last > 0:
            ranges.append(first)
            version = b"a" if len(ranges) < 3 else b"b"
            fields[validator] = '"%s"' % version.decode()
        handler.send(206, bytes(last - first + 1), **fields)

    server = store(answer)
    result = fetch(f"{server.url}/m.bin", tmp_path / "to", "--chunk-mib", "1")
    # Begun again, it is all of one version.
    assert "changed" in result.stderr and (result.returncode == 1 or len(ranges) >= 7), result.stderr


def test_a_body_that_ends_early_and_whose_size_nobody_told(store, tmp_path):
    whole = b"a model" * 100
    files = [{"rfilename": "m.bin", "lfs": {"sha256": hashlib.sha256(whole).hexdigest()}}]

    def answer(handler):
        if "/api/" in handler.path:
            return handler.send(200, json.dumps({"sha": "c", "siblings": files}))
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(whole[:100])
        handler.close_connection = True

    hub = store(answer)
    result = fetch("hf://owner/model", tmp_path / "to", env=environment(tmp_path, HF_ENDPOINT=hub.url))
    assert result.returncode == 1 and "sha256" in result.stderr, result.stderr
    assert not (tmp_path / "to").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
@pytest.mark.parametrize("planted", ["journal", "committing", "data"])
def test_another_user_stages_the_model_first(store, tmp_path, planted):
    shared = tmp_path / "shared"
    staging = shared / ".to.kinglet-staging"
    (staging / "data").mkdir(parents=True)
    shared.chmod(0o1777)
    victim = shared / "victim"
    victim.write_text("precious")
    if planted != "data":
        (staging / planted).symlink_to("../victim")
    for folder in (staging, staging / "data"):
        os.chown(folder, 65534, 65534)
    server = store(lambda h: h.send(200, b"model", Content_Type=BINARY))
    result = fetch(f"{server.url}/m.bin", shared / "to")
    assert result.returncode == 1 and "belongs to another user" in result.stderr, result.stderr
    assert victim.read_text() == "precious" and not (shared / "to").exists()


def test_an_error_text_steers_the_terminal_and_forges_a_line_of_the_log(store, tmp_path):
    message = "x&#27;]0;title&#7;&#10;2026-01-01T00:00:00Z INFO done"
    bucket = store(lambda h: h.send(403, f"<Error><Code>A</Code><Message>{message}</Message></Error>"))
    last = tmp_path / "last"
    env = environment(tmp_path, AWS_ENDPOINT_URL=bucket.url, awsAnonymousCredential="true")
    result = fetch("s3://bucket/m", tmp_path / "to", "--termination-log", last, env=env)
    assert result.returncode == 1 and "title" in result.stderr
    for text in (result.stderr, last.read_text()):
        assert "\x1b" not in text and "\n2026-01-01" not in text, text


def test_an_archive_brings_a_completion_marker_for_volumes_without_case(store, tmp_path):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(".Kinglet-Complete"))
    server = store(lambda h: h.send(200, body.getvalue(), Content_Type="application/x-tar"))
    result = fetch(f"{server.url}/m.tar", tmp_path / "to")
    assert result.returncode == 1 and "reserved" in result.stderr, result.stderr
