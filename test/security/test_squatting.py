"""Another user of the machine who is there first: at a pod's port, in the data folder, where a model goes."""

import functools
import http.server
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import threading

import pytest
from conftest import BIN, ROOT, Standalone, wait_for

BOUNDARY = "local-user"

NOBODY = pwd.getpwnam("nobody")

# Takes a port as soon as it is free, answers everything with "forged" and prints the bodies it is sent.
TAKES_THE_PORT = """
import socket, sys, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try: server.bind((sys.argv[1], 8080)); break
    except OSError: time.sleep(0.01)
server.listen(100)
print("taken", flush=True)
while True:
    peer = server.accept()[0]
    print(peer.recv(65536), flush=True)
    body = b'{"predictions": ["forged"]}'
    peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    peer.close()
"""


@pytest.fixture
def place(nobody):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-attack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def predict(server):
    gateway = f"http://127.0.0.1:{(server.data / 'port-gateway').read_text()}"
    done = subprocess.run(["curl", "-s", "-m", "10", "-d", '{"instances": [[6.8, 2.8, 4.8, 1.4]]}',
                           f"{gateway}/serving/default/iris/v1/models/iris:predict"], capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("isolation", ["automatic", "host"])
def test_a_port_of_a_pod_is_taken_while_kinglet_is_down(place, isolation):
    """The API still has the pod as ready when kinglet starts again; its requests must not go to whoever is there."""
    server = Standalone(place / "data").start("--isolation", isolation)
    attacker = None
    try:
        isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "iris", "namespace": "default"},
                "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"},
                                                 "storageUri": f"file://{ROOT}/config/samples/sklearn/iris"}}}}
        server.cli("apply", "-f", "-", input=json.dumps(isvc))
        server.wait_ready("iris")
        address = json.loads(server.cli("get", "pods", "-o", "json").stdout)["items"][0]["status"]["podIP"]
        server.kill()
        attacker = subprocess.Popen(["/usr/bin/python3", "-c", TAKES_THE_PORT, address], user=NOBODY.pw_uid,
                                    group=NOBODY.pw_gid, extra_groups=[], cwd="/", stdout=subprocess.PIPE, text=True)
        assert attacker.stdout.readline() == "taken\n"
        # From the moment on in which the gateway listens.
        answers = []
        started = threading.Event()

        def ask():
            while not started.is_set():
                answers.append(predict(server))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            server.start("--isolation", isolation)
        finally:
            started.set()
            asking.join()

        def says_why():
            answers.append(predict(server))
            pods = server.cli("get", "pods", "-o", "json").stdout
            events = server.cli("get", "events", "-o", "json").stdout
            # A server that cannot listen may end before it is probed; then its log says so.
            log = server.cli("logs", json.loads(pods)["items"][0]["metadata"]["name"], check=False).stdout
            return ("is taken on all addresses" in pods or "held by a program of another user" in events or
                    "Address already in use" in log)

        wait_for(says_why, 20, "kinglet to say that the port is taken")
        answers += [predict(server) for _ in range(3)]
        assert not any("forged" in answer for answer in answers)
        attacker.kill()
        assert "instances" not in attacker.stdout.read()
        wait_for(lambda: "predictions" in predict(server), 60, "the pod, once the port is free")
    finally:
        if attacker:
            attacker.kill()
        server.stop()


@pytest.mark.parametrize("name", ["pki", "kinglet.db", "kinglet.log", "state.json"])
def test_a_data_folder_that_was_open_holds_something_of_another_user(nobody, place, name):
    (place / "data").mkdir()
    (place / "data").chmod(0o777)
    if name == "pki":
        nobody(["mkdir", str(place / "data/pki")])
    else:
        nobody(["touch", str(place / "data" / name)])
    up = subprocess.Popen([BIN / "kinglet", "up", "--data-dir", place / "data", "--api-port", "0",
                           "--gateway-port", "0", "--metrics-port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        said = up.communicate(timeout=5)[1]
    except subprocess.TimeoutExpired:
        up.terminate()
        said = up.communicate(timeout=30)[1]
    assert up.returncode == 1 and f"{place}/data/{name} belongs to another user" in said


def test_down_does_not_signal_what_another_user_wrote_into_an_open_folder(nobody, place):
    victim = subprocess.Popen(["sleep", "60"])
    data = place / "data"
    data.mkdir()
    data.chmod(0o777)
    nobody(["sh", "-c", f"echo {victim.pid} > {data}/lock"])
    holder = subprocess.Popen(["flock", "-x", str(data / "lock"), "sleep", "60"])
    try:
        wait_for(lambda: subprocess.run(["flock", "-n", str(data / "lock"), "true"]).returncode != 0, 10, "the lock")
        down = subprocess.Popen([BIN / "kinglet", "down", "--data-dir", data], stderr=subprocess.PIPE, text=True)
        wait_for(lambda: down.poll() is not None or victim.poll() is not None, 40, "kinglet down")
        holder.kill()
        assert victim.poll() is None and "belongs to another user" in down.communicate(timeout=40)[1]
    finally:
        holder.kill()
        victim.kill()


@pytest.fixture(scope="module")
def store():
    handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                                directory=ROOT / "config/samples/sklearn/iris")
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/model.joblib"
    server.shutdown()


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("planted", ["folder", "link", "staging", "lock"])
def test_a_model_is_pulled_to_where_another_user_was_first(nobody, place, store, scheme, planted):
    """In a folder as /tmp: a folder with a marker of completion, or with files to exchange while they are made."""
    shared, target = place / "shared", place / "target"
    shared.mkdir()
    shared.chmod(0o1777)
    target.mkdir()
    command = {"folder": ["mkdir", "-m", "777", str(shared / "model")],
               "link": ["ln", "-s", str(target), str(shared / "model")],
               "staging": ["mkdir", "-m", "777", str(shared / ".model.kinglet-staging")],
               "lock": ["touch", str(shared / ".model.kinglet-lock")]}[planted]
    assert nobody(command).returncode == 0
    if planted == "folder":
        nobody(["touch", str(shared / "model/.kinglet-complete")])
    uri = store if scheme == "http" else f"file://{ROOT}/config/samples/sklearn/iris"
    done = subprocess.run([BIN / "kinglet", "pull", uri, shared / "model"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "uid 65534" in done.stderr
    assert os.listdir(target) == []


def test_a_model_is_pulled_into_a_shared_folder_without_strangers(place, store):
    place.chmod(0o1777)
    subprocess.run([BIN / "kinglet", "pull", "--quiet", store, place / "model"], check=True, timeout=30)
    assert (place / "model/model.joblib").stat().st_size > 0
