"""Fixtures that start the real binaries. Ports are always free ones; nothing outlives a test session."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from standalone import BIN, CACHE, ROOT, Standalone, wait_for  # noqa: E402, F401  (tests import them from here)

IRIS_V1 = {"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}
IRIS_V2 = {
    "inputs": [
        {
            "name": "input-0",
            "shape": [2, 4],
            "datatype": "FP32",
            "data": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]],
        }
    ]
}


@pytest.fixture(scope="session")
def standalone():
    folder = tempfile.mkdtemp(prefix="kinglet-test-")
    server = Standalone(folder).start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def samples():
    return ROOT / "config/samples"


@pytest.fixture
def iris_manifest(samples):
    def make(name="sklearn-iris"):
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"predictor": {"model": {
                "modelFormat": {"name": "sklearn"},
                "storageUri": f"file://{samples}/sklearn/iris"}}},
        }

    return make


def kubectls():
    """Every kubectl there is to try: (name, path)."""
    found = []
    for name, path in (("1.33", CACHE / "kube/bin/kubectl"), ("1.20", CACHE / "kube/debian-kubectl/kubectl")):
        if path.exists():
            found.append((name, str(path)))
    return found
