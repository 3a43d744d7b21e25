"""Cached models in standalone mode, served end to end: one story, told step by step, and what people see when something
is in the way. Every request for the model's bytes is counted at the store."""

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import IRIS_V1, IRIS_V2, ROOT, Standalone, kubectls, wait_for
from storage_server import FaultyStore

MODEL = (ROOT / "config/samples/sklearn/iris/model.joblib").read_bytes()
BIG = MODEL + bytes(48 << 20)  # a pickle ends where it says: what follows is only more to download
JOBS = "kserve-localmodel-jobs"
PREDICTIONS = {"predictions": [1, 1]}


def step(text):
    print(f"  * {text}", flush=True)


class World:
    def __init__(self, folder, *flags):
        self.kinglet = Standalone(folder / "data")
        self.flags, self.folder = flags, folder
        self.store = FaultyStore({"iris/model.joblib": MODEL, "big/model.joblib": BIG, "other/model.joblib": MODEL})
        self.start()
        # The look at the disk, which has no watch.
        self.kubectl("patch", "cm", "-n", "kserve", "inferenceservice-config", "--type=merge", "-p", json.dumps(
            {"data": {"localModel": json.dumps({"enabled": True, "jobNamespace": JOBS, "reconcilationFrequencyInSecs": 1})}}))

    def start(self):
        self.kinglet.start(*self.flags)

    def stop(self):
        self.kinglet.stop()
        self.store.close()

    def uri(self, name):
        return f"{self.store.endpoint}/bucket/{name}/model.joblib"

    def folder_of(self, name):
        return self.kinglet.data / "model-cache/models" / name

    def file(self, name):
        return self.folder_of(name) / "model.joblib"

    def has(self, name, content):
        return self.file(name).exists() and self.file(name).read_bytes() == content

    def kubectl(self, *args, check=True, text=None):
        done = subprocess.run([kubectls()[0][1], *args], env=self.kinglet.env(), text=True, capture_output=True, input=text)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout if check else done

    def get(self, *args):
        done = self.kubectl("get", *args, "-o", "json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def apply(self, manifest):
        return self.kubectl("apply", "-f", "-", text=json.dumps(manifest))

    def cache(self, name, uri=None, group="default", **more):
        self.apply({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "LocalModelCache", "metadata": {"name": name},
                    "spec": {"sourceModelUri": uri or self.uri(name), "modelSize": "1Gi", "nodeGroups": [group], **more}})

    def service(self, name, source, annotations=None):
        self.apply({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                    "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
                    "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "protocolVersion": "v1",
                                                     "storageUri": self.uri(source)}}}})

    def state(self, name):
        status = (self.get("localmodelcache", name) or {}).get("status") or {}
        return (status.get("nodeStatus") or {}).get("kinglet")

    def await_state(self, name, wanted, seconds=90):
        try:
            wait_for(lambda: self.state(name) == wanted, seconds, f"{name} to be {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}: it is {self.state(name)}\n{self.kinglet.tail()}") from None

    def jobs(self, model):
        return self.get("job", "-n", JOBS, "-l", f"model={model}")["items"]

    def sent(self, name):
        """Bytes of the model that left the store."""
        with self.store.lock:
            return sum(count for key, _, count in self.store.sent if key.startswith(name + "/"))

    def downloads(self, name):
        """How often all of it left the store; the byte by which a download asks for the size does not count."""
        return self.sent(name) // len(self.store.objects[f"{name}/model.joblib"])

    def post(self, service, path, body):
        url = self.kinglet.isvc(service)["status"]["url"] + path
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=30))

    def chunks_kept(self):
        """Of the model that is being downloaded: lines of the journal after the first."""
        return sum(len(file.read_text().splitlines()) - 1 for file in self.kinglet.data.rglob("model-cache/models/**/journal"))

    def predicts(self, service):
        return self.post(service, f"/v1/models/{service}:predict", IRIS_V1) == PREDICTIONS

    def await_predictions(self, service):
        """After a restart, the status is that of before until the new pods are ready."""
        def answers():
            try:
                return self.predicts(service)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                return False

        wait_for(answers, 30, f"predictions of {service}")

    def slowly(self, name, beyond=0):
        """A chunk that reaches beyond that byte trickles."""
        def fault(request, answer):
            if request.name.startswith(name) and request.last > beyond:
                answer.delay = 0.05

        self.store.fault = fault


@pytest.fixture
def world(tmp_path, request):
    if not kubectls():
        pytest.skip("no kubectl")
    world = World(tmp_path, *getattr(request, "param", ()))
    yield world
    world.stop()


