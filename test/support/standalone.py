"""The real binaries under test: starting `kinglet up`, and waiting for what it does.

Shared by test/process and test/security. Ports are always free ones.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
CACHE = pathlib.Path(os.environ.get("KINGLET_CACHE", pathlib.Path.home() / ".cache/kinglet"))


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

    def start(self, *flags, programs=BIN, **options):
        """Starts the program of the folder `programs`; options are those of subprocess.Popen."""
        ready = self.data / "state.json"
        self.data.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        self.log = open(self.data / "test.log", "ab")
        # The API port stays the same over restarts, as it does for users.
        self.process = subprocess.Popen(
            [programs / "kinglet", "up", "--data-dir", self.data, "--api-port", self._port("api"),
             "--gateway-port", self._port("gateway"), "--metrics-port", "0", *flags],
            stdout=self.log, stderr=self.log, **options)
        wait_for(lambda: ready.exists() or self.process.poll() is not None, 60, "kinglet up")
        assert self.process.poll() is None, self.tail()
        return self

    def _port(self, which):
        file = self.data / f"port-{which}"
        if not file.exists():
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
