"""Fixtures: one control plane with the manager, and one standalone mode, for all tests of a run."""

import pytest

from cluster import ROOT, Api, ControlPlane, Manager, Standalone, documents  # noqa: F401


class Target:
    """Where a table is played: its API, and the log of who answers there."""

    def __init__(self, name, api, process):
        self.name, self.api, self.log = name, api, process.output


@pytest.fixture(scope="session")
def plane():
    plane = ControlPlane()
    yield plane
    plane.stop()


@pytest.fixture(scope="session")
def webhooks(plane):
    """A manager without controllers."""
    manager = Manager(plane, name="webhooks", flags=["--controllers=none", "--webhook-certs-period=1s"], webhooks=True)
    plane.register_webhooks(manager.webhook_port)
    manager.start()
    yield manager
    assert manager.stop() == 0, manager.process.output()[-3000:]


@pytest.fixture(scope="session")
def controllers(plane, webhooks):
    """A manager without webhooks: some tests stop it for a while."""
    manager = Manager(plane, name="controllers").start()
    yield manager
    assert manager.stop() == 0, manager.process.output()[-3000:]


@pytest.fixture(scope="session")
def standalone():
    standalone = Standalone()
    for o in documents(ROOT / "config/configmap"):
        standalone.api.apply(o)
    yield standalone
    standalone.stop()


@pytest.fixture(scope="session", params=["kubernetes", "standalone"])
def target(request):
    if request.param == "kubernetes":
        process = request.getfixturevalue("controllers").process
        api = request.getfixturevalue("plane").api
    else:
        standalone = request.getfixturevalue("standalone")
        process, api = standalone.process, standalone.api
    api.merge({"apiVersion": "v1", "kind": "ConfigMap",
               "metadata": {"name": "inferenceservice-config", "namespace": "kserve"}},
              {"data": {"deploy": '{"defaultDeploymentMode": "RawDeployment"}'}})
    return Target(request.param, api, process)


def pytest_collection_modifyitems(items):
    """What is said of the whole run is said at its end."""
    items.sort(key=lambda item: item.fspath.basename == "test_audit.py")
