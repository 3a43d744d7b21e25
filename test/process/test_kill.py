"""kill -9 at random moments: everything returns to Ready, nothing half-written is served."""

import json
import os
import random
import signal
import urllib.request

import pytest

from conftest import IRIS_V1, Standalone, wait_for

ROUNDS = int(os.environ.get("KINGLET_KILL_ROUNDS", "4"))


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


def test_kill_the_model_server(own):
    for _ in range(ROUNDS):
        pids = wait_for(lambda: server_pids(own), 60, "a model server")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: works(own), 90, "predictions after a kill")
    own.wait_ready("sklearn-iris")
