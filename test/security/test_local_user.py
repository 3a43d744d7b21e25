"""Another user of the machine, against `kinglet up` of somebody else: what lies in files, what listens on loopback."""

import base64
import json
import os
import pathlib
import pwd
import resource
import shutil
import stat
import subprocess
import tempfile

import pytest
from conftest import BIN, ROOT, Standalone, wait_for

BOUNDARY = "local-user"

SECRET = "c2VjcmV0LW9mLXRlYW0tYQ=="  # base64 of "secret-of-team-a"


@pytest.fixture(scope="module")
def server():
    """A `kinglet up` in a world-readable place, as people make it, with a secret and a model in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-attack-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o755)
    server = Standalone(data).start()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "models", "namespace": "default"},
              "data": {"password": SECRET}}
    isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": "iris", "namespace": "default"},
            "spec": {"predictor": {"volumes": [{"name": "keys", "secret": {"secretName": "models"}}],
                                   "model": {"modelFormat": {"name": "sklearn"},
                                             "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
                                             "storageUri": f"file://{ROOT}/config/samples/sklearn/iris"}}}}
    server.cli("apply", "-f", "-", input=json.dumps(secret) + "\n---\n" + json.dumps(isvc))
    server.wait_ready("iris")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def readable(nobody, folder):
    """What the user `nobody` can read or write below a folder."""
    done = nobody(["find", str(folder), "-mindepth", "1", "(", "-readable", "-o", "-writable", ")"])
    return done.stdout.decode().split("\n")[:-1]


def test_no_file_of_the_data_folder_is_readable_or_writable(server, nobody):
    assert readable(nobody, server.data) == []


@pytest.mark.parametrize("name", ["kubeconfig", "kinglet.db", "pki/token", "pki/ca.key", "state.json"])
def test_a_file_whose_name_is_known_is_not_opened(server, nobody, name):
    assert (server.data / name).exists()
    assert nobody(["cat", str(server.data / name)]).returncode != 0


def test_the_secret_lies_nowhere_that_another_user_can_read(server, nobody):
    wait_for(lambda: (server.data / "kinglet.db").stat().st_size > 0, 20, "the database")
    plain = base64.b64decode(SECRET).decode()  # as it is mounted into the pod
    for text in (SECRET, plain):
        assert nobody(["grep", "-rl", text, str(server.data.parent), "/dev/shm"]).stdout == b""


def test_the_files_are_their_owners_alone_even_if_the_folder_is_opened(server):
    wide = [path for path in [server.data, *server.data.iterdir()]
            if path.name not in ("test.log", "port-api", "port-gateway")  # of the test itself
            and stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_dir()]
    assert wide == []


def test_a_model_in_the_data_folder_is_not_replaced(server, nobody):
    models = [path for path in server.data.rglob("*.joblib")]
    for path in models:
        assert nobody(["cp", "/etc/passwd", str(path)]).returncode != 0
    assert nobody(["touch", str(server.data / "model-cache")]).returncode != 0


def test_detached_server_keeps_its_log_to_itself(nobody):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-attack-"))
    folder.chmod(0o755)
    flags = ["--data-dir", folder / "data", "--api-port", "0", "--gateway-port", "0", "--metrics-port", "0"]
    try:
        subprocess.run([BIN / "kinglet", "up", "--detach", *flags], check=True, timeout=60, umask=0,
                       capture_output=True)
        assert (folder / "data" / "kinglet.log").exists()
        assert readable(nobody, folder) in ([], [str(folder / "data")]) and \
            nobody(["cat", str(folder / "data" / "kinglet.log")]).returncode != 0
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    finally:
        subprocess.run([BIN / "kinglet", "down", "--data-dir", folder / "data"], timeout=60, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def up(data, cwd="/", **environment):
    """Starts where it must be refused; returns what it says."""
    flags = ["--data-dir", data] if data else []
    process = subprocess.Popen([BIN / "kinglet", "up", *flags, "--api-port", "0", "--gateway-port", "0",
                                "--metrics-port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               cwd=cwd, env={key: value for key, value in {**os.environ, **environment}.items()
                                    if value is not None})
    try:
        return process.communicate(timeout=5)[0], process.returncode
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate(timeout=30)[0], None


@pytest.fixture
def place():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-attack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_data_folder_of_another_user_is_refused(nobody, place):
    (place / "data").mkdir()
    shutil.chown(place / "data", "nobody")
    said, status = up(place / "data")
    assert status == 1 and "belongs to another user" in said and "--data-dir" in said


def test_a_data_folder_below_a_folder_of_another_user_is_refused(nobody, place):
    (place / "theirs").mkdir()
    shutil.chown(place / "theirs", "nobody")
    said, status = up(place / "theirs" / "data")
    assert status == 1 and f"{place}/theirs belongs to another user" in said


def test_a_data_folder_below_a_folder_that_everybody_may_write_to_is_refused(place):
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    (place / "open" / "data").mkdir(mode=0o700)
    for data in (place / "open" / "data", place / "open" / "new" / "data"):
        said, status = up(data)
        assert status == 1 and "is writable by every user" in said


def test_a_link_of_another_user_to_a_data_folder_is_refused(nobody, place):
    (place / "real").mkdir(mode=0o700)
    (place / "shared").mkdir()
    (place / "shared").chmod(0o1777)
    link = place / "shared" / "kinglet"
    os.symlink(place / "real", link)
    account = pwd.getpwnam("nobody")
    os.lchown(link, account.pw_uid, account.pw_gid)
    said, status = up(link)
    assert status == 1 and "belongs to another user" in said
    said, status = up(link / "below")
    assert status == 1 and "belongs to another user" in said


def test_a_data_folder_that_others_could_read_is_closed_with_a_word(place):
    (place / "data").mkdir()
    (place / "data").chmod(0o777)
    server = Standalone(place / "data").start()
    try:
        assert stat.S_IMODE((place / "data").stat().st_mode) == 0o700
        assert "is closed to them now" in server.tail()
    finally:
        server.stop()


@pytest.mark.parametrize("home", [None, "", "/", "relative", "theirs", "missing"])
def test_a_home_that_is_not_the_users_own_is_not_used(nobody, place, home):
    if home == "theirs":
        home = str(place / "home")
        os.mkdir(home)
        shutil.chown(home, "nobody")
    if home == "missing":
        home = str(place / "missing")
    said, status = up(None, cwd=place, HOME=home, KINGLET_HOME=None)
    assert status == 1 and "--data-dir" in said and "KINGLET_HOME" in said, said


def test_down_does_not_signal_what_a_strangers_folder_names(nobody, place):
    victim = subprocess.Popen(["sleep", "60"])
    try:
        data = place / "data"
        data.mkdir()
        (data / "lock").write_text(str(victim.pid))
        holder = subprocess.Popen(["flock", "-x", str(data / "lock"), "sleep", "60"])
        wait_for(lambda: subprocess.run(["flock", "-n", str(data / "lock"), "true"]).returncode != 0, 10, "the lock")
        shutil.chown(data, "nobody")
        done = subprocess.run([BIN / "kinglet", "down", "--data-dir", data], capture_output=True, timeout=40)
        holder.kill()
        assert done.returncode == 1 and victim.poll() is None
    finally:
        victim.kill()


@pytest.mark.parametrize("path", ["/api/v1/secrets", "/api/v1/namespaces/default/pods", "/apis", "/openapi/v2"])
def test_the_api_server_answers_nothing_without_the_token(server, nobody, path):
    done = nobody(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", server.state()["api"] + path])
    assert done.stdout == b"401"


def test_no_process_shows_the_token_in_its_arguments_or_environment(server, nobody):
    token = (server.data / "pki" / "token").read_text()
    assert token.encode() not in nobody(["ps", "axww", "-o", "args"]).stdout
    shown = nobody(["sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null"])
    assert token.encode() not in shown.stdout


def test_the_token_is_not_in_the_log(server):
    token = (server.data / "pki" / "token").read_text()
    assert token not in (server.data / "test.log").read_text(errors="replace")


def post(nobody, url):
    return nobody(["curl", "-s", "-X", "POST", "-o", "/dev/null", "-w", "%{http_code}", url]).stdout.decode()


def model_is_served(server):
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                           f"{server.state()['gateway']}/serving/default/iris/v1/models/iris"], capture_output=True)
    return done.stdout == b"200"


def test_a_model_is_not_unloaded_through_the_gateway(server, nobody):
    url = f"{server.state()['gateway']}/serving/default/iris/v2/repository/models/iris/unload"
    assert post(nobody, url) == "403"
    assert model_is_served(server)


def test_a_model_is_not_unloaded_at_the_pods_address(server, nobody):
    pods = json.loads(server.cli("get", "pods", "-o", "json").stdout)["items"]
    address = next(pod["status"]["podIP"] for pod in pods)
    assert post(nobody, f"http://{address}:8080/v2/repository/models/iris/unload") == "403"
    assert model_is_served(server)


def start_server(*flags):
    log = tempfile.NamedTemporaryFile("r", prefix="kinglet-attack-")
    process = subprocess.Popen([BIN / "kinglet", "serve", ROOT / "config/samples/sklearn/iris", "--http-port", "0",
                                "--model-name", "iris", *flags], stdout=open(log.name, "w"), stderr=subprocess.STDOUT)

    def address():
        text = pathlib.Path(log.name).read_text()
        return text.split(" on http://", 1)[1].split("\n", 1)[0] if " on http://" in text else None

    return process, "http://" + wait_for(address, 20, "kinglet serve")


@pytest.mark.parametrize("flags", [(), ("--http_host=127.77.0.1",)])
def test_a_model_of_kinglet_serve_is_unloaded_by_its_own_user_only(nobody, flags):
    process, url = start_server(*flags)
    try:
        assert post(nobody, f"{url}/v2/repository/models/iris/unload") == "403"
        own = subprocess.run(["curl", "-s", "-X", "POST", f"{url}/v2/repository/models/iris/unload"],
                             capture_output=True)
        assert b'"unload":true' in own.stdout
    finally:
        process.terminate()
        process.wait(40)


def test_a_caller_that_closes_at_once_is_not_taken_for_root(nobody):
    """The kernel shows a closed socket without its user."""
    process, url = start_server()
    script = ("import socket, sys\n"
              "for _ in range(300):\n"
              "    peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
              "    peer.sendall(b'POST /v2/repository/models/iris/unload HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
              "    if _ % 2: peer.shutdown(socket.SHUT_WR)\n"
              "    peer.close()\n")
    try:
        assert nobody(["/usr/bin/python3", "-c", script, url.rsplit(":", 1)[1]]).returncode == 0
        served = subprocess.run(["curl", "-s", f"{url}/v1/models/iris"], capture_output=True)
        assert b'"ready":true' in served.stdout
    finally:
        process.terminate()
        process.wait(40)


def metrics_while_nobody_runs(script, port, server):
    """Waits until the metrics answer the owner while the script holds connections to the port; how many it says it holds."""
    attacker = subprocess.Popen(["/usr/bin/python3", "-c", script, port], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, user=pwd.getpwnam("nobody").pw_uid, extra_groups=[], cwd="/")

    def answered():
        done = subprocess.run(["curl", "-s", "-m", "5", server.state()["metrics"]], capture_output=True)
        return b"process_open_fds" in done.stdout

    try:
        held = int(attacker.stdout.readline())
        wait_for(answered, 20, "the metrics")
        return held
    finally:
        attacker.kill()


def test_idle_connections_of_another_user_do_not_keep_the_owner_out(server, nobody):
    """More than the metrics server takes, each after one answer; room comes back without their help."""
    port = server.state()["metrics"].split(":")[2].split("/")[0]
    script = ("import socket, sys\n"
              "kept = []\n"
              "for _ in range(100):\n"
              "    try:\n"
              "        peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2)\n"
              "        peer.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
              "        peer.recv(1000)\n"
              "        kept.append(peer)\n"
              "    except OSError: pass\n"
              "print(len(kept), flush=True); sys.stdin.read()\n")
    held = metrics_while_nobody_runs(script, port, server)
    assert held > 32


def test_bodies_of_another_user_that_never_come_do_not_keep_the_owner_out(server, nobody):
    port = server.state()["metrics"].split(":")[2].split("/")[0]
    script = ("import socket, sys\n"
              "kept = []\n"
              "for _ in range(100):\n"
              "    peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2)\n"
              "    peer.sendall(b'POST /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 10\\r\\n\\r\\n')\n"
              "    kept.append(peer)\n"
              "print(len(kept), flush=True); sys.stdin.read()\n")
    held = metrics_while_nobody_runs(script, port, server)
    assert held == 100


def test_connections_of_another_user_do_not_take_the_api_servers_descriptors(server, nobody):
    """Idle connections to the gateway, as many as it takes, while the API goes on."""
    port = server.state()["gateway"].rsplit(":", 1)[1]
    script = ("import resource, socket, sys\n"
              "limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
              "resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4096), limit))\n"
              "kept = []\n"
              "try:\n"
              "    for _ in range(2000): kept.append(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2))\n"
              "except OSError: pass\n"
              "print(len(kept), flush=True); sys.stdin.read()\n")
    attacker = subprocess.Popen(["/usr/bin/python3", "-c", script, port], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, user=pwd.getpwnam("nobody").pw_uid, extra_groups=[], cwd="/")
    try:
        assert int(attacker.stdout.readline()) > 100
        assert server.cli("get", "isvc", "iris", timeout=20).returncode == 0
    finally:
        attacker.kill()


HOLDS_CONNECTIONS = """
import resource, socket, sys
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4096), limit))
kept = []
try:
    for _ in range(int(sys.argv[3])):
        peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
        peer.sendall(sys.argv[4].encode())
        kept.append(peer)
