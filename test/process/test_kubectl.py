"""The iris sample through kubectl: the newest supported one and Debian's 1.20."""

import json
import subprocess
import threading
import urllib.request

import pytest

from conftest import IRIS_V1, kubectls, wait_for


def test_both_kubectls_are_here():
    assert [name for name, _ in kubectls()] == ["1.33", "1.20"], "./dev setup tests installs them"


@pytest.fixture(params=kubectls(), ids=lambda p: p[0])
def kubectl(request, standalone):
    def run(*args, check=True, stdin=None):
        done = subprocess.run([request.param[1], *args], env=standalone.env(), text=True, input=stdin,
                              capture_output=True)
        assert not check or done.returncode == 0, f"kubectl {args}\n{done.stdout}{done.stderr}\n{standalone.tail()}"
        return done

    run.path = request.param[1]
    run.version = request.param[0]
    return run


def test_life_of_the_iris_sample(kubectl, standalone, iris_manifest, tmp_path):
    name = "iris-" + kubectl.version.replace(".", "-")
    manifest = tmp_path / "iris.yaml"
    manifest.write_text(json.dumps(iris_manifest(name)))

    watcher = subprocess.Popen([kubectl.path, "get", "isvc", "-w", "--output-watch-events"],
                               env=standalone.env(), text=True, stdout=subprocess.PIPE)
    lines = []
    threading.Thread(target=lambda: lines.extend(iter(watcher.stdout.readline, "")), daemon=True).start()
    try:
        assert "created" in kubectl("apply", "-f", str(manifest)).stdout
        kubectl("wait", "--for=condition=Ready", f"isvc/{name}", "--timeout=60s")
        assert "unchanged" in kubectl("apply", "-f", str(manifest)).stdout

        listed = kubectl("get", "isvc", name).stdout
        assert "True" in listed and "http://" in listed and "URL" in listed
        isvc = json.loads(kubectl("get", "inferenceservices", name, "-o", "json").stdout)
        assert isvc["status"]["modelStatus"]["transitionStatus"] == "UpToDate"
        assert isvc["kind"] == "InferenceService"
        assert name in kubectl("get", "isvc", "-o", "name").stdout
        assert name in kubectl("get", "isvc", "-o", "yaml").stdout
        assert "Normal" in kubectl("describe", "isvc", name).stdout
        pods = kubectl("get", "pods", "-l", f"serving.kserve.io/inferenceservice={name}").stdout
        assert "1/1" in pods and "Running" in pods
        assert "1/1" in kubectl("get", "deployments", f"{name}-predictor").stdout
        kubectl("rollout", "status", f"deployment/{name}-predictor", "--timeout=30s")

        request = urllib.request.Request(isvc["status"]["url"] + f"/v1/models/{name}:predict",
                                         json.dumps(IRIS_V1).encode(), {"Content-Type": "application/json"})
        assert json.load(urllib.request.urlopen(request)) == {"predictions": [1, 1]}

        pod = json.loads(kubectl("get", "pods", "-l", f"serving.kserve.io/inferenceservice={name}", "-o",
                                 "json").stdout)["items"][0]["metadata"]["name"]
        assert kubectl("logs", pod, "-c", "kserve-container").stdout.strip()
        follower = subprocess.Popen([kubectl.path, "logs", "-f", pod, "-c", "kserve-container"],
                                    env=standalone.env(), text=True, stdout=subprocess.PIPE)
        assert follower.stdout.readline()

        kubectl("annotate", "isvc", name, "example.com/note=hello")
        kubectl("label", "isvc", name, "team=flowers")
        assert name in kubectl("get", "isvc", "-l", "team=flowers").stdout
        kubectl("patch", "isvc", name, "--type=merge", "-p", '{"spec":{"predictor":{"minReplicas":2}}}')
        wait_for(lambda: "2/2" in kubectl("get", "deployment", f"{name}-predictor").stdout, 60, "two replicas")

        kubectl("delete", "isvc", name)
        follower.wait(30)
        wait_for(lambda: not kubectl("get", "pods,deployments,services", "-l",
                                     f"serving.kserve.io/inferenceservice={name}", "-o", "name").stdout.strip(),
                 60, "the children to go")
        wait_for(lambda: any("DELETED" in line and name in line for line in lines), 10, "the watch to see it")
    finally:
        watcher.kill()


