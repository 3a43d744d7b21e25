"""Fixtures for attacks, and the count of attacks by trust boundary.

Each test is one attack that must fail. Each module names the boundary it attacks, one of BOUNDARIES, in a
constant BOUNDARY; the boundaries are those of docs/threat-model.md. To see that a test really attacks, run it
against the programs of an older build: KINGLET_BIN_DIR=<old>/build/release/bin.
"""

import collections
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from pods import Pods  # noqa: E402
from standalone import BIN, CACHE, ROOT, Standalone, wait_for  # noqa: E402, F401  (tests import them from here)

BOUNDARIES = {
    "webhook": "whoever reaches a webhook or the manager",
    "tenant": "one namespace against another",
    "pod": "a pod against the machine it runs on",
    "local-user": "another user of the machine against standalone mode",
    "web-page": "a web page in a browser on the machine",
    "store": "a registry, bucket or web server that a model is read from",
    "model": "the author of a model file or of a request body",
    "network": "a network neighbour of an endpoint",
    "client": "a server that the command line tools talk to",
    "supply": "the build, its dependencies and the manifests that are shipped",
}


def pytest_collection_modifyitems(items):
    for item in items:
        boundary = getattr(item.module, "BOUNDARY", None)
        assert boundary in BOUNDARIES, f"{item.module.__name__} must name its boundary: BOUNDARY = one of {list(BOUNDARIES)}"


def pytest_terminal_summary(terminalreporter):
    boundaries = {item.nodeid: item.module.BOUNDARY for item in terminalreporter._session.items}
    counts = collections.Counter(boundaries[r.nodeid] for r in terminalreporter.stats.get("passed", [])
                                 if r.when == "call" and r.nodeid in boundaries)
    for boundary, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count:4} attacks refused at boundary {boundary}: {BOUNDARIES[boundary]}")


@pytest.fixture(scope="session")
def programs():
    """The folder of the programs, copied to where every user may read and execute them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-programs-"))
    folder.chmod(0o755)
    for program in BIN.iterdir():
        if program.is_file() and os.access(program, os.X_OK):
            shutil.copy2(program, folder / program.name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def nobody():
    """Runs a command as the unprivileged user `nobody`: nobody(["cat", path]) -> CompletedProcess."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    account = pwd.getpwnam("nobody")

    def run(command, **options):
        return subprocess.run(command, user=account.pw_uid, group=account.pw_gid, extra_groups=[],
                              capture_output=True, timeout=60, cwd="/", **options)

    return run


@pytest.fixture(scope="session")
def standalone():
    """One `kinglet up`, run by the user who runs the tests, shared by all attacks of a module's run."""
    folder = tempfile.mkdtemp(prefix="kinglet-attack-")
    server = Standalone(folder).start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pods(standalone):
    """The pods of that `kinglet up`, with namespaces of their own."""
    if standalone.state()["isolation"] != "namespaces":
        pytest.skip("the kernel gives pods no namespaces here")
    return Pods(standalone)
