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
