"""Servers and archives that take more than a model does: time, memory, disk."""

import gzip
import hashlib
import io
import json
import struct
import subprocess
import tarfile
import zipfile
import zlib

import pytest

from stores import INITIALIZER, Store, environment, fetch

BOUNDARY = "store"
MIB = 1 << 20


@pytest.fixture
def store():
    made = []

    def make(answer, **options):
        made.append(Store(answer, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def disk(folder):
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_body_without_an_end(store, tmp_path):
    endless = store(lambda h: h.send_endlessly(200, Content_Type="application/octet-stream"))
    env = environment(tmp_path, STORAGE_MAX_BYTES="8Mi")
    result = fetch(f"{endless.url}/m.bin", tmp_path / "to", env=env, timeout=15)
    assert result.returncode == 1 and "STORAGE_MAX_BYTES" in result.stderr, result.stderr
    assert not (tmp_path / "to").exists() and disk(tmp_path) < MIB


@pytest.mark.parametrize("size, says", [(MIB, "STORAGE_MAX_BYTES"), (1 << 62, "make room"), (1 << 61, "make room")])
def test_a_listing_says_more_than_may_be_taken(store, tmp_path, size, says):
    """Eight times 2^61 is 0 in 64 bits."""
    listing = "".join(f"<Contents><Key>m/{i}</Key><Size>{size}</Size></Contents>" for i in range(8))
    bucket = store(lambda h: h.send(200, f"<ListBucketResult>{listing}</ListBucketResult>"))
    env = environment(tmp_path, AWS_ENDPOINT_URL=bucket.url, awsAnonymousCredential="true", STORAGE_MAX_BYTES="1Mi")
    result = fetch("s3://bucket/m", tmp_path / "to", env=env)
    assert result.returncode == 1 and says in result.stderr, result.stderr
    assert all("list-type" in asked.path for asked in bucket.asked)


@pytest.mark.parametrize("status", [404, 302])
def test_an_answer_that_is_no_model_without_an_end(store, tmp_path, status):
    """Once the model's first byte was asked for, the server answers with something endless else."""
    def answer(handler):
        if handler.headers.get("Range") == "bytes=0-0":
            return handler.send(206, b"x", Content_Type="application/octet-stream", ETag='"1"',
                                Content_Range=f"bytes 0-0/{MIB}")
        handler.send_endlessly(status, **({"Location": "/else"} if status == 302 else {}))

    endless = store(answer)
    result = fetch(f"{endless.url}/m.bin", tmp_path / "to", timeout=15)
    assert result.returncode == 1, result.stderr


def test_pages_of_a_listing_in_a_circle(store, tmp_path):
    def answer(handler):
        token = "b" if "continuation-token=a" in handler.path else "a"
        handler.send(200, "<ListBucketResult><IsTruncated>true</IsTruncated>"
                          f"<NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>")

    bucket = store(answer)
    env = environment(tmp_path, AWS_ENDPOINT_URL=bucket.url, awsAnonymousCredential="true")
    result = fetch("s3://bucket/m", tmp_path / "to", env=env, timeout=15)
    assert result.returncode == 1 and len(bucket.asked) < 10, len(bucket.asked)


def test_a_hub_has_an_index_for_each_of_very_many_files(store, tmp_path):
    """Each index of shards is read before the download begins."""
    names = [{"rfilename": f"{i}/model.safetensors.index.json", "size": 2} for i in range(2000)]
    hub = store(lambda h: h.send(200, json.dumps({"sha": "0" * 40, "siblings": names}) if "/api/" in h.path else "{}"))
    env = environment(tmp_path, HF_ENDPOINT=hub.url)
    result = fetch("hf://owner/model", tmp_path / "to", env=env)
    assert result.returncode == 1 and len(hub.asked) < 200, len(hub.asked)


@pytest.mark.parametrize("document", [
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><ListBucketResult>&b;</ListBucketResult>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ListBucketResult>&a;</ListBucketResult>',
    "<a>" * 100_000,
])
def test_listings_with_entities_and_without_a_bottom(store, tmp_path, document):
    bucket = store(lambda h: h.send(200, document))
    env = environment(tmp_path, AWS_ENDPOINT_URL=bucket.url, awsAnonymousCredential="true")
    result = fetch("s3://bucket/m", tmp_path / "to", "--timeout", "3s", env=env)
    assert result.returncode == 1 and "root:" not in result.stderr


def test_an_images_layers_are_each_small_and_together_a_bomb(store, tmp_path):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        entry = tarfile.TarInfo("models/zeros")
        entry.size = 100 * MIB
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    layer = gzip.compress(plain.getvalue(), 1)
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    manifest = json.dumps({"layers": [{"digest": digest, "size": len(layer)}] * 3})
    registry = store(lambda h: h.send(200, manifest if "/manifests/" in h.path else layer, ETag='"1"'))
    env = environment(tmp_path, KSERVE_OCI_INSECURE_REGISTRY="true")
    result = fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", "--timeout", "20s", env=env)
    assert result.returncode == 1 and "bomb" in result.stderr, result.stderr
    assert disk(tmp_path) < 10 * MIB  # not even in the staging folder


def test_an_image_of_very_many_layers(store, tmp_path):
    layer = {"digest": "sha256:" + "0" * 64, "size": 1}
    registry = store(lambda h: h.send(200, json.dumps({"layers": [layer] * 20_000})) if "/manifests/" in h.path else
                     h.send(404))
    env = environment(tmp_path, KSERVE_OCI_INSECURE_REGISTRY="true")
    result = fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", env=env)
    assert result.returncode == 1 and len(registry.asked) == 1, len(registry.asked)


def test_an_index_of_images_that_is_checked_by_nothing(store, tmp_path):
    """A manifest without a sha256 digest could be exchanged on the way."""
    index = {"manifests": [{"digest": "latest", "platform": {}}]}
    registry = store(lambda h: h.send(200, json.dumps(index)))
    env = environment(tmp_path, KSERVE_OCI_INSECURE_REGISTRY="true")
    result = fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", env=env)
    assert result.returncode == 1 and len(registry.asked) == 1, registry.asked


# Repositories.

def git_object(kind, content):
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


class Repository:
    """A pack of our own making, served by Git's protocol, version 2."""

    TYPES = {"commit": 1, "tree": 2, "blob": 3}

    def __init__(self):
        self.entries, self.head = [], None

    def add(self, kind, content):
        self._entry(self.TYPES[kind], content)
        return git_object(kind, content)

    def add_delta(self, base, delta, result):
        self._entry(7, delta, base)
        return git_object("blob", result)

    def tree(self, *rows):
        return self.add("tree", b"".join(f"{mode} {name}".encode() + b"\0" + digest for mode, name, digest in rows))

    def commit(self, tree):
        self.head = self.add("commit", f"tree {tree.hex()}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nm\n".encode())

    def _entry(self, kind, content, base=b""):
        size, first = len(content) >> 4, (kind << 4) | (len(content) & 15)
        head = bytes([first | (0x80 if size else 0)])
        while size:
            head += bytes([(size & 0x7F) | (0x80 if size >> 7 else 0)])
            size >>= 7
        self.entries.append(head + base + zlib.compress(content, 9))

    def pack(self):
        body = struct.pack(">4sII", b"PACK", 2, len(self.entries)) + b"".join(self.entries)
        return body + hashlib.sha1(body).digest()

    def answer(self, handler):
        line = lambda data: f"{len(data) + 4:04x}".encode() + data
        if handler.path.endswith("git-upload-pack") and handler.command == "GET":
            return handler.send(200, line(b"version 2\n") + b"0000")
        if b"command=ls-refs" in handler.body:
            return handler.send(200, line(self.head.hex().encode() + b" HEAD\n") + b"0000")
        pack, answer = self.pack(), line(b"packfile\n")
        for at in range(0, len(pack), 60_000):
            answer += line(b"\1" + pack[at:at + 60_000])
        handler.send(200, answer + b"0000")


def check_out(store, repository, tmp_path, timeout=25):
    server = store(repository.answer)
    return fetch(f"{server.url}/r.git", tmp_path / "to", "--timeout", "20s", timeout=timeout)


def test_a_repository_is_fine(store, tmp_path):
    """The pack of these tests is one that is taken."""
    repository = Repository()
    base = b"a" * 1000
    blob = repository.add("blob", base)
    delta = bytes([0xE8, 7, 0xD0, 15, 0xB0, 0xE8, 3, 0xB0, 0xE8, 3])  # the base, twice
    twice = repository.add_delta(blob, delta, base * 2)
    repository.commit(repository.tree(("100644", "a", blob), ("100644", "b", twice)))
    result = check_out(store, repository, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "to/b").read_bytes() == base * 2


def test_folders_of_a_repository_are_one_folder_many_times(store, tmp_path):
    """Ten names for one folder, in each of ten names for one folder, ...: 10,000 files of 64 KiB."""
    repository = Repository()
    row = ("100644", "f", repository.add("blob", bytes(64 << 10)))
    for _ in range(4):
        folder = repository.tree(row)
        row = None
        folder = repository.tree(*[("40000", f"d{i}", folder) for i in range(10)])
        row = ("40000", "d", folder)
    repository.commit(folder)
    result = check_out(store, repository, tmp_path)
    assert result.returncode == 1 and "over" in result.stderr, result.stderr
    assert disk(tmp_path) < 10 * MIB


def test_a_small_delta_is_a_large_file(store, tmp_path):
    repository = Repository()
    base = bytes(16 * MIB - 1)
    blob = repository.add("blob", base)
    count = 20  # 320 MiB of copies
    size = lambda n: bytes([(n >> shift) & 0x7F | (0x80 if n >> shift + 7 else 0)
                            for shift in range(0, 35, 7) if n >> shift])
    copy = bytes([0xF0]) + struct.pack("<I", len(base))[:3]
    delta = size(len(base)) + size(len(base) * count) + copy * count
    large = hashlib.sha1(f"blob {len(base) * count}\0".encode())
    for _ in range(count):
        large.update(base)
    repository._entry(7, delta, blob)
    repository.commit(repository.tree(("100644", "large", large.digest())))
    result = check_out(store, repository, tmp_path)
    assert result.returncode == 1 and "over" in result.stderr, result.stderr
    assert disk(tmp_path) < 10 * MIB


@pytest.mark.parametrize("name", [".git", ".GIT", ".kinglet-complete", ".kinglet-staging", "..", "."])
def test_a_repository_has_a_file_of_a_name_that_means_something(store, tmp_path, name):
    """Settings of Git, which run programs; and what this program writes beside the model."""
    repository = Repository()
    inner = repository.tree(("100644", "config", repository.add("blob", b"[core]\n\tfsmonitor = touch proof\n")))
    repository.commit(repository.tree(("40000", name, inner)))
    result = check_out(store, repository, tmp_path)
    assert result.returncode == 1 and not (tmp_path / "to").exists(), result.stderr


# Archives.

@pytest.mark.parametrize("name", [".kinglet-complete", ".kinglet-staging/committing", "a/.kinglet-lock"])
def test_an_archive_brings_a_completion_marker(store, tmp_path, name):
    marker = json.dumps({"version": 1, "sources": [{"uri": "http://else/m.bin", "files": []}]}).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(marker)
        archive.addfile(entry, io.BytesIO(marker))
    server = store(lambda h: h.send(200, packed.getvalue(), Content_Type="application/x-tar"))
    result = fetch(f"{server.url}/m.tar.gz", tmp_path / "to")
    assert result.returncode == 1 and not (tmp_path / "to").exists(), result.stderr


def test_entries_of_a_zip_share_their_bytes(store, tmp_path):
    """Two thousand entries of the directory lead to one file of 1 MiB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0000", bytes(MIB))
        first = archive.infolist()[0]
        for number in range(1, 2000):
            other = zipfile.ZipInfo(f"{number:04}")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(other, field, getattr(first, field))
            archive.filelist.append(other)
            archive.NameToInfo[other.filename] = other
    server = store(lambda h: h.send(200, packed.getvalue(), Content_Type="application/zip"))
    fetch(f"{server.url}/m.zip", tmp_path / "to")
    assert disk(tmp_path) < 10 * MIB  # at most the first entry


def packed(entries):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, target in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = (tarfile.SYMTYPE, target) if target else (tarfile.REGTYPE, "")
            archive.addfile(entry)
    return body.getvalue()


ENDLESS_NAMES = {
    "a link through very many folders": lambda: packed([("l", "a/" * 400_000 + "b")]),
    "very many links through many folders": lambda: packed((f"l{i}", "a/" * 2000 + "b") for i in range(11_000)),
    "very deep folders": lambda: packed((f"{'a/' * 1900}{i}", "") for i in range(300)),
    "an archive in archives": lambda: gzip.compress(gzip.compress(packed([("m", "")]))),
}


@pytest.mark.parametrize("what", ENDLESS_NAMES)
def test_a_small_archive_takes_hours(store, tmp_path, what):
    body = ENDLESS_NAMES[what]()
    assert len(body) < MIB
    server = store(lambda h: h.send(200, body, Content_Type="application/x-tar"))
    result = fetch(f"{server.url}/m.tar.gz", tmp_path / "to", timeout=20)
    subprocess.run(["rm", "-rf", tmp_path], check=True)  # too deep for Python
    assert result.returncode == (0 if "deep" in what else 1), result.stderr


def test_a_listing_is_far_larger_in_memory(store, tmp_path):
    """Two bytes of text are a JSON value of more than fifty."""
    hub = store(lambda h: h.send(200, '{"siblings":[' + "0," * (30 * MIB) + "0]}"))
    command = f"ulimit -v {2560 * 1024}; exec {INITIALIZER} hf://owner/model {tmp_path / 'to'}"
    result = subprocess.run(["bash", "-c", command], env=environment(tmp_path, HF_ENDPOINT=hub.url),
                            capture_output=True, text=True, timeout=25)
    assert result.returncode == 1 and "too large" in result.stderr, (result.returncode, result.stderr[-500:])


def test_a_server_without_ranges_cuts_each_answer(store, tmp_path):
    """Each attempt brings bytes, and none of them counts."""
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(bytes(500))
        handler.close_connection = True

    server = store(answer)
    result = fetch(f"{server.url}/m.bin", tmp_path / "to", timeout=60)
    assert result.returncode == 1 and "gave up" in result.stderr, result.stderr
