"""Test clusters: a real etcd and kube-apiserver, or standalone mode; and a plain client for both."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
CACHE = pathlib.Path(os.environ.get("KINGLET_CACHE", pathlib.Path.home() / ".cache/kinglet"))
KUBE_BIN = CACHE / "kube/bin"
SERVICE_ACCOUNT = "system:serviceaccount:kserve:kserve-controller-manager"


def wait_for(condition, seconds=20.0, what="the condition"):
    """Polls until condition() is true; returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {seconds} s waiting for {what}")
        time.sleep(0.02)
    return value


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def documents(path):
    """The YAML documents of a file, or of all files below a folder."""
    path = pathlib.Path(path)
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    for file in files:
        for document in yaml.safe_load_all(file.read_text()):
            if document and document["kind"] != "Kustomization":
                yield document


class ApiError(Exception):
    def __init__(self, code, status):
        super().__init__(f"{code}: {status.get('message', status)}")
        self.code, self.message = code, status.get("message", "")
        self.reason = status.get("reason", "")


class Api:
    """The verbs the tests need, on plain objects; one kept connection a thread."""

    def __init__(self, kubeconfig):
        self.kubeconfig = pathlib.Path(kubeconfig)
        config = yaml.safe_load(self.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url = urllib.parse.urlsplit(cluster["server"])
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self.headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(base64.b64decode(user["client-certificate-data"]))
                pem.write(base64.b64decode(user["client-key-data"]))
                pem.flush()
                self.tls.load_cert_chain(pem.name)
        self.local, self.kinds = threading.local(), {}

    def call(self, method, path, body=None, content_type="application/json"):
        data = None if body is None else json.dumps(body)
        for last in (False, True):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = self.local.connection = http.client.HTTPSConnection(
                    self.url.hostname, self.url.port, context=self.tls, timeout=30)
            try:
                connection.request(method, path, data, {**self.headers, "Content-Type": content_type})
                response = connection.getresponse()
                text = response.read()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self.local.connection = None
                if last:
                    raise
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"message": text.decode(errors="replace")}
        if response.status >= 400:
            raise ApiError(response.status, answer)
        return answer

    def path(self, version, kind, namespace=None, name=None, sub=None):
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self.kinds:
            for resource in self.call("GET", group)["resources"]:
                if "/" not in resource["name"]:
                    self.kinds[version, resource["kind"]] = resource
        resource = self.kinds[version, kind]
        if resource["namespaced"] and namespace:
            group += f"/namespaces/{namespace}"
        return "/".join([group, resource["name"], *filter(None, (name, sub))])

    def of(self, o, namespace=None, named=True, sub=None):
        meta = o["metadata"]
        return self.path(o["apiVersion"], o["kind"], meta.get("namespace") or namespace,
                         meta["name"] if named else None, sub)

    def get(self, o, namespace=None):
        try:
            return self.call("GET", self.of(o, namespace))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, version, kind, namespace=None, selector=""):
        query = f"?labelSelector={urllib.parse.quote(selector)}" if selector else ""
        return self.call("GET", self.path(version, kind, namespace) + query)["items"]

    def create(self, o, namespace=None, dry_run=False):
        return self.call("POST", self.of(o, namespace, named=False) + ("?dryRun=All" if dry_run else ""), o)

    def merge(self, o, patch, namespace=None, sub=None, dry_run=False):
        return self.call("PATCH", self.of(o, namespace, sub=sub) + ("?dryRun=All" if dry_run else ""), patch,
                         "application/merge-patch+json")

    def apply(self, o, namespace=None):
        """Creates, or merges into what is there."""
        try:
            return self.create(o, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        return self.merge(o, o, namespace)

    def delete(self, o, namespace=None):
        with contextlib.suppress(ApiError):
            self.call("DELETE", self.of(o, namespace))

    def ensure_namespace(self, name):
        with contextlib.suppress(ApiError):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


class Process:
    """A child with its output in a file, ended by its id."""

    def __init__(self, command, log, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
                                          start_new_session=True)

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self, seconds=10):
        """SIGTERM; the exit status. Raises when it takes longer."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.child.args[0]} did not end {seconds} s after SIGTERM") from None
        return self.child.returncode

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def output(self):
        return self.log.read_text(errors="replace")


class ControlPlane:
    """A real etcd and kube-apiserver with RBAC and an audit log; KServe's and foreign kinds installed, or nothing."""

    def __init__(self, installed=True, parts=""):
        self.parts = parts
        for name in ("etcd", "kube-apiserver"):
            assert (KUBE_BIN / name).exists(), f"no {name} in {KUBE_BIN}: tools/setup/kube-apiserver.sh builds it"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-apiserver-"))
        self.audit_log = self.folder / "audit.log"
        policy = self.folder / "audit.yaml"
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
                                      "omitStages": ["RequestReceived", "ResponseStarted"],
                                      "rules": [{"level": "Metadata"}]}))
        self.start(f"--audit-policy-file={policy} --audit-log-path={self.audit_log}")
        self.api = Api(self.folder / "admin.kubeconfig")
        if installed:
            self.install()

    def start(self, flags):
        # Some ports in a row are wanted; somebody may take one meanwhile.
        for attempt in range(5):
            port = self.port_block()
            env = {**os.environ, "BIN": str(KUBE_BIN), "PORT": str(port), "WITH": self.parts, "EXTRA_API": flags}
            started = subprocess.run([ROOT / "tools/kube/start-controlplane.sh", self.folder], env=env, text=True,
                                     capture_output=True)
            if started.returncode == 0:
                return
            self.stop_processes()
        raise AssertionError(f"the control plane does not start: {started.stderr}")

    @staticmethod
    def port_block():
        while True:
            port = free_ports(1)[0]
            if port < 60000:
                with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
                    for offset in range(4):
                        stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
                    return port

    def install(self):
        api = self.api
        for crd in [*documents(ROOT / "config/crd"), *documents(pathlib.Path(__file__).parent / "foreign_crds.yaml")]:
            api.create(crd)
        for crd in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
            wait_for(lambda: self.serves(crd), what=f"{crd['metadata']['name']} to be served")
        api.ensure_namespace("kserve")
        for file in sorted((ROOT / "config/rbac").glob("*.yaml")):
            for o in documents(file):
                api.apply(o)
        for folder in ("configmap", "storagecontainers", "runtimes"):
            for o in documents(ROOT / "config" / folder):
                api.apply(o)
        # The shipped default, Serverless, is what a row that wants it asks for by annotation.
        api.apply({"apiVersion": "v1", "kind": "ConfigMap",
                   "metadata": {"name": "inferenceservice-config", "namespace": "kserve"},
                   "data": {"deploy": '{"defaultDeploymentMode": "RawDeployment"}'}})

    def serves(self, crd):
        spec = crd["spec"]
        try:
            for version in spec["versions"]:
                self.api.call("GET", f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}?limit=1")
            return True
        except ApiError:
            return False

    def kubeconfig_for(self, name, token, server=None):
        """The admin's kubeconfig with a token instead of its certificate."""
        config = yaml.safe_load((self.folder / "admin.kubeconfig").read_text())
        config["users"][0]["user"] = {"token": token}
        if server:
            config["clusters"][0]["cluster"]["server"] = server
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def manager_kubeconfig(self, name="manager", server=None):
        """As the Deployment's ServiceAccount: the generated RBAC and nothing else."""
        token = self.api.call("POST", "/api/v1/namespaces/kserve/serviceaccounts/kserve-controller-manager/token",
                              {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                               "spec": {"expirationSeconds": 7200}})["status"]["token"]
        return self.kubeconfig_for(name, token, server)

    def register_webhooks(self, port, configurations=None):
        """The shipped webhook configurations (or those), with the manager's address in place of its Service's."""
        for o in configurations or documents(ROOT / "config/webhook/manifests.yaml"):
            for webhook in o["webhooks"]:
                webhook["clientConfig"] = {
                    "url": f"https://127.0.0.1:{port}{webhook['clientConfig']['service']['path']}"}
            self.api.apply(o)

    def audit(self, since=0, user=SERVICE_ACCOUNT):
        """Audited requests of a user, from a byte offset (see audit_mark) on."""
        with open(self.audit_log, "rb") as log:
            log.seek(since)
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        return [e for e in events if e["user"].get("username") == user]

    def audit_mark(self):
        return self.audit_log.stat().st_size

    def stop_processes(self):
        subprocess.run([ROOT / "tools/kube/stop-controlplane.sh", self.folder], capture_output=True)

    def stop(self):
        self.stop_processes()
        shutil.rmtree(self.folder, ignore_errors=True)


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap",
          "metadata": {"name": "inferenceservice-config", "namespace": "kserve"}}


