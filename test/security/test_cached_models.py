"""Cached models: one namespace against the models, the credentials and the node of others.

The attacker may create caches, InferenceServices, claims and pods in a namespace of its own, or controls what wrote a
model's folder. The store lets only readers of team-a read what is private.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sys
import urllib.error

import pytest

from conftest import Standalone, wait_for
from pods import Pods, refusal, shell

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))
from storage_server import Answer, FaultyStore  # noqa: E402

BOUNDARY = "tenant"

JOBS = "kserve-localmodel-jobs"
SERVING = "apis/serving.kserve.io/v1alpha1"
SECRET = b"the model of team-a" * 50
PUBLIC = b"a model for everybody" * 50
ALLOWED = "serving.kserve.io/localmodel-namespaces"
INTERNAL = "internal.serving.kserve.io/"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="pods that call themselves root are the worst case")


class PrivateStore(FaultyStore):
    """Everything beneath private/ is for requests signed with team-a's key."""

    def _answer(self, connection, method, target, fields):
        private = "private" in target
        if private and "Credential=team-a/" not in fields.get("authorization", ""):
            return self._send(connection, method, None,
                              Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>"))
        return super()._answer(connection, method, target, fields)


class World:
    def __init__(self, folder):
        self.kinglet = Standalone(folder).start()
        self.models = self.kinglet.data / "model-cache/models"
        self.store = PrivateStore({"private/sub/weights.bin": SECRET, "public/sub/weights.bin": PUBLIC})
        self.admin = Pods(self.kinglet, JOBS)
        self.a, self.b = Pods(self.kinglet, "team-a"), Pods(self.kinglet, "team-b")
        for namespace in ("team-a", "team-b"):
            self.admin.create("namespaces", {"metadata": {"name": namespace}}, namespaced=False)
        settings = {"enabled": True, "jobNamespace": JOBS, "reconcilationFrequencyInSecs": 1}
        self.admin.call("PATCH", "/api/v1/namespaces/kserve/configmaps/inferenceservice-config",
                        {"data": {"localModel": json.dumps(settings)}})
        entry = {"type": "s3", "endpoint_url": self.store.endpoint, "region": "x"}
        keys = {name: json.dumps({**entry, "access_key_id": name, "secret_access_key": name}) for name in ("team-a", "team-b")}
        self.admin.create("secrets", {"metadata": {"name": "storage-config", "annotations": {ALLOWED: "team-a"}},
                                      "stringData": keys})
        self.admin.create("secrets", {
            "metadata": {"name": "s3", "annotations": {"serving.kserve.io/s3-endpoint": self.store.endpoint.split("//")[1],
                                                       "serving.kserve.io/s3-usehttps": "0"}},
            "stringData": {"AWS_ACCESS_KEY_ID": "team-a", "AWS_SECRET_ACCESS_KEY": "team-a"}})
        self.admin.create("serviceaccounts", {"metadata": {"name": "reader"}, "secrets": [{"name": "s3"}]})
        with contextlib.suppress(urllib.error.HTTPError):
            self.admin.create("serviceaccounts", {"metadata": {"name": "default"}, "secrets": [{"name": "s3"}]})
        self.cache(self.a, "private", "s3://bucket/private", storage={"key": "team-a"})
        self.await_state(self.a, "private", "NodeDownloaded")

    def stop(self):
        self.kinglet.stop()
        self.store.close()

    def uri(self, path="public"):
        return f"{self.store.endpoint}/bucket/{path}/sub/weights.bin"

    def cache(self, tenant, name, uri, **more):
        """Of the tenant's namespace, or of the cluster if there is no tenant."""
        plural = "localmodelnamespacecaches" if tenant else "localmodelcaches"
        spec = {"sourceModelUri": uri, "modelSize": "1Mi", "nodeGroups": ["default"], **more}
        kind = "LocalModelNamespaceCache" if tenant else "LocalModelCache"
        return (tenant or self.admin).create(
            plural, {"apiVersion": "serving.kserve.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec},
            namespaced=bool(tenant), group=SERVING)

    def path_of(self, tenant, name):
        if not tenant:
            return f"/{SERVING}/localmodelcaches/{name}"
        return f"/{SERVING}/namespaces/{tenant._namespace}/localmodelnamespacecaches/{name}"

    def state(self, tenant, name):
        seen = json.loads(self.admin.call("GET", self.path_of(tenant, name)))
        return (seen.get("status") or {}).get("nodeStatus", {}).get("kinglet")

    def reason(self, name):
        """What the agent says of a model, named "name" or "namespace/name"."""
        node = json.loads(self.admin.call("GET", f"/{SERVING}/localmodelnodes/kinglet"))
        return (node.get("status") or {}).get("modelReasons", {}).get(name, "")

    def await_state(self, tenant, name, wanted):
        try:
            wait_for(lambda: self.state(tenant, name) == wanted, 30, f"{name} to be {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}: it is {self.state(tenant, name)}\n{self.kinglet.tail()}") from None

    def folder(self, tenant, name):
        return self.models / (f"{tenant._namespace}_{name}" if tenant else name)

    def content(self, tenant, name):
        """All bytes of files that a tenant's cache has."""
        return b"".join(f.read_bytes() for f in sorted(self.folder(tenant, name).rglob("*")) if f.is_file())

    def service(self, tenant, name, uri, labels=None, annotations=None):
        return tenant.create("inferenceservices", {
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": uri}}}},
            group="apis/serving.kserve.io/v1beta1")

    def get(self, path):
        try:
            return json.loads(self.admin.call("GET", path))
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return None

    def claim(self, tenant, name):
        return self.get(f"/api/v1/namespaces/{tenant._namespace}/persistentvolumeclaims/{name}")

    def bound(self, tenant, name):
        return wait_for(lambda: (self.claim(tenant, name) or {}).get("status", {}).get("phase") == "Bound", 30,
                        f"claim {name} to be bound")

    def gone_after_a_look(self):
        """The agent has looked at all models once more: a cache that was made after now is downloaded."""
        name = f"look-{len(list(self.models.iterdir()))}-{os.urandom(3).hex()}"
        self.cache(None, name, self.uri() + f"?{name}")
        wait_for(lambda: self.state(None, name) in ("NodeDownloaded", "NodeDownloadError"), 20,
                 f"the agent to look again\n{self.kinglet.tail()}")
        self.admin.call("DELETE", self.path_of(None, name))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("cached"))
    if world.kinglet.state()["isolation"] != "namespaces":
        world.stop()
        pytest.skip("the kernel gives pods no namespaces here")
    yield world
    world.stop()


@pytest.fixture(scope="module")
def used(world):
    """A cache of the cluster that team-b serves from, so that it has a claim."""
    world.cache(None, "public", world.uri() + "?public")
    world.await_state(None, "public", "NodeDownloaded")
    world.service(world.b, "uses-public", world.uri() + "?public")
    world.bound(world.b, "public-default")
    return "public"


def mounting(claim, script, sub_path=None):
    """A pod of the tenant's own making that mounts the claim for writing."""
    mount = {"name": "m", "mountPath": "/m", **({"subPath": sub_path} if sub_path else {})}
    return {"containers": [shell(script, volumeMounts=[mount], securityContext={"runAsUser": 0})],
            "volumes": [{"name": "m", "persistentVolumeClaim": {"claimName": claim}}]}


def ran(pods, spec):
    pod, text = pods.run(spec)
    assert not refusal(pod), refusal(pod)
    return text


# What the store refuses is not to be had from a neighbour.

@pytest.mark.parametrize("credentials", [{}, {"storage": {"key": "team-b"}}, {"storage": {"key": "team-a"}},
                                         {"serviceAccountName": "reader"}, {"storage": {"parameters": {"type": "s3"}}},
                                         {"serviceAccountName": "reader", "storage": {"key": "team-a"}}],
                         ids=["none", "own", "its-neighbours", "account", "default-account", "account-and-key"])
def test_a_cache_of_a_uri_that_another_namespace_has(world, credentials):
    name = f"stolen-{os.urandom(3).hex()}"
    world.cache(world.b, name, "s3://bucket/private", **credentials)
    wait_for(lambda: world.state(world.b, name) == "NodeDownloadError" or SECRET in world.content(world.b, name), 60,
             "the download to fail")
    world.gone_after_a_look()
    assert SECRET not in world.content(world.b, name)
    assert world.state(world.b, name) != "NodeDownloaded"
    world.admin.call("DELETE", world.path_of(world.b, name))


def test_models_of_two_namespaces_are_not_the_same_files(world):
    for tenant in (world.a, world.b):
        world.cache(tenant, "twin", world.uri())
        world.await_state(tenant, "twin", "NodeDownloaded")
    first, second = (next(f for f in world.folder(t, "twin").rglob("weights.bin")) for t in (world.a, world.b))
    assert not first.samefile(second)
    first.write_bytes(b"overwritten by its owner")
    assert second.read_bytes() == PUBLIC


@pytest.mark.parametrize("uri", ["file:///var/run/secrets", "/etc/passwd", "pvc://private-default/models", "FILE:///etc",
                                 "--metrics-addr=s3://bucket/private"])
def test_a_cache_of_files_where_downloads_run(world, uri):
    with pytest.raises(urllib.error.HTTPError) as refused:
        world.cache(world.b, "local", uri)
        world.admin.call("DELETE", world.path_of(world.b, "local"))
    assert refused.value.code == 403


# What a claim shows.

def test_a_claim_shows_the_models_of_others(world, used):
    seen = ran(world.b, mounting(f"{used}-default", "find /m; cat /m/* /m/*/*/* 2>/dev/null"))
    assert "team-a_private" not in seen and ".kinglet-records" not in seen and SECRET.decode() not in seen
    assert "weights.bin" in seen


@pytest.mark.parametrize("path", ["models/team-a_private", "../team-a_private", "..", "models"])
def test_a_sub_path_of_a_claim_leads_to_the_models_of_others(world, used, path):
    try:
        pod, text = world.b.run(mounting(f"{used}-default", "find /m; cat /m/*/* 2>/dev/null", path))
    except urllib.error.HTTPError as error:
        assert error.code in (400, 403, 422)
        return
    assert SECRET.decode() not in text and "team-a" not in text
    assert not any(f.is_dir() for f in world.folder(None, used).iterdir())  # made by the attempt


@pytest.mark.parametrize("script", ["echo overwritten > weights.bin", "rm -rf ./* ./.k*", "touch added", "chmod 777 weights.bin",
                                    "mv weights.bin moved", "mount -o remount,rw /m; touch added", "ln -s /etc link"],
                         ids=["overwrite", "remove", "add", "chmod", "rename", "remount", "link"])
def test_a_pod_writes_through_its_claim(world, used, script):
    folder = world.folder(None, used)

    def facts():
        return {f: (i.st_mode, i.st_size, i.st_mtime_ns, i.st_ino) for f in folder.rglob("*") for i in [f.lstat()]}

    before = facts()
    # Wherever in the claim the model lies.
    world.b.run(mounting(f"{used}-default", f"cd /m/models/{used} || cd /m; {script}"))
    assert facts() == before


@pytest.mark.parametrize("modes", [["ReadWriteOnce"], ["ReadOnlyMany"]], ids=["rwo", "rox"])
@pytest.mark.parametrize("kind", ["download", "serving"])
def test_a_claim_is_waiting_for_the_volume_of_another(world, kind, modes):
    name = f"awaited-{kind}-{modes[0].lower()}"
    volume = f"{name}-default-download" if kind == "download" else f"{name}-default-team-a"
    world.b.create("persistentvolumeclaims", {
        "metadata": {"name": name}, "spec": {"accessModes": modes, "volumeName": volume,
                                             "resources": {"requests": {"storage": "1Mi"}}}})
    world.cache(None, name, world.uri() + f"?{name}")
    if kind == "serving":
        world.service(world.a, name, world.uri() + f"?{name}")
    wait_for(lambda: ((world.get(f"/api/v1/persistentvolumes/{volume}") or {}).get("spec", {}).get("claimRef") or {})
             .get("uid"), 30, f"{volume} to be bound")
    bound = world.get(f"/api/v1/persistentvolumes/{volume}")["spec"]["claimRef"]
    assert bound["namespace"] == (JOBS if kind == "download" else "team-a")
    assert world.claim(world.b, name).get("status", {}).get("phase") != "Bound"


def test_two_caches_want_one_claim(world, used):
    """Otherwise services of the namespace's cache would serve the cluster's model, or the other way round."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        world.cache(world.b, used, world.uri() + "?other")
        world.admin.call("DELETE", world.path_of(world.b, used))
    assert refused.value.code == 403


# What an InferenceService says about its cache.

def test_a_service_names_the_cache_of_another_namespace(world):
    made = world.service(world.b, "forged", "s3://bucket/private", {
        f"{INTERNAL}localmodel": "private", f"{INTERNAL}localmodel-namespace": "team-a"},
        {f"{INTERNAL}localmodel-pvc-name": "private-default", f"{INTERNAL}localmodel-sourceuri": "s3://bucket/private"})
    kept = {**made["metadata"].get("labels", {}), **made["metadata"].get("annotations", {})}
    assert not any(key.startswith(f"{INTERNAL}localmodel") for key in kept), kept
    world.gone_after_a_look()
    assert not world.get(world.path_of(world.a, "private"))["status"].get("inferenceServices")
    assert not world.claim(world.b, "private-default")


def test_a_service_has_the_uri_of_a_cache_of_another_namespace(world):
    made = world.service(world.b, "same-uri", "s3://bucket/private")
    assert f"{INTERNAL}localmodel" not in made["metadata"].get("labels", {})


def test_a_service_asks_for_a_cached_model_that_it_may_write(world):
    name = "writable"
    world.cache(None, name, world.uri() + f"?{name}")
    world.await_state(None, name, "NodeDownloaded")
    world.service(world.b, name, world.uri() + f"?{name}", annotations={"storage.kserve.io/readonly": "false"})
    pods = f"/api/v1/namespaces/team-b/pods?labelSelector=serving.kserve.io/inferenceservice={name}"
    pod = wait_for(lambda: (world.get(pods) or {}).get("items"), 30, "the pod")[0]
    mount = next(m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["mountPath"] == "/mnt/models")
    claim = next(v for v in pod["spec"]["volumes"] if v["name"] == mount["name"])["persistentVolumeClaim"]
    assert mount["readOnly"] and claim["readOnly"]


# What lies in a model's folder was written by whoever could write there.

@pytest.fixture
def planted(world):
    """A model of team-b whose folder the attacker writes to; returns its folder."""
    name = f"planted-{os.urandom(3).hex()}"
    world.cache(world.b, name, world.uri() + f"?{name}")
    world.await_state(world.b, name, "NodeDownloaded")
    yield world.folder(world.b, name)
    world.admin.call("DELETE", world.path_of(world.b, name))


def file_of(folder):
    return next(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))


def test_a_folder_becomes_a_link_to_the_model_of_another(world, planted):
    """What the agent removes as damaged there would be the other's."""
    victim = world.folder(world.a, "private")
    file = next(victim.rglob("weights.bin"))
    name, before = file.relative_to(victim), file.lstat()
    (planted / "trap").symlink_to(victim / name.parent)
    source = json.loads((planted / ".kinglet-complete").read_text())["sources"][0]
    marker = {"version": 1, "sources": [{**source, "files": [{"path": f"trap/{name.name}", "size": 1}]}]}
    (planted / ".kinglet-complete").write_text(json.dumps(marker))
    file_of(planted).unlink()
    world.gone_after_a_look()
    world.gone_after_a_look()
    assert file.exists() and file.lstat().st_ino == before.st_ino


def test_the_marker_becomes_a_pipe(world, planted):
    """Who opens it for reading waits for a writer."""
    marker = planted / ".kinglet-complete"
    marker.unlink()
    os.mkfifo(marker)
    (planted / "never-mind").write_text("x")
    file_of(planted).unlink()
    try:
        world.gone_after_a_look()
    finally:
        with contextlib.suppress(OSError):  # lets an agent go on that is caught
            os.close(os.open(marker, os.O_WRONLY | os.O_NONBLOCK))


def test_a_file_and_the_marker_say_the_same_lie(world, planted):
    file = file_of(planted)
    file.write_bytes(b"evil")
    marker = json.loads((planted / ".kinglet-complete").read_text())
    for entry in marker["sources"][0]["files"]:
        entry.update(size=4, digest=f"md5:{hashlib.md5(b'evil').hexdigest()}")
    (planted / ".kinglet-complete").write_text(json.dumps(marker))
    wait_for(lambda: file.exists() and file.read_bytes() == PUBLIC, 30, "the model to come back")


@pytest.mark.parametrize("what", ["file", "pipe", "link"])
def test_something_is_added_to_a_model(world, planted, what):
    added = planted / "added.py"
    if what == "file":
        added.write_text("evil")
    elif what == "pipe":
        os.mkfifo(added)
    else:
        added.symlink_to("/etc/passwd")
    wait_for(lambda: not os.path.lexists(added), 30, "it to be removed")


def test_a_file_becomes_a_link(world, planted):
    file = file_of(planted)
    file.unlink()
    file.symlink_to("/dev/null")
    wait_for(lambda: not file.is_symlink() and file.exists() and file.read_bytes() == PUBLIC, 30, "the model to come back")


def test_a_tree_without_end_is_planted(world, planted):
    deep = planted
    for _ in range(200):
        deep = deep / "d"
        deep.mkdir()
    world.gone_after_a_look()
    shutil.rmtree(planted / "d")


# One namespace's caches do not keep the node from serving others.

def test_a_name_that_no_folder_can_have(world):
    name = "a" * 245
    with contextlib.suppress(urllib.error.HTTPError):
        world.cache(world.b, name, world.uri())
    world.gone_after_a_look()


def test_the_list_of_a_node_is_filled(world):
    """All namespaces' models of a node stand in one object, whose size is limited."""
    names = [f"long-{i}" for i in range(4)]
    for name in names:
        world.cache(world.b, name, f"{world.uri()}?{name}{'x' * 500_000}")
    world.cache(world.a, "beside-long", world.uri() + "?beside-long")
    world.await_state(world.a, "beside-long", "NodeDownloaded")
    node = world.get(f"/{SERVING}/localmodelnodes/kinglet")
    assert len(json.dumps(node)) < 200_000
    events = world.get("/api/v1/namespaces/team-b/events")["items"]
    assert any(e["reason"] == "NotAssigned" and e["involvedObject"]["name"] in names for e in events)
    for name in names:
        world.admin.call("DELETE", world.path_of(world.b, name))
    wait_for(lambda: not any(world.get(world.path_of(world.b, name)) for name in names), 30, "the caches to go")


def test_a_claim_with_our_label_has_the_volume_of_another_deleted(world, used):
    """The controller deletes what unused claims are bound to: "<claim>-<namespace>", which can be read in two ways."""
    attacker = Pods(world.kinglet, "b")
    world.admin.create("namespaces", {"metadata": {"name": "b"}}, namespaced=False)
    volume = world.get(f"/api/v1/persistentvolumes/{used}-default-team-b")
    attacker.create("persistentvolumeclaims", {
        "metadata": {"name": f"{used}-default-team", "labels": {f"{INTERNAL}localmodel": used}},
        "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Mi"}}}})
    # Another user of the cache, so that the controller looks at its claims.
    world.service(world.a, "wakes", world.uri() + "?public")
    wait_for(lambda: not world.claim(attacker, f"{used}-default-team"), 30, "the unused claim to be deleted")
    world.bound(world.a, f"{used}-default")
    now = world.get(f"/api/v1/persistentvolumes/{used}-default-team-b")
    assert now and now["metadata"]["uid"] == volume["metadata"]["uid"] and "deletionTimestamp" not in now["metadata"]


@pytest.mark.parametrize("name", ["..", ".kinglet-records", "a/../b", "team-a_private", "A", "%2e%2e"])
def test_a_name_that_leads_elsewhere(world, name):
    with pytest.raises(urllib.error.HTTPError) as refused:
        world.cache(None, name, world.uri() + "?elsewhere")
    assert refused.value.code in (400, 422)
