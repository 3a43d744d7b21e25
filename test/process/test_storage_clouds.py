"""What single schemes have beyond test_storage_contract.py: Azure's public containers and git's packs, links,
modes and hostile trees."""

import os
import random
import shutil
import subprocess
import urllib.parse

import pytest

import storage_stores as stores
from test_storage import INITIALIZER, run, visible

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

BIG = random.Random(7).randbytes(5_000_000)


@pytest.fixture(scope="module")
def gcs(tmp_path_factory):
    """fake-gcs-server with a model and an object whose names begin alike."""
    objects = {"m/model.bin": BIG, "m/deep/b c+d%.txt": b"two", "m/empty": b"", "m-sibling/x": b"no",
               "single": b"alone", "single-sibling": b"no"}
    try:
        with stores.opened(stores.Gcs, tmp_path_factory.mktemp("gcs"), objects) as store:
            yield store.base
    except stores.Missing as missing:
        pytest.skip(str(missing))


def test_azure_anonymous(tmp_path):
    try:
        opened = stores.opened(stores.AzureBlob, tmp_path, {"m/x": b"secret"})
        with opened as store:
            anonymous = {"AZURE_STORAGE_CONNECTION_STRING": store.env["AZURE_STORAGE_CONNECTION_STRING"]}
            result = run(store.uri("m"), tmp_path / "c", env=anonymous)
            assert result.returncode == 1 and "asked anonymously" in result.stderr
            public = f"https://{stores.ACCOUNT}.blob.core.windows.net/open/m"
            result = run(public, tmp_path / "d", env=anonymous)
            assert result.returncode == 0, result.stderr
            assert visible(tmp_path / "d") == {"a b%.txt": b"public"}
            result = run(f"{public}/{urllib.parse.quote('a b%.txt')}", tmp_path / "e", env=anonymous)
            assert visible(tmp_path / "e") == {"a b%.txt": b"public"}
    except stores.Missing as missing:
        pytest.skip(str(missing))


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
    server = stores.GitServer(tmp_path)
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


def test_hadoop_checksums(tmp_path, monkeypatch):
    """Files of one block and of several, with an end that fills a block and one that does not."""
    objects = {f"m/{size}": random.Random(size).randbytes(size) for size in (1, 512, 700, 4096, 8192, 8193, 100_000)}
    store = stores.WebHdfs(tmp_path, objects, {})
    store.blocks = 4096, 512
    try:
        result = run("hdfs://m", tmp_path / "m", env=store.env)
        assert result.returncode == 0, result.stderr
        assert visible(tmp_path / "m") == {k.removeprefix("m/"): v for k, v in objects.items()}
        assert "again" not in result.stderr and store.opened == len(objects)
        real, store.opened = stores.hdfs_checksum, 0
        monkeypatch.setattr(stores, "hdfs_checksum", lambda content, *blocks: real(content + b"x", *blocks))
        result = run("hdfs://m/700", tmp_path / "n", env=store.env)
        # Fetched twice, and believed since it came the same twice.
        assert result.returncode == 0 and "fetching a file again" in result.stderr and store.opened == 2
    finally:
        store.close()