except OSError: pass
print(len(kept), flush=True); sys.stdin.read()
"""


def hold(address, port, count, text):
    """As nobody, connections that have sent `text` and wait; ends when it is killed."""
    process = subprocess.Popen(["/usr/bin/python3", "-c", HOLDS_CONNECTIONS, address, str(port), str(count), text],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=pwd.getpwnam("nobody").pw_uid,
                               extra_groups=[], cwd="/")
    assert int(process.stdout.readline()) > 30
    return process


@pytest.fixture(scope="module")
def small_server(nobody):
    """A `kinglet up` that may open 2048 descriptors, so that few connections show what many would do."""
    with tempfile.TemporaryDirectory(prefix="kinglet-attack-") as folder:
        server = Standalone(folder).start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048)))
        isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "iris", "namespace": "default"},
                "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"},
                                                 "storageUri": f"file://{ROOT}/config/samples/sklearn/iris"}}}}
        server.cli("apply", "-f", "-", input=json.dumps(isvc))
        server.wait_ready("iris")
        yield server
        server.stop()


@pytest.mark.parametrize("at", ["pod", "gateway"])
def test_requests_without_an_end_do_not_keep_the_owner_out(small_server, at):
    """At the pod's address each connection has six descriptors of kinglet, and at the gateway one more to a pod."""
    pod = json.loads(small_server.cli("get", "pods", "-o", "json").stdout)["items"][0]
    gateway = small_server.state()["gateway"]
    path = "/v1/models/iris:predict" if at == "pod" else "/serving/default/iris/v1/models/iris:predict"
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n[["
    address, port = (pod["status"]["podIP"], 8080) if at == "pod" else gateway.split("//")[1].split(":")
    attacker = hold(address, port, 1000, request)
    try:
        open_now = len(os.listdir(f"/proc/{small_server.process.pid}/fd"))
        assert open_now < 1500
        assert small_server.cli("get", "isvc", "iris", timeout=20).returncode == 0
        done = subprocess.run(["curl", "-s", "-m", "10", "-d", '{"instances": [[6.8, 2.8, 4.8, 1.4]]}',
                               f"{gateway}/serving/default/iris/v1/models/iris:predict"], capture_output=True)
        assert done.stdout == b'{"predictions":[1]}'
    finally:
        attacker.kill()


def test_connections_to_a_server_with_few_descriptors_do_not_keep_the_owner_out(nobody):
    """256 descriptors are fewer than the connections that the server would take."""
    log = tempfile.NamedTemporaryFile("r", prefix="kinglet-attack-")
    process = subprocess.Popen([BIN / "kinglet", "serve", ROOT / "config/samples/sklearn/iris", "--http-port", "0",
                                "--model-name", "iris"], stdout=open(log.name, "w"), stderr=subprocess.STDOUT,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
    attacker = None
    try:
        text = wait_for(lambda: (lambda said: said if " on http://" in said else None)(
            pathlib.Path(log.name).read_text()), 20, "kinglet serve")
        address = text.split(" on http://", 1)[1].split("\n", 1)[0]
        attacker = hold(*address.split(":"), 400, "GET / HTTP/1.1\r\n")

        def answered():
            done = subprocess.run(["curl", "-s", "-m", "5", f"http://{address}/v1/models/iris"], capture_output=True)
            return b'"ready":true' in done.stdout

        wait_for(answered, 15, "an answer")
    finally:
        if attacker:
            attacker.kill()
        process.terminate()
        process.wait(40)
