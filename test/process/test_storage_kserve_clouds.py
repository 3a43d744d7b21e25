"""The storage initializer beside KServe's own on Google's, Azure's, Hugging Face's and Hadoop's stores: the
cases of KServe's own tests of its initializer, asked of real programs, and odd names. Where they differ on
purpose, the test says how."""

import pytest

import storage_stores as stores
from kserve_storage import compare, kserve  # noqa: F401
from test_storage import INITIALIZER

pytest.importorskip("kserve.storage")
pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

FILES = {"model/a.txt": b"one", "b.txt": b"two" * 1000}
OBJECTS = {
    "m/model.bin": b"m" * 2_000_000,
    "m/deep/er/b c+d%.txt": b"two",
    "m/é–模型/ü": b"three",
    "m/empty": b"",
    "m-sibling/x": b"sibling",
    "single": b"alone",
    "single-sibling": b"no",
    "some/deep/blob/f1": b"1",
    "some/deep/blob/f2/f21": b"2",
    "packed/model.tar.gz": stores.tar_gz(FILES),
    "broken/model.zip": b"PK nothing",
    "odd folder/x y": b"x",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    made = {}

    def get(kind):
        if kind not in made:
            try:
                made[kind] = kind(tmp_path_factory.mktemp(kind.__name__), OBJECTS, {})
            except stores.Missing as missing:
                pytest.skip(str(missing))
        return made[kind]

    yield get
    for store in made.values():
        store.close()


@pytest.fixture
def same(compare):  # noqa: F811
    """Both give these files."""

    def check(uri, env, count):
        files, _ = compare(uri, env=env)
        assert isinstance(files, dict) and len(files) == count, (uri, files)

    return check


def test_google(opened, same, compare):  # noqa: F811
    store = opened(stores.Gcs)
    for path, count in (("m", 4), ("m/", 4), ("m/deep", 1), ("m/model.bin", 1), ("single", 1), ("some", 2),
                        ("some/deep/blob", 2), ("packed", 2), ("packed/model.tar.gz", 2), ("odd folder", 1),
                        ("m/deep/er/b c+d%.txt", 1), ("m/é–模型", 1)):
        same(f"gs://models/{path}", store.env, count)
    ours, theirs = compare("gs://models/broken", env=store.env, same=False)
    assert ours.startswith(theirs)
    # KServe asks for an object that is not there and gives the client's 404; ours says what a missing model
    # is said in all other schemes.
    for uri in ("gs://models/none", "gs://models/sing", "gs://none/m"):
        ours, theirs = compare(uri, env=store.env, same=False)
        assert "404" in theirs
        assert ours in (f"Failed to fetch model. No model found in {uri}.",
                        "gs://none: The specified bucket does not exist.")


def test_azure_blob(opened, same, compare):  # noqa: F811
    store = opened(stores.AzureBlob)
    base = f"https://{stores.ACCOUNT}.blob.core.windows.net/models"
    for path, count in (("m/", 5), ("m/deep", 1), ("m/model.bin", 1), ("some/deep/blob/", 2), ("some/deep/blob/f2", 1),
                        ("packed", 2), ("some/deep/blob/f1", 1), ("packed/model.tar.gz", 2)):
        same(f"{base}/{path}", store.env, count)
    compare(f"{base}/none", env=store.env)
    ours, theirs = compare(f"{base}/broken", env=store.env, same=False)
    assert ours.startswith(theirs)
    # A blob of exactly the name comes alone; KServe takes what begins with the name as well.
    ours, theirs = compare(f"{base}/single", env=store.env, same=False)
    assert ours == {"single": b"alone"} and theirs == {"single": b"alone", "-sibling": b"no"}


def test_azure_files(opened, same, compare):  # noqa: F811
    store = opened(stores.AzureFile)
    base = f"https://{stores.ACCOUNT}.file.core.windows.net/models"
    for path, count in (("m", 4), ("m/deep", 1), ("some/deep/blob", 2), ("some", 2), ("packed", 2)):
        same(f"{base}/{path}", store.env, count)
    # A file's own path is no folder for KServe.
    ours, theirs = compare(f"{base}/single", env=store.env, same=False)
    assert ours == {"single": b"alone"} and isinstance(theirs, str)


def test_hub(opened, compare):  # noqa: F811
    store = opened(stores.Hub)
    for name in ("m", "some", "single"):
        ours, theirs = compare(f"hf://models/{name}", env=store.env, same=False)
        # KServe's client leaves its own folder beside the model.
        assert ours == {k: v for k, v in theirs.items() if not k.startswith(".cache/")} and ours
    ours, theirs = compare("hf://models/none", env=store.env, same=False)
    assert "404" in theirs and "Repository not found" in ours
    for uri in ("hf://m", "hf://a/b/c", "hf:///m", "hf://a/", "hf://a/:main", "hf://", "hf://a", "hf://a/b:c/d"):
        assert isinstance(compare(uri, env=store.env)[0], str)


def test_hadoop(opened, same, compare):  # noqa: F811
    store = opened(stores.WebHdfs)
    for path, count in (("m", 4), ("m/deep", 1), ("m/model.bin", 1), ("some/deep/blob", 2), ("packed", 2), ("single", 1),
                        ("packed/model.tar.gz", 2), ("odd folder", 1)):
        same(f"hdfs://{path}", store.env, count)
        same(f"webhdfs://{path}", store.env, count)
    ours, theirs = compare("hdfs://none", env=store.env, same=False)
    assert "File does not exist" in theirs and theirs.splitlines()[0] in ours
