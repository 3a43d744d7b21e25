"""The standalone API server with real clients: kubectl (every version that is there) and the Python
client. The server is the module's test program in its serving mode."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "nginx:1", ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec: {containers: [{name: c, image: "img:1"}]}
"""
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {model: iris, replicas: 2}
"""


def find_server():
    given = os.environ.get("KINGLET_APISERVER_TEST")
    candidates = [pathlib.Path(given)] if given else sorted(
        ROOT.glob("build/*/test/local_apiserver_test"), key=lambda p: p.stat().st_mtime)
    if not candidates:
        pytest.skip("local_apiserver_test is not built")
    return candidates[-1]


def kubectls():
    found = {}
    cache = pathlib.Path.home() / ".cache/kinglet/kube/bin/kubectl"
    for path in [os.environ.get("KUBECTL"), os.environ.get("KUBECTL_120"), str(cache),
                 shutil.which("kubectl")]:
        if path and os.access(path, os.X_OK):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values()) or [None]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    database = tmp_path_factory.mktemp("apiserver") / "state.db"
    process = subprocess.Popen(
        [str(find_server()), "--gtest_filter=ServeForClients.*"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
        env={**os.environ, "KINGLET_APISERVER_LISTEN": "0",
             "KINGLET_APISERVER_DATABASE": str(database)})
    address = None
    for line in process.stdout:
        if line.startswith("http"):
            address = line.strip()
            break
    assert address, "the server did not start"
    yield address
    process.stdin.close()
    assert process.wait(30) == 0


class Kubectl:
    def __init__(self, path, url, home, namespace):
        self.path, self.home, self.namespace = path, home, namespace
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u",
                                                   "namespace": namespace}}],
            "users": [{"name": "u", "user": {}}]}
        (home / "config").write_text(json.dumps(config))

    def __call__(self, *args, input=None, ok=True):
        done = subprocess.run(
            [self.path, *args], input=input, text=True, capture_output=True, timeout=120,
            env={**os.environ, "KUBECONFIG": str(self.home / "config"), "HOME": str(self.home)})
        text = done.stdout + done.stderr
        if ok is not None:
            assert (done.returncode == 0) == ok, text
        return text

    def json(self, *args):
        return json.loads(self(*args, "-o", "json"))


@pytest.fixture(params=kubectls(), ids=str)
def kubectl(request, url, tmp_path):
    if request.param is None:
        pytest.skip("there is no kubectl")
    namespace = "t-%x" % abs(hash((request.param, request.node.name)))
    run = Kubectl(request.param, url, tmp_path, namespace)
    run("apply", "-f", "-", input=json.dumps(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    yield run
    run("delete", "namespace", namespace)


def test_apply_get_describe_delete(kubectl):
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", input=DEPLOYMENT)
    assert "deployment.apps/web unchanged" in kubectl("apply", "-f", "-", input=DEPLOYMENT)
    changed = DEPLOYMENT.replace("nginx:1", "nginx:2")
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", input=changed)
    table = kubectl("get", "deployments")
    assert table.splitlines()[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert "0/2" in table
    assert "nginx:2" in kubectl("get", "deploy", "web", "-o", "wide")
    assert "image: nginx:2" in kubectl("get", "deploy", "web", "-o", "yaml")
    described = kubectl("describe", "deployment", "web")
    assert "RollingUpdate" in described and "nginx:2" in described
    assert "web" in kubectl("get", "all")
    assert "deleted" in kubectl("delete", "deployment", "web")
    assert "NotFound" in kubectl("get", "deployment", "web", ok=False)


def test_validation(kubectl):
    wrong = POD.replace("image:", "imagee:")
    assert "imagee" in kubectl("apply", "-f", "-", input=wrong, ok=False)
    assert "is invalid" in kubectl("create", "-f", "-", input=POD.replace("name: p,", "name: P_,"),
                                   ok=False)
    text = kubectl("apply", "-f", "-", input=WIDGET.replace("iris", "x"), ok=False)
    assert "spec.model in body should be at least 2 chars long" in text


def test_patch_label_annotate_edit_scale(kubectl):
    kubectl("apply", "-f", "-", input=DEPLOYMENT)
    kubectl("label", "deploy", "web", "tier=front")
    kubectl("annotate", "deploy", "web", "note=hello")
    kubectl("scale", "deploy", "web", "--replicas=3")
    kubectl("set", "env", "deploy/web", "B=2")
    for kind, patch in (("merge", '{"spec":{"paused":true}}'),
                        ("strategic", '{"spec":{"template":{"spec":{"containers":'
                                      '[{"name":"side","image":"s:1"}]}}}}'),
                        ("json", '[{"op":"replace","path":"/spec/paused","value":false}]')):
        kubectl("patch", "deploy", "web", "--type=" + kind, "-p", patch)
    got = kubectl.json("get", "deploy", "web")
    assert got["spec"]["replicas"] == 3 and got["metadata"]["labels"]["tier"] == "front"
    assert [c["name"] for c in got["spec"]["template"]["spec"]["containers"]] == ["side", "c"] or \
        {c["name"] for c in got["spec"]["template"]["spec"]["containers"]} == {"side", "c"}
    assert got["metadata"]["generation"] >= 4
    assert "replicas: 3" in kubectl("get", "deploy", "web", "-o", "yaml")


def test_rollout_status_wait_and_watch(kubectl):
    kubectl("apply", "-f", "-", input=DEPLOYMENT)
    status = {"status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2,
                         "readyReplicas": 2, "availableReplicas": 2,
                         "conditions": [{"type": "Available", "status": "True"}]}}
    raw = "/apis/apps/v1/namespaces/%s/deployments/web" % kubectl.namespace
    current = kubectl.json("get", "deploy", "web")
    current.update(status)
    kubectl("replace", "--raw", raw + "/status", "-f", "-", input=json.dumps(current))
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    assert "condition met" in kubectl("wait", "--for=condition=Available", "deploy/web",
                                      "--timeout=30s")
    watch = subprocess.Popen(
        [kubectl.path, "get", "deploy", "-w", "--no-headers"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "KUBECONFIG": str(kubectl.home / "config"), "HOME": str(kubectl.home)})
    assert "2/2" in watch.stdout.readline()
    kubectl("scale", "deploy", "web", "--replicas=5")
    assert "2/5" in watch.stdout.readline()
    watch.terminate()
    watch.wait()


def test_pods_logs_events(kubectl):
    kubectl("apply", "-f", "-", input=POD)
    assert "Pending" in kubectl("get", "pods")
    assert kubectl("logs", "p") == "log of c\n"
    assert "Name:" in kubectl("describe", "pod", "p")
    kubectl("get", "events")
    kubectl("delete", "pod", "p")


def test_custom_resources(kubectl):
    kubectl("apply", "-f", "-", input=WIDGET)
    assert kubectl("get", "wd").splitlines()[0].split() == ["NAME", "SIZE", "READY", "AGE"]
    kubectl("scale", "widget/w", "--replicas=4")
    assert kubectl.json("get", "widget", "w")["spec"]["replicas"] == 4
    assert "Widget" in kubectl("describe", "widget", "w")
    assert "widgets" in kubectl("api-resources")
    assert "deployments" in kubectl("api-resources", "--api-group=apps")
    assert "replicas" in kubectl("explain", "widget.spec")
    assert "containers" in kubectl("explain", "pod.spec")
    assert "example.com/v1" in kubectl("api-versions")
    kubectl("delete", "widgets", "--all")


def test_server_side_apply_and_diff(kubectl):
    kubectl("apply", "--server-side", "-f", "-", input=DEPLOYMENT)
    kubectl("apply", "--server-side", "-f", "-", input=DEPLOYMENT)
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 7")
    text = kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", input=changed,
                   ok=False)
    assert "conflict" in text and ".spec.replicas" in text
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-",
            input=changed)
    assert kubectl.json("get", "deploy", "web")["spec"]["replicas"] == 7
    assert "replicas: 2" in kubectl("diff", "--server-side", "--force-conflicts", "-f", "-",
                                    input=DEPLOYMENT, ok=None)


def test_services_create_and_can_i(kubectl):
    kubectl("apply", "-f", "-", input=DEPLOYMENT)
    kubectl("expose", "deploy", "web", "--port=80")
    assert "ClusterIP" in kubectl("get", "svc", "web")
    kubectl("create", "configmap", "m", "--from-literal=a=b")
    kubectl("create", "deployment", "d", "--image=nginx:1", "--replicas=0")
    assert kubectl.json("get", "deployment", "d")["spec"]["replicas"] == 0
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert "yes" in kubectl("auth", "can-i", "create", "pods")
    assert "kinglet" in kubectl("version", ok=None)


def test_python_client(url):
    kubernetes = pytest.importorskip("kubernetes")
    configuration = kubernetes.client.Configuration(host=url)
    client = kubernetes.client.ApiClient(configuration)
    core = kubernetes.client.CoreV1Api(client)
    custom = kubernetes.client.CustomObjectsApi(client)
    core.create_namespace({"metadata": {"name": "py"}})
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"model": "iris"}}
    place = ("example.com", "v1", "py", "widgets")
    version = custom.list_namespaced_custom_object(*place)["metadata"]["resourceVersion"]
    made = custom.create_namespaced_custom_object(*place, body)
    assert made["spec"]["replicas"] == 1
    with pytest.raises(kubernetes.client.ApiException) as error:
        custom.create_namespaced_custom_object(*place, body)
    assert error.value.status == 409 and json.loads(error.value.body)["reason"] == "AlreadyExists"
    patched = custom.patch_namespaced_custom_object(*place, "w", {"spec": {"replicas": 3}})
    assert patched["spec"]["replicas"] == 3
    seen = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(custom.list_namespaced_custom_object, *place,
                              resource_version=version, timeout_seconds=30):
        seen.append(event["type"])
        if len(seen) == 2:
            watch.stop()
    assert seen == ["ADDED", "MODIFIED"]
    custom.delete_namespaced_custom_object(*place, "w")
    pod = kubernetes.client.V1Pod(
        metadata=kubernetes.client.V1ObjectMeta(name="p"),
        spec=kubernetes.client.V1PodSpec(
            containers=[kubernetes.client.V1Container(name="c", image="i")]))
    assert core.create_namespaced_pod("py", pod).status.phase == "Pending"
    assert [p.metadata.name for p in core.list_namespaced_pod("py").items] == ["p"]
    core.delete_namespaced_pod("p", "py")
    core.delete_namespace("py")
