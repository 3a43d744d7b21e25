"""kill -9 at random moments: everything returns to Ready, nothing half-written is served."""

import json
import os
import random
import signal
import subprocess
import urllib.request

import pytest

from conftest import IRIS_V1, Standalone, kubectls, wait_for

ROUNDS = int(os.environ.get("KINGLET_KILL_ROUNDS", "20"))


@pytest.fixture
def own(tmp_path, iris_manifest):
    server = Standalone(tmp_path / "data").start()
    (tmp_path / "iris.json").write_text(json.dumps(iris_manifest()))
    server.cli("apply", "-f", str(tmp_path / "iris.json"))
    server.wait_ready("sklearn-iris")
    yield server
    server.stop()


def predict(server):
    url = server.isvc("sklearn-iris")["status"]["url"] + "/v1/models/sklearn-iris:predict"
    request = urllib.request.Request(url, json.dumps(IRIS_V1).encode())
    return json.load(urllib.request.urlopen(request, timeout=10))


def works(server):
    try:
        return predict(server) == {"predictions": [1, 1]}
    except OSError:
        return False


def test_kill_kinglet_up(own):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        own.kill()
        own.start()
        # Sometimes before anything is ready again.
        if chance.random() < 0.5:
            own.wait_ready("sklearn-iris")
            wait_for(lambda: works(own), 60, "predictions")
    own.wait_ready("sklearn-iris")
    wait_for(lambda: works(own), 60, "predictions")


def server_pids(own):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if b"kinglet-server" in command[0]:
            if ancestor(int(pid), own.process.pid):
                found.append(int(pid))
    return found


def ancestor(pid, of):
    while pid > 1:
        if pid == of:
            return True
        try:
            pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


def replace_pods(own):
    """New pods in place of the present ones: their restarts are not counted against the new."""
    before = set(server_pids(own))
    names = kubectl(own, "get", "pods", "-o", "name").split()
    kubectl(own, "delete", *names, "--wait=false")
    wait_for(lambda: (now := set(server_pids(own))) and not now & before, 60, "another pod")


def kubectl(own, *args):
    return subprocess.run([kubectls()[0][1], *args], env=own.env(), text=True, check=True,
                          capture_output=True).stdout


def test_kill_the_model_server(own):
    for _ in range(ROUNDS):
        pids = wait_for(lambda: server_pids(own), 60, "a model server")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: works(own), 90, "predictions after a kill")
        # The second restart of a container waits 10 s and each further one twice as long, which is
        # Kubernetes' rule and would make twenty rounds an hour.
        replace_pods(own)
        wait_for(lambda: works(own), 60, "predictions of the new pod")
    own.wait_ready("sklearn-iris")
