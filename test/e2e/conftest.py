"""One cluster with a real node for all tests of a run; started within tools/kube/isolated.sh."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "apiserver"))

from node import Cluster  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    try:
        cluster.install()
        yield cluster
    finally:
        cluster.stop()
