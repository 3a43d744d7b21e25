"""A pod against the programs that work for it: kinglet-pod, the kubelet's relay and probes, the storage initializer.

Most attacks are made by a program in a container; some by the author of a pod, who may name what kinglet does for it.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.error

import pytest

from conftest import BIN, Standalone, wait_for
from pods import Pods, python, refusal, shell

BOUNDARY = "pod"

ROOT_USER = {"securityContext": {"runAsUser": 0}}
MARKER = "kinglet-attack-marker"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the worst case is a kubelet that is root")


@pytest.fixture(scope="module")
def nobodys():
    """A kinglet of an ordinary user, to whom its programs belong, too: pods are that user on the machine."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-nobody-"))
    folder.chmod(0o755)
    programs, data = folder / "bin", folder / "data"
    shutil.copytree(BIN, programs)
    data.mkdir()
    (data / "test.log").touch()
    subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
    kinglet = Standalone(data)
    kinglet.start(programs=programs, user=65534, group=65534, extra_groups=[], cwd="/",
                  env={"HOME": str(folder), "PATH": os.environ["PATH"]})
    kinglet.programs = programs
    if kinglet.state()["isolation"] != "namespaces":
        kinglet.stop()
        pytest.skip("unprivileged users get no namespaces here")
    yield kinglet
    kinglet.kill()
    shutil.rmtree(folder, ignore_errors=True)


def logged(pods, name):
    """What the container has printed; nothing before it has started."""
    try:
        return pods.logs(name, "main")
    except urllib.error.HTTPError:
        return ""


# Stops what becomes a program of another container, after it has the pod's user and before it is that program.
STOP_NEWCOMERS = """
import os, signal
own = set(os.listdir('/proc'))
def is_newcomer(process):
    return b'kinglet-pod' in open('/proc/%s/cmdline' % process, 'rb').read(4096)
while True:
    for process in os.listdir('/proc'):
        if not process.isdigit() or process in own: continue
        try:
            while is_newcomer(process):
                try: os.kill(int(process), signal.SIGSTOP)
                except PermissionError: continue
                if is_newcomer(process): own.add(process); print('stopped', flush=True)
                else: os.kill(int(process), signal.SIGCONT)
                break
        except OSError: pass
"""


def test_a_pod_outlives_kinglet():
    """Its first process waits for a child that another container has stopped, and does not see that kinglet is gone."""
    kinglet = Standalone(tempfile.mkdtemp(prefix="kinglet-attack-"))
    try:
        kinglet.start()
        pods = Pods(kinglet)
        probed = shell(f"exec sleep 1001.{os.getpid()}", name="probed",
                       readinessProbe={"exec": {"command": ["/bin/false"]}, "periodSeconds": 1})
        name = pods.start({"containers": [python(STOP_NEWCOMERS, **ROOT_USER), probed]})
        wait_for(lambda: "stopped" in logged(pods, name), 30, "a process to be stopped")
        kinglet.kill()

        def left():
            return [p for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                    if f"1001.{os.getpid()}".encode() in read(p).split(b"\0")]

        wait_for(lambda: not left(), 15, "the pod's processes to go")
    finally:
        kinglet.stop()
        shutil.rmtree(kinglet.data, ignore_errors=True)


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_pod_stops_the_process_that_makes_its_sockets(nobodys):
    """kinglet's one thread for connections would wait for it, and no other pod could be reached any more."""
    pods = Pods(nobodys)
    stop = python("""
import os, signal
print('ready', flush=True)
while True:
    try: os.kill(-1, signal.SIGSTOP)
    except OSError: pass
""", ports=[{"containerPort": 8080}])
    greet = python("""
import socket
server = socket.create_server(('0.0.0.0', 8080))
while True: server.accept()[0].sendall(b'hello')
""", ports=[{"containerPort": 8080}], readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})
    attacker, victim = pods.start({"containers": [stop]}), pods.start({"containers": [greet]})
    try:
        addresses = [wait_for(lambda: pods.get(name)["status"].get("podIP"), 30, "an address") for name in (attacker, victim)]
        wait_for(lambda: "ready" in logged(pods, attacker), 30, "the attacker")
        wait_for(lambda: pods.get(victim)["status"]["containerStatuses"][0]["ready"], 30, "the victim")
        with socket.create_connection((addresses[0], 8080), 5):
            with socket.create_connection((addresses[1], 8080), 5) as client:
                client.settimeout(5)
                assert client.recv(16) == b"hello"
    finally:
        pods.delete(attacker)
        pods.delete(victim)