@pytest.mark.parametrize("world", [(), ("--isolation", "host")], ids=["automatic", "host"], indirect=True)
def test_life_of_a_cached_model(world):
    world.cache("iris")
    world.await_state("iris", "NodeDownloaded")
    assert world.has("iris", MODEL) and world.downloads("iris") == 1
    cache = world.get("localmodelcache", "iris")
    assert cache["status"]["copies"] == {"total": 1, "available": 1, "failed": 0}
    step(f"create: the model is in {world.file('iris').relative_to(world.kinglet.data)}")

    wait_for(lambda: "Complete" in world.kubectl("get", "job", "-n", JOBS), 30, "the job to be complete")
    table = world.kubectl("get", "job,pvc", "-n", JOBS) + world.kubectl("get", "pv")
    print(table)
    lines = [line.split() for line in table.splitlines()]
    assert any(words[1:3] == ["Complete", "1/1"] for words in lines)
    assert ["persistentvolumeclaim/iris-default", "Bound", "iris-default-download", "1Ti", "RWO"] in (w[:5] for w in lines)
    assert ["iris-default-download", "1Ti", "RWO", "Retain", "Bound", f"{JOBS}/iris-default"] in (w[:6] for w in lines)
    step("job, volume and claim are what kubectl shows of a cluster's")

    world.service("first", "iris")
    world.kinglet.wait_ready("first")
    assert world.predicts("first")
    assert world.post("first", "/v2/models/first/infer", IRIS_V2)["outputs"][0]["data"] == [1, 1]
    pod = world.get("pod", "-l", "serving.kserve.io/inferenceservice=first")["items"][0]
    assert "initContainers" not in pod["spec"]
    mount = next(m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["mountPath"] == "/mnt/models")
    claim = next(v["persistentVolumeClaim"] for v in pod["spec"]["volumes"] if v["name"] == mount["name"])
    assert mount["readOnly"] and claim == {"claimName": "iris-default", "readOnly": True}
    volume = world.get("pv", "iris-default-default")["spec"]
    assert volume["hostPath"]["path"] == "model-cache/models/iris" and "subPath" not in mount
    step("serve: V1 and V2 from the cached copy, mounted read-only, without an init container")

    before = world.sent("iris")
    world.service("second", "iris")
    world.kinglet.wait_ready("second")
    assert world.predicts("second") and world.sent("iris") == before
    users = wait_for(lambda: (world.get("localmodelcache", "iris")["status"].get("inferenceServices") or [])[1:] and
                     world.get("localmodelcache", "iris")["status"]["inferenceServices"], 30, "both users")
    assert [user["name"] for user in users] == ["first", "second"]
    step("share: a second service is ready, and the store has not sent another byte")

    world.service("out", "iris", {"serving.kserve.io/disable-localmodel": "true"})
    world.kinglet.wait_ready("out")
    assert world.predicts("out") and world.downloads("iris") == 2
    step("opt out: a service with disable-localmodel downloads for itself")

    world.file("iris").write_bytes(bytes(len(MODEL)))
    wait_for(lambda: world.has("iris", MODEL), 60, "the right bytes")
    world.await_state("iris", "NodeDownloaded")
    assert world.predicts("first")
    step("corrupt: other bytes of the same length are noticed, and the model is downloaded again")

    shutil.rmtree(world.folder_of("iris"))
    wait_for(lambda: world.has("iris", MODEL), 90, "the folder again")
    world.await_state("iris", "NodeDownloaded")
    step("remove: the folder that was deleted comes back")

    world.kinglet.stop()
    before = world.sent("iris")
    world.start()
    world.kinglet.wait_ready("second")
    world.await_predictions("second")
    assert world.state("iris") == "NodeDownloaded" and world.sent("iris") == before
    step("down and up: served again, nothing downloaded")

    refused = world.kubectl("delete", "localmodelcache", "iris", check=False)
    assert refused.returncode and "LocalModelCache iris is being used by InferenceService" in refused.stderr
    assert world.has("iris", MODEL)
    step("delete while it is used: refused, " + refused.stderr.strip().splitlines()[-1])

    for name in ("first", "second", "out"):
        world.kubectl("delete", "isvc", name)
    wait_for(lambda: not world.get("localmodelcache", "iris")["status"].get("inferenceServices"), 30, "the users to go")
    wait_for(lambda: not world.get("pvc")["items"], 30, "the claim of the namespace to go")
    world.kubectl("delete", "localmodelcache", "iris")
    wait_for(lambda: not world.folder_of("iris").exists(), 30, "the folder to go")
    wait_for(lambda: not world.jobs("iris") and not world.get("pvc", "-n", JOBS)["items"] and not world.get("pv")["items"],
             30, "jobs, claims and volumes to go")
    wait_for(lambda: not world.get("pod", "-n", JOBS)["items"], 30, "the pods of the jobs to go")
    assert not list(world.kinglet.data.glob("model-cache/models/.kinglet-records/*"))
    step("delete when nobody uses it: folder, jobs, pods, claims and volumes are gone")


def test_credentials_of_downloads(world):
    entry = {"type": "s3", "endpoint_url": world.store.endpoint, "access_key_id": "id", "secret_access_key": "secret"}
    world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "storage-config", "namespace": JOBS},
                 "stringData": {"store": json.dumps(entry)}})
    world.cache("iris", "s3://bucket/iris", storage={"key": "store"})
    world.await_state("iris", "NodeDownloaded")
    assert world.has("iris", MODEL)
    step("a storage key: the job reads the store that the entry of the storage secret names")