@contextlib.contextmanager
def configuration(api):
    """A function that changes the configuration; what was there comes back afterwards."""
    before = api.get(CONFIG)["data"]

    def change(sections):
        data = {}
        for section, value in sections.items():
            if isinstance(value, dict):
                members = {**json.loads(before.get(section, "{}")), **value}
                value = json.dumps({name: member for name, member in members.items() if member is not None})
            data[section] = value
        api.merge(CONFIG, {"data": data})

    try:
        yield change
    finally:
        now = api.get(CONFIG)["data"]
        if now != before:
            api.merge(CONFIG, {"data": {**dict.fromkeys(now), **before}})


def writes(events):
    """Audited requests that change something others see: neither leases nor events nor dry runs."""
    return [e for e in events
            if e["verb"] in ("create", "update", "patch", "delete", "deletecollection")
            and e.get("objectRef", {}).get("resource") not in ("leases", "events")
            and "dryRun=All" not in e["requestURI"]]


class Manager:
    """kinglet-manager as the shipped Deployment runs it, outside of the cluster."""

    def __init__(self, plane, name="manager", flags=(), webhooks=False, server=None, env=None):
        self.plane, self.name = plane, name
        self.health, self.metrics, self.webhook_port = free_ports(3)
        self.flags = [f"--health-probe-addr=127.0.0.1:{self.health}", f"--metrics-addr=127.0.0.1:{self.metrics}"]
        if webhooks:
            self.flags += ["--webhooks", "--webhook-certs=self-issued", "--webhook-host=127.0.0.1",
                           f"--webhook-port={self.webhook_port}"]
        self.flags += flags
        self.kubeconfig = plane.manager_kubeconfig(name, server)
        self.env = {"POD_NAMESPACE": "kserve", **(env or {})}
        self.process = None

    def start(self, wait=True):
        self.process = Process([BIN / "kinglet-manager", "--kubeconfig", self.kubeconfig, *self.flags],
                               self.plane.folder / f"{self.name}.log", self.env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        def ready():
            assert self.process.child.poll() is None, f"{self.name} ended:\n{self.process.output()[-3000:]}"
            return self.get(self.health, "/readyz")[0] == 200

        wait_for(ready, seconds, f"{self.name} to be ready")

    @staticmethod
    def get(port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def sample(self, name, **labels):
        """The sum of a metric's series that have these labels."""
        total, found = 0.0, False
        for line in self.get(self.metrics, "/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total, found = total + float(value), True
        return total if found else None

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.kill()


class Standalone:
    """`kinglet up` with the controllers only: nobody but the tests plays deployments and kubelet."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-standalone-"))
        self.process = Process([BIN / "kinglet", "up", "--data-dir", self.folder, "--api-port=0", "--gateway-port=0",
                                "--metrics-port=0", "--workloads=false"], self.folder / "test.log")
        try:
            wait_for(self.is_up, 60, "kinglet up")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.output()[-3000:]}") from None
        self.api = Api(self.folder / "kubeconfig")
        for crd in documents(pathlib.Path(__file__).parent / "foreign_crds.yaml"):
            self.api.apply(crd)

    def is_up(self):
        assert self.process.child.poll() is None, self.process.output()[-3000:]
        return (self.folder / "state.json").exists()

    def stop(self):
        try:
            self.process.stop(30)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


__all__ = [name for name in globals() if not name.startswith("_")] + ["signal"]