def test_a_container_changes_the_program_that_starts_it(nobodys):
    """It runs /proc/self/exe, which is kinglet-pod at first, and is then the owner of an open file of the machine."""
    pods, program = Pods(nobodys), nobodys.programs / "kinglet-pod"
    before = program.stat()
    script = """
import os
os.mkfifo('/tmp/wait')  # the linker of what the probe runs waits here
file = None
while file is None:
    for process in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.readlink('/proc/%s/exe' % process).startswith('/usr/'): continue
            file = os.open('/proc/%s/exe' % process, os.O_RDONLY)
        except OSError: pass
try: os.fchmod(file, 0o4777)
except OSError: pass
print('tried', flush=True)
"""
    name = pods.start({"containers": [python(script, env=[{"name": "LD_PRELOAD", "value": "/tmp/wait"}], readinessProbe={
        "exec": {"command": ["/proc/self/exe"]}, "periodSeconds": 1, "timeoutSeconds": 5})]})
    try:
        wait_for(lambda: "tried" in logged(pods, name), 30, "the attack")
        assert program.stat().st_mode == before.st_mode
    finally:
        pods.delete(name)
        program.chmod(0o755)


def test_connections_to_a_pod_take_all_descriptors_of_kinglet(pods, standalone):
    """Any user of the machine may make them, and so may other pods."""
    hold = python("""
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
server, held = socket.create_server(('0.0.0.0', 8080), backlog=4096), []
print('ready', flush=True)
while True: held.append(server.accept()[0])
""", ports=[{"containerPort": 8080}])
    name = pods.start({"containers": [hold]})
    limits = pathlib.Path(f"/proc/{standalone.process.pid}/limits").read_text()
    most = int(next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3])
    clients = []
    try:
        ip = wait_for(lambda: pods.get(name)["status"].get("podIP"), 30, "the pod's address")
        wait_for(lambda: "ready" in logged(pods, name), 30, "the server")
        for _ in range(most // 6):
            client = socket.socket()
            clients.append(client)
            client.setblocking(False)
            client.connect_ex((ip, 8080))
        descriptors = pathlib.Path(f"/proc/{standalone.process.pid}/fd")
        # All have been accepted, or reset, when one that is made afterwards has been.
        try:
            with socket.create_connection((ip, 8080), 5) as last:
                last.settimeout(2)
                last.recv(1)
        except OSError:
            pass
        assert len(list(descriptors.iterdir())) < most // 2
    finally:
        for client in clients:
            client.close()
        pods.delete(name)


# What the kubelet does for the author of a pod, on the machine's network.

@pytest.fixture
def recorder():
    """A service of the machine that only its own users are meant to reach; records what it is asked."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    asked.append(client.recv(4096))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)


def events_of(pods, name):
    events = json.loads(pods.call("GET", "/api/v1/namespaces/default/events"))["items"]
    return [e["message"] for e in events if e["involvedObject"]["name"] == name]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.64.0.77", "0.0.0.0"])
@pytest.mark.parametrize("hook", [False, True])
def test_a_probe_or_hook_calls_the_machines_services(pods, recorder, host, hook):
    port, asked = recorder
    action = {"httpGet": {"host": host, "port": port, "path": "/shutdown"}}
    fields = {"lifecycle": {"postStart": action}} if hook else {"readinessProbe": {**action, "periodSeconds": 1}}
    name = pods.start({"containers": [shell("exec sleep 1000", **fields)]})
    try:
        wait_for(lambda: asked or any("is this machine's own" in m for m in events_of(pods, name)), 30, "the kubelet's answer")
        assert not asked
    finally:
        pods.delete(name)


def test_a_probes_path_makes_a_request_of_its_own(pods):
    """A path with line breaks: what comes after them would be another request, of any method."""
    script = """
import socket
server = socket.create_server(('0.0.0.0', 8080))
while True:
    client = server.accept()[0]
    print(client.recv(4096), flush=True)
    client.close()
"""
    name = pods.start({"containers": [python(script, ports=[{"containerPort": 8080}], readinessProbe={"periodSeconds": 1, "httpGet": {
        "port": 8080, "path": "/ HTTP/1.1\r\nHost: x\r\n\r\nDELETE /all HTTP/1.1\r\nX: "}})]})
    try:
        wait_for(lambda: logged(pods, name) or any("control character" in m for m in events_of(pods, name)), 30, "the probe")
        assert "DELETE" not in logged(pods, name)
    finally:
        pods.delete(name)


def download(uri, **fields):
    return {"name": "main", "image": "kserve/storage-initializer:v0.15.0", "args": [uri, "/mnt/models"], **fields}


@pytest.mark.parametrize("where", ["PROGRAMS", "ABOVE", "/lib/x86_64-linux-gnu", "/usr", "/usr/lib/x86_64-linux-gnu",
                                   "/etc", "/etc/ssl", "/lib64"])
def test_a_volume_replaces_the_program_that_downloads(pods, where):
    """It has the machine's network and sees files of the machine, so no program of the pod may take its place."""
    folder = str(BIN.resolve())
    where = where.replace("PROGRAMS", folder).replace("ABOVE", str(pathlib.Path(folder).parent))
    below = "" if where == folder else "/" + pathlib.Path(folder).name
    plant = shell(f"mkdir -p /e{below}; printf '#!/bin/sh\\nreadlink /proc/self/ns/net\\n' > /e{below}/kinglet-storage-initializer; "
                  f"chmod 755 /e{below}/kinglet-storage-initializer", name="plant", volumeMounts=[{"name": "e", "mountPath": "/e"}])
    pod, text = pods.run({"initContainers": [plant], "volumes": [{"name": "e", "emptyDir": {}}], "containers": [
        download("http://127.0.0.1:1/x", volumeMounts=[{"name": "e", "mountPath": where}])]})
    assert os.readlink("/proc/self/ns/net") not in text
    assert "gets no volume where programs" in refusal(pod)


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GCONV_PATH", "OPENSSL_CONF", "OPENSSL_MODULES",
                                      "KRB5_CONFIG", "GSS_MECH_CONFIG"])