@pytest.mark.parametrize("how", ["down", "kill"])
def test_ending_in_the_middle_of_a_download(world, how):
    world.slowly("big", beyond=len(BIG) * 3 // 4)
    world.cache("big")
    world.await_state("big", "NodeDownloading")
    wait_for(lambda: world.chunks_kept() == 3, 60, "all chunks but the slow one")
    if how == "down":
        world.kinglet.stop()
    else:
        world.kinglet.kill()
    assert not world.file("big").exists()
    at_end = world.sent("big")
    world.store.fault = None
    world.start()
    world.await_state("big", "NodeDownloaded")
    assert world.has("big", BIG)
    wait_for(lambda: world.jobs("big")[0]["status"].get("succeeded") == 1, 30, "the job's count")
    job, = world.jobs("big")
    assert "failed" not in job["status"], job["status"]
    again = world.sent("big") - at_end
    assert again < len(BIG) // 2, f"{again} bytes were sent again: it began anew"
    step(f"{how} at {at_end} of {len(BIG)} bytes: up again, the same job, {again} bytes more")


def test_a_service_waits_for_its_model(world):
    world.slowly("big")
    world.cache("big")
    world.service("early", "big")
    wait_for(lambda: world.sent("big") > len(BIG) // 4, 60, "a part of the model")
    said = world.kinglet.cli("doctor", "early", check=False).stdout
    assert "big is being downloaded to node kinglet" in said, said
    pod, = world.get("pod", "-l", "serving.kserve.io/inferenceservice=early")["items"]
    assert not pod["spec"].get("nodeName")
    world.store.fault = None
    world.kinglet.wait_ready("early", seconds=90)
    pod, = world.get("pod", "-l", "serving.kserve.io/inferenceservice=early")["items"]
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0 and world.predicts("early")
    step("a service that comes with its cache waits for the download, and starts once")


def test_what_is_in_the_way_is_said(world):
    doctor = lambda: world.kinglet.cli("doctor", check=False).stdout  # noqa: E731

    world.cache("lost", group="nowhere")
    assert "LocalModelNodeGroup nowhere does not exist" in wait_for(lambda: doctor(), 5)
    step("no group: doctor says so")

    group = world.get("localmodelnodegroup", "default")
    group["metadata"] = {"name": "gpu"}
    affinity = group["spec"]["persistentVolumeSpec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]
    affinity["matchExpressions"] = [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["A100"]}]
    group["spec"]["persistentVolumeSpec"].pop("hostPath")
    group["spec"]["persistentVolumeSpec"]["local"] = {"path": "/models"}
    world.apply(group)
    world.cache("other", group="gpu")
    wait_for(lambda: (world.get("localmodelcache", "other")["status"].get("copies") or {}).get("total") == 0, 30,
             "a cache without nodes")
    said = doctor()
    assert "no node" in said and "kubectl label node kinglet nvidia.com/gpu.product=A100" in said, said
    assert "NodeGroupEmpty" in wait_for(lambda: world.kubectl("get", "events", "-A"), 30)
    world.service("waits", "other")
    said = world.kinglet.cli("doctor", "waits", check=False).stdout
    assert "There is no node in LocalModelNodeGroup gpu" in said, said
    step("a cluster's node group that no node is in: doctor names the label that it wants, for its services, too")

    world.kubectl("label", "node", "kinglet", "nvidia.com/gpu.product=A100")
    world.await_state("other", "NodeDownloaded")
    world.kinglet.wait_ready("waits")
    assert world.predicts("waits") and world.has("other", MODEL)
    assert "other" in world.kinglet.cli("status").stdout
    step("with the label it works, whatever volume the group names")

    def enormous(request, answer):
        if request.name.startswith("huge"):
            answer.headers["Content-Range"] = f"bytes {request.first}-{request.last}/{1 << 60}"

    world.store.objects["huge/model.joblib"], world.store.fault = MODEL, enormous
    world.cache("huge")
    world.await_state("huge", "NodeDownloadError")
    print(wait_for(lambda: doctor() if "make room" in doctor() else None, 30, "the reason"))
    assert not world.file("huge").exists()
    step("no room on the disk: an error that says so, nothing half-written")

    world.cache("missing", uri=world.uri("nothing"))
    world.await_state("missing", "NodeDownloadError")
    wait_for(lambda: "missing" in doctor() and "404" in doctor(), 30, "the reason")
    world.kubectl("delete", "localmodelcache", "missing", "huge", "lost")
    wait_for(lambda: not world.jobs("missing") and not world.jobs("huge"), 30, "the jobs to go")
    step("a source that is not there: the reason is said; caches that cannot be had can be deleted")


def test_a_label_of_the_command_line(tmp_path):
    if not kubectls():
        pytest.skip("no kubectl")
    world = World(tmp_path, "--node-labels", "zone=here,disk=ssd")
    try:
        labels = world.get("node", "kinglet")["metadata"]["labels"]
        assert labels["zone"] == "here" and labels["disk"] == "ssd"
    finally:
        world.stop()
