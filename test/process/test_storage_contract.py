"""One contract for every storage scheme, on a real store of each: moto (S3), fake-gcs-server (GCS), Azurite
(Azure Blob), nginx (http), the distribution registry (OCI), git's own http-backend; and on servers written
from the specifications where there is no such program: Azure Files, WebHDFS and the Hugging Face Hub.
`-s` prints the table. tools/setup/emulators.sh installs the stores; without one its rows are skipped."""

import random
import subprocess
import time

import pytest

import storage_stores as stores
from test_storage import INITIALIZER, run, visible

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

BIG = random.Random(7).randbytes(5_000_000)
PLAIN = {"model.bin": BIG, "config.json": b"{}"}
NESTED = {"a.bin": b"one", "deep/er/b.bin": b"two", "deep/c": b"three"}
ODD = {"b c+d%.txt": b"1", "%41%2f": b"2", "é–模型/ü.bin": b"3", "a&b=c;d'e(f)": b"4", "~x@y,z!": b"5"}
MANY = {f"{i:04}": str(i).encode() for i in range(1203)}
ARCHIVED = {"model/a.txt": b"packed", "b.bin": BIG[:100_000]}

# What every store holds, by folder. A store that cannot hold something says so in `cannot`.
FOLDERS = {
    "plain": PLAIN,
    "plain-sibling": {"no": b"no"},
    "nested": NESTED,
    "odd": ODD,
    "empty": {"model.bin": b"x", "nothing": b""},
    "many": MANY,
    "packed": {"model.tar.gz": stores.tar_gz(ARCHIVED)},
    "slow": {"model.bin": BIG},
}
OBJECTS = {f"{folder}/{name}": content for folder, files in FOLDERS.items() for name, content in files.items()}
OBJECTS |= {"single": b"alone", "single-sibling": b"no"}
# An object and a folder of one name; a store with real folders cannot hold it.
BOTH = {"both": b"the object", "both/below": b"no"}

SCHEMES = ["s3", "gs", "azure-blob", "azure-file", "webhdfs", "http", "hf", "oci", "git"]
TABLE = {}


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    names = list(dict.fromkeys(case for _, case in TABLE))
    print("\n" + " " * 30 + "".join(f"{s:>12}" for s in SCHEMES))
    for case in names:
        print(f"{case:30}" + "".join(f"{TABLE.get((s, case), ''):>12}" for s in SCHEMES))


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Stores by scheme, each filled once."""
    made = {}

    def get(scheme):
        if scheme not in made:
            made[scheme] = stores.STORES[scheme](tmp_path_factory.mktemp(scheme), OBJECTS, BOTH)
        return made[scheme]

    yield get
    for store in made.values():
        store.close()


@pytest.fixture(params=SCHEMES)
def store(request, opened):
    case = request.node.name.partition("[")[0].removeprefix("test_")
    try:
        store = opened(request.param)
    except stores.Missing as missing:
        TABLE[request.param, case] = "skipped"
        pytest.skip(str(missing))
    if case in store.cannot:
        TABLE[request.param, case] = "-"
        pytest.skip(store.cannot[case])
    TABLE[request.param, case] = "FAILED"  # until the test says otherwise
    store.passed = lambda: TABLE.__setitem__((request.param, case), "ok")
    return store


def bring(store, path, to, *flags, **env):
    return run(store.uri(path), to, "--chunk-mib", 1, *flags, env={**store.env, **env})


def brings(store, path, to, expected):
    result = bring(store, path, to)
    assert result.returncode == 0, result.stderr[-2000:]
    assert visible(to) == expected
    assert result.stderr.strip().splitlines()[-1].startswith("Successfully copied ")
    store.passed()


def refuses(store, result, to, *words):
    """One clear last line, exit code 1 and nothing to see."""
    assert result.returncode == 1, result.stderr[-2000:]
    last = result.stderr.strip().splitlines()[-1]
    assert any(word in last for word in words), last
    assert visible(to) == {}
    store.passed()


def test_folder(store, tmp_path):
    brings(store, "plain", tmp_path / "m", store.seen("plain", PLAIN))


def test_nested(store, tmp_path):
    brings(store, "nested", tmp_path / "m", store.seen("nested", NESTED))


def test_odd_names(store, tmp_path):
    brings(store, "odd", tmp_path / "m", store.seen("odd", ODD))


def test_zero_bytes(store, tmp_path):
    brings(store, "empty", tmp_path / "m", store.seen("empty", FOLDERS["empty"]))


def test_over_a_thousand(store, tmp_path):
    brings(store, "many", tmp_path / "m", store.seen("many", MANY))


def test_one_object(store, tmp_path):
    brings(store, "single", tmp_path / "m", {"single": b"alone"})


def test_one_object_below(store, tmp_path):
    brings(store, "plain/model.bin", tmp_path / "m", store.seen("plain", {"model.bin": BIG}))


def test_object_and_folder(store, tmp_path):
    brings(store, "both", tmp_path / "m", store.seen_both)


def test_archive(store, tmp_path):
    brings(store, "packed/model.tar.gz", tmp_path / "m", ARCHIVED)


def test_missing(store, tmp_path):
    result = bring(store, "not-there", tmp_path / "m")
    refuses(store, result, tmp_path / "m", "No model found in", "404", "FileNotFoundException", "does not exist",
            "Repository not found")


def test_wrong_credentials(store, tmp_path):
    result = bring(store, "plain", tmp_path / "m", **store.wrong)
    refuses(store, result, tmp_path / "m", "401", "403", "AccessControlException", "AccessDenied", "password",
            "SignatureDoesNotMatch", "InvalidAccessKeyId", "Invalid credentials")


def test_a_folder_with_content(store, tmp_path):
    """As /mnt/models is: filled through a staging folder inside, and what lies there stays."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m/mine").write_bytes(b"kept")
    brings(store, "nested", tmp_path / "m", {**store.seen("nested", NESTED), "mine": b"kept"})


def test_twice(store, tmp_path):
    """The second run finds the marker and asks the store nothing: not even who may."""
    brings(store, "nested", tmp_path / "m", store.seen("nested", NESTED))
    result = bring(store, "nested", tmp_path / "m", **store.wrong)
    assert result.returncode == 0 and "complete already" in result.stderr
    assert visible(tmp_path / "m") == store.seen("nested", NESTED)


def test_resume(store, tmp_path):
    """Killed ten times; whole at the end, and never a part before."""
    to, dice = tmp_path / "m", random.Random(9)
    expected = store.seen("slow", FOLDERS["slow"])
    command = [INITIALIZER, store.uri("slow"), to, "--chunk-mib", "1", "--connections", "2"]
    for _ in range(10):
        process = subprocess.Popen(list(map(str, command)), env=stores.environment(store.env),
                                   stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0, 0.06))
        process.kill()
        process.wait()
        assert visible(to) in ({}, expected)
    brings(store, "slow", to, expected)
    assert (to / ".kinglet-complete").exists()