@pytest.mark.parametrize("source", ["env", "envFrom"])
def test_a_variable_loads_code_into_the_program_that_downloads(pods, variable, source):
    fields = {"env": [{"name": variable, "value": "/mnt/models/code.so"}]}
    if source == "envFrom":
        name = "load-" + variable.lower().replace("_", "-")
        pods.create("configmaps", {"metadata": {"name": name}, "data": {variable: "/mnt/models/code.so"}})
        fields = {"envFrom": [{"configMapRef": {"name": name}}]}
    pod, _ = pods.run({"containers": [download("http://127.0.0.1:1/x", **fields)]})
    assert f"env {variable}: " in refusal(pod)


def test_credentials_may_be_given_to_the_program_that_downloads(pods):
    """No attack: what KServe's webhook mounts is still mounted."""
    mounts = [{"name": "e", "mountPath": path} for path in ("/mnt/models", "/var/secrets", "/mnt/pvc")]
    pod, _ = pods.run({"volumes": [{"name": "e", "emptyDir": {}}], "containers": [
        download("http://127.0.0.1:1/x", volumeMounts=mounts, env=[{"name": "SSL_CERT_FILE", "value": "/var/secrets/x"}])]})
    assert not refusal(pod) and pod["status"]["phase"] == "Failed"


# Volumes whose path is relative lie in the data folder, beside what is kinglet's own.

@pytest.mark.parametrize("path", [".", "./", "pki", "./pki/", "pods", "claims", "claims/default", "kubeconfig", "kinglet.db",
                                  "vol/../pki", "link", "link/deeper/still"])
def test_a_persistent_volume_is_kinglets_own_data(pods, standalone, path):
    name = "own-" + path.encode().hex()
    if not (standalone.data / "link").is_symlink():
        (standalone.data / "link").symlink_to(standalone.data / "pki")
    owner = standalone.data.stat().st_uid
    ask = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    pods.create("persistentvolumes", {"metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": path, "type": "DirectoryOrCreate" if "deeper" in path else ""}}}, namespaced=False)
    pods.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": {**ask, "volumeName": name}})
    pod, text = pods.run({"containers": [shell("cat /c/token /c", volumeMounts=[{"name": "c", "mountPath": "/c"}], **ROOT_USER)],
                          "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": name}}]})
    assert text == "" and refusal(pod)
    assert standalone.data.stat().st_uid == owner and (standalone.data / "pki").stat().st_uid == owner
    assert not (standalone.data / "pki/deeper").exists()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86-64")
@pytest.mark.parametrize("family", [40, 30, 38, 2, 16])
def test_a_pair_of_sockets_reaches_rare_parts_of_the_kernel(pods, family):
    """socketpair(2) makes sockets of any family, and loads the kernel's module for it, before it says that it cannot."""
    script = f"import socket\ntry: socket.socketpair({family}, socket.SOCK_STREAM); print('made')\nexcept OSError as e: print(e.errno)"
    _, text = pods.run({"containers": [python(script, **ROOT_USER)]})
    assert text.strip() == "97"  # EAFNOSUPPORT, from the filter


def test_the_machine_answers_at_the_address_of_a_pod_on_its_network(pods):
    """Another pod may connect to a pod with hostNetwork, but not to every service of the machine by its address."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        other = pods.start({"hostNetwork": True, "containers": [shell("exec sleep 1000")]})
        try:
            ip = wait_for(lambda: pods.get(other)["status"].get("podIP"), 30, "the address")
            wait_for(lambda: pods.get(other)["status"].get("phase") == "Running", 30, "the pod")
            script = f"import socket; print(socket.socket().connect_ex(('{ip}', {server.getsockname()[1]})))"
            _, text = pods.run({"containers": [python(script, **ROOT_USER)]})
            assert text.strip() == "111"
        finally:
            pods.delete(other)