def test_bad_manifests_are_refused(kubectl, iris_manifest):
    bad = iris_manifest("Bad_Name")
    refused = kubectl("apply", "-f", "-", stdin=json.dumps(bad), check=False)
    assert refused.returncode != 0

    two = iris_manifest("two-frameworks")
    two["spec"]["predictor"]["sklearn"] = {"storageUri": "file:///x"}
    two["spec"]["predictor"]["xgboost"] = {"storageUri": "file:///y"}
    refused = kubectl("apply", "-f", "-", stdin=json.dumps(two), check=False)
    assert refused.returncode != 0 and "exactly one of" in refused.stderr

    typo = iris_manifest("typo")
    typo["spec"]["predictor"]["minReplica"] = 3
    told = kubectl("create", "-f", "-", stdin=json.dumps(typo), check=False)
    assert "minReplica" in told.stderr, told.stderr
    kubectl("delete", "isvc", "typo", "--ignore-not-found")


def test_everyday_commands(kubectl, iris_manifest, tmp_path):
    """What people and scripts type, beyond the life of a service."""
    new = kubectl.version != "1.20"
    name = "daily-" + kubectl.version.replace(".", "-")
    deployment = f"deployment/{name}-predictor"
    kubectl("apply", "-f", "-", stdin=json.dumps(iris_manifest(name)))
    if new:
        kubectl("wait", "--for=jsonpath={.status.modelStatus.transitionStatus}=UpToDate", f"isvc/{name}",
                "--timeout=60s")
        assert "True" in kubectl("get", "isvc", name, "--subresource=status").stdout
        assert "kinglet-admin" in kubectl("auth", "whoami").stdout
    kubectl("wait", "--for=condition=Ready", f"isvc/{name}", "--timeout=60s")

    kubectl("rollout", "restart", deployment)
    assert "successfully rolled out" in kubectl("rollout", "status", deployment, "--timeout=60s").stdout
    assert "2" in kubectl("rollout", "history", deployment).stdout
    kubectl("rollout", "undo", deployment)
    kubectl("rollout", "status", deployment, "--timeout=60s")

    ours = ["-l", f"serving.kserve.io/inferenceservice={name}", "-o", "name"]
    pod = wait_for(lambda: (found := kubectl("get", "pods", *ours).stdout.split()) and len(found) == 1 and found[0],
                   30, "one pod").removeprefix("pod/")
    running = kubectl("get", "pods", "--field-selector", "status.phase=Running,metadata.namespace=default").stdout
    assert pod in running
    assert pod not in kubectl("get", "pods", "--field-selector", f"metadata.name!={pod}", "-o", "name").stdout
    refused = kubectl("get", "pods", "--field-selector", "spec.nothing=x", check=False)
    assert "field label not supported: spec.nothing" in refused.stderr
    events = kubectl("get", "events", "--field-selector", f"involvedObject.name={pod},type=Normal").stdout
    assert "Started" in events and "Warning" not in events

    assert len(kubectl("logs", pod, "-c", "kserve-container", "--tail=1").stdout.splitlines()) == 1
    assert "copied" in kubectl("logs", pod, "--all-containers", "--since=1h").stdout
    assert "not found" in kubectl("logs", pod, "-c", "kserve-container", "--previous", check=False).stderr
    assert kubectl("logs", deployment, "-c", "kserve-container", "--limit-bytes=10").stdout

    assert "storageUri" in kubectl("explain", "isvc.spec.predictor.model").stdout
    assert "maxSurge" in kubectl("explain", "deployment.spec.strategy", "--recursive").stdout
    assert kubectl("auth", "can-i", "create", "isvc").stdout.strip() == "yes"
    assert "isvc" in kubectl("api-resources", "--api-group=serving.kserve.io").stdout

    made = kubectl("create", "-f", "-", "-o", "name",
                   stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"made-"}}').stdout.strip()
    assert made.startswith("configmap/made-")
    kubectl("label", made, "team=a")
    assert "--overwrite is false" in kubectl("label", made, "team=b", check=False).stderr
    kubectl("patch", made, "--type=json", "-p", '[{"op":"add","path":"/data","value":{"a":"b"}}]')
    kubectl("delete", made)

    shared = tmp_path / "shared.json"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-shared"}, "data": {"k": "1"}}
    shared.write_text(json.dumps(config))
    kubectl("apply", "--server-side", "--field-manager=one", "-f", str(shared))
    config["data"]["k"] = "2"
    shared.write_text(json.dumps(config))
    conflict = kubectl("apply", "--server-side", "--field-manager=two", "-f", str(shared), check=False)
    assert 'conflict with "one"' in conflict.stderr
    assert '+  k: "2"' in kubectl("diff", "-f", str(shared), check=False).stdout
    kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", str(shared))
    kubectl("delete", "-f", str(shared))

    kubectl("delete", "isvc", name, *(["--cascade=foreground"] if new else []))
    wait_for(lambda: not kubectl("get", "pods,deployments", *ours).stdout.strip(), 60, "the children to go")
