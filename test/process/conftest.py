"""Fixtures that start the real binaries. Ports are always free ones; nothing outlives a test session."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
CACHE = pathlib.Path(os.environ.get("KINGLET_CACHE", pathlib.Path.home() / ".cache/kinglet"))
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


def wait_for(condition, seconds=60.0, what="the condition"):
    """Polls until condition() is true; returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"timed out after {seconds} s waiting for {what}"
        time.sleep(0.02)


class Standalone:
    """One `kinglet up` with a data folder of its own."""

    def __init__(self, folder):
        self.data = pathlib.Path(folder)
        self.process = None

    @property
    def kubeconfig(self):
        return self.data / "kubeconfig"

    def state(self):
        return json.loads((self.data / "state.json").read_text())

    def start(self, *flags):
        ready = self.data / "state.json"
        self.data.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        self.log = open(self.data / "test.log", "ab")
        # The API port stays the same over restarts, as it does for users.
        self.process = subprocess.Popen(
            [BIN / "kinglet", "up", "--data-dir", self.data, "--api-port", self._port("api"),
             "--gateway-port", self._port("gateway"), "--metrics-port", "0", *flags],
            stdout=self.log, stderr=self.log)
        wait_for(lambda: ready.exists() or self.process.poll() is not None, 60, "kinglet up")
        assert self.process.poll() is None, self.tail()
        return self

    def _port(self, which):
        file = self.data / f"port-{which}"
        if not file.exists():
            import socket

            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                file.write_text(str(probe.getsockname()[1]))
        return file.read_text()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def tail(self, lines=60):
        return "\n".join((self.data / "test.log").read_text(errors="replace").splitlines()[-lines:])

    def cli(self, *args, check=True, **options):
        return subprocess.run([BIN / "kinglet", *args], env=self.env(), text=True, capture_output=True,
                              check=check, **options)

    def env(self):
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "NO_COLOR": "1"}

    def isvc(self, name, namespace="default"):
        out = self.cli("get", "isvc", name, "-n", namespace, "-o", "json", check=False)
        return json.loads(out.stdout) if out.returncode == 0 else None

    def wait_ready(self, name, namespace="default", seconds=60):
        def ready():
            isvc = self.isvc(name, namespace) or {}
            conditions = isvc.get("status", {}).get("conditions", [])
            return isvc if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None

        try:
            return wait_for(ready, seconds, f"{name} to be Ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.isvc(name, namespace)}\n{self.tail()}") from None


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
