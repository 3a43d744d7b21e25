"""What somebody gets who may only create InferenceServices and InferenceGraphs in a namespace.

By design that is a pod of their own writing in that namespace, with its service accounts and secrets, as with a
Deployment. It is not: other fields of a runtime's container than those with placeholders, hosts of other namespaces,
objects of their own namespace that are not theirs, secrets of other namespaces, or requests that the controllers make.
"""

import contextlib
import json
import shutil
import socket
import sys
import tempfile

import pytest
from conftest import ROOT, Standalone, wait_for

sys.path.insert(0, str(ROOT / "test/apiserver"))
from cluster import CONFIG, Api, ApiError, documents  # noqa: E402

BOUNDARY = "tenant"
TENANT = "tenant"
INGRESS = {"ingressGateway": "in/gw", "ingressDomain": "example.com", "pathBasedURL": False, "pathTemplate": ""}


@pytest.fixture(scope="module")
def api():
    """Controllers without a kubelet: the tests say when Deployments are available."""
    folder = tempfile.mkdtemp(prefix="kinglet-templates-")
    standalone = Standalone(folder).start("--workloads=false")
    api = Api(standalone.kubeconfig)
    for namespace in (TENANT, "c", "b-c"):
        api.ensure_namespace(namespace)
        api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, namespace)
    runtime = {"supportedModelFormats": [{"name": "framework", "version": "1", "autoSelect": True}],
               "protocolVersions": ["v1"], "multiModel": False,
               "containers": [{"name": "kserve-container", "image": "example.com/server:1",
                               "args": ["--team={{ index .Annotations \"team\" }}", "--name={{.Name}}"],
                               "env": [{"name": "TEAM", "value": "{{ index .Annotations \"team\" }}"}],
                               "securityContext": {"privileged": False}}]}
    api.apply({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime",
               "metadata": {"name": "with-placeholders"}, "spec": runtime})
    api.pid = standalone.process.pid
    yield api
    standalone.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ingress(api):
    """Changes the section `ingress` of the configuration for a test."""
    before = api.get(CONFIG)["data"]

    def change(**members):
        api.merge(CONFIG, {"data": {"ingress": json.dumps({**INGRESS, **members})}})

    change()
    yield change
    api.merge(CONFIG, {"data": before})


@pytest.fixture
def made(api):
    """Creates objects that go with the test."""
    objects = []

    def create(o, namespace=TENANT):
        stored = api.create(o, namespace)
        objects.append((stored, namespace))
        return stored

    yield create
    for o, namespace in reversed(objects):
        api.delete(o, namespace)
    for o, namespace in objects:
        wait_for(lambda: api.get(o, namespace) is None, 10, f"{o['metadata']['name']} to go")
    for namespace in {namespace for _, namespace in objects}:
        for kind, version in (("Deployment", "apps/v1"), ("Ingress", "networking.k8s.io/v1")):
            wait_for(lambda: not api.list(version, kind, namespace), 10, f"{kind} of {namespace} to go")


def isvc(name, **metadata):
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": name, **metadata},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "framework"}}}}}


def named(kind, name):
    version = {"Deployment": "apps/v1", "Ingress": "networking.k8s.io/v1", "Service": "v1", "ConfigMap": "v1",
               "HorizontalPodAutoscaler": "autoscaling/v2", "HTTPRoute": "gateway.networking.k8s.io/v1"}[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def make_available(api, name, namespace=TENANT):
    deployment = wait_for(lambda: api.get(named("Deployment", name), namespace), 10, f"Deployment {name}")
    api.merge(deployment, {"status": {"observedGeneration": 1, "conditions": [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""}]}}, namespace, sub="status")


def condition(api, name, kind, namespace=TENANT):
    conditions = (api.get(isvc(name), namespace) or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def told(api, o):
    """Whether an event speaks of the object."""
    return any(e["involvedObject"].get("uid") == o["metadata"]["uid"] for e in api.list("v1", "Event", TENANT))


def hosts(api, namespace):
    return {rule["host"] for o in api.list("networking.k8s.io/v1", "Ingress", namespace) for rule in o["spec"]["rules"]}


# Values of labels and annotations in a runtime's container.


@pytest.mark.parametrize("value", [
    '","image":"evil.example.com/i","x":"', '"}],"securityContext":{"privileged":true},"env":[{"name":"a","value":"',
    "--a\n--b", "{{ .Namespace }}", "{{ printf \"%s\" .Name }}", "{{/* */}}{{", "<script>&'\"\\", "$(KUBERNETES_SERVICE_HOST)",
    "\\u0022,\\u0022image\\u0022:\\u0022evil", "\t\x7f",
], ids=range(10))
def test_an_annotation_stays_a_text_in_the_runtimes_container(api, made, value):
    made(isvc("injected", annotations={"team": value}))
    deployment = wait_for(lambda: api.get(named("Deployment", "injected-predictor"), TENANT), 10, "the Deployment")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in containers] == ["kserve-container"]
    assert containers[0]["image"] == "example.com/server:1"
    assert containers[0]["args"] == [f"--team={value}", "--name=injected"]
    assert containers[0]["env"] == [{"name": "TEAM", "value": value}]
    assert containers[0]["securityContext"] == {"privileged": False}


@pytest.mark.parametrize("name", ["a{{.Namespace}}", "a/../b", "a\"b", "a b", "a.b", "A", "a\n", "-a", ""])
def test_a_name_that_is_no_name_is_refused(api, name):
    with pytest.raises(ApiError) as refused:
        api.create(isvc(name), TENANT)
    assert refused.value.code in (400, 403, 422)


# Hosts and paths.


@pytest.mark.parametrize("host", ["evil.example.com/", "a\nb.example.com", "a.example.com#", "a b.example.com", "..", "",
                                  "user@a.example.com", "*.example.com", "a.example.com:80", "{{.Name}}.example.com", "a..example.com"])
def test_an_annotation_does_not_make_a_host_that_is_none(api, ingress, made, host):
    ingress(domainTemplate='{{ index .Annotations "host" }}')
    made(isvc("hostile", annotations={"host": host}))
    wait_for(lambda: any("domain name" in e["message"] for e in api.list("v1", "Event", TENANT)
                         if e["involvedObject"]["name"] == "hostile"), 10, "the event")
    assert not api.list("networking.k8s.io/v1", "Ingress", TENANT)


def test_a_service_does_not_get_the_host_of_another_namespace(api, ingress, made):
    """By the default domainTemplate a of b-c and a-b of c have one host."""
    ingress()
    made(isvc("a"), "b-c")
    make_available(api, "a-predictor", "b-c")
    wait_for(lambda: "a-b-c.example.com" in hosts(api, "b-c"), 10, "the first Ingress")
    made(isvc("a-b"), "c")
    make_available(api, "a-b-predictor", "c")
    wait_for(lambda: condition(api, "a-b", "IngressReady", "c").get("reason") == "HostInUse" or hosts(api, "c"), 10,
             "a decision")
    assert "a-b-c.example.com" not in hosts(api, "c")
    refusal = condition(api, "a-b", "IngressReady", "c")
    assert refusal["reason"] == "HostInUse" and "b-c/a" not in refusal["message"]
    assert "a-b-c.example.com" in hosts(api, "b-c")


def test_a_service_does_not_move_to_the_host_of_another_namespace(api, ingress, made):
    """It had a host of its own first: its age gives it no right to others."""
    ingress(domainTemplate='{{ .Name }}-{{ index .Annotations "zone" }}.{{ .IngressDomain }}')
    made(isvc("mover", annotations={"zone": "mine"}), "c")
    make_available(api, "mover-predictor", "c")
    wait_for(lambda: "mover-mine.example.com" in hosts(api, "c"), 10, "its Ingress")
    made(isvc("mover", annotations={"zone": "theirs"}), "b-c")
    make_available(api, "mover-predictor", "b-c")
    wait_for(lambda: "mover-theirs.example.com" in hosts(api, "b-c"), 10, "the victim's Ingress")
    api.merge(isvc("mover"), {"metadata": {"annotations": {"zone": "theirs"}}}, "c")
    wait_for(lambda: condition(api, "mover", "IngressReady", "c").get("reason") == "HostInUse"
             or "mover-theirs.example.com" in hosts(api, "c"), 10, "a decision")
    assert "mover-theirs.example.com" not in hosts(api, "c")


def test_a_host_that_is_free_again_is_given_away(api, ingress, made):
    ingress()
    first = made(isvc("a"), "b-c")
    make_available(api, "a-predictor", "b-c")
    wait_for(lambda: "a-b-c.example.com" in hosts(api, "b-c"), 10, "the first Ingress")
    made(isvc("a-b"), "c")
    make_available(api, "a-b-predictor", "c")
    api.delete(first, "b-c")
    wait_for(lambda: "a-b-c.example.com" in hosts(api, "c"), 25, "the second Ingress")


def test_a_service_does_not_get_the_domain_of_all_paths(api, ingress, made):
    ingress(domainTemplate='{{ index .Annotations "host" }}', pathTemplate="/serving/{{ .Namespace }}/{{ .Name }}")
    mine = made(isvc("whole", annotations={"host": "example.com"}))
    wait_for(lambda: told(api, mine) or api.get(named("Deployment", "whole-predictor"), TENANT), 10, "a decision")
    if api.get(named("Deployment", "whole-predictor"), TENANT):
        make_available(api, "whole-predictor")
    wait_for(lambda: told(api, mine) or hosts(api, TENANT), 10, "a decision")
    assert "example.com" not in hosts(api, TENANT)


def test_annotations_that_the_configuration_forbids_do_not_reach_the_ingress_controller(api, ingress, made):
    ingress()
    snippet, harmless = "nginx.ingress.kubernetes.io/configuration-snippet", "example.com/harmless"
    before = api.get(CONFIG)["data"].get("inferenceService")
    api.merge(CONFIG, {"data": {"inferenceService": json.dumps({"serviceAnnotationDisallowedList": [snippet]})}})
    try:
        made(isvc("annotated", annotations={snippet: "load_module evil;", harmless: "x"}))
        make_available(api, "annotated-predictor")
        o = wait_for(lambda: api.get(named("Ingress", "annotated"), TENANT), 10, "the Ingress")
        assert snippet not in o["metadata"]["annotations"] and harmless in o["metadata"]["annotations"]
    finally:
        api.merge(CONFIG, {"data": {"inferenceService": before}})


@pytest.fixture
def routes(api, ingress):
    """Gateway API: changes the configuration for a test, and reads the routes of a namespace."""
    for crd in documents(ROOT / "test/apiserver/foreign_crds.yaml"):
        if crd["spec"]["names"]["kind"] == "HTTPRoute":
            api.apply(crd)

    def read(namespace):
        try:
            return api.list("gateway.networking.k8s.io/v1", "HTTPRoute", namespace)
        except (ApiError, KeyError):
            return []  # the kind is not served yet

    ingress(enableGatewayApi=True, kserveIngressGateway="in/gw", pathTemplate="/serving/{{ .Namespace }}/{{ .Name }}")
    return ingress, read


def shared_paths(routes):
    """The paths that lead to a service at the domain of all."""
    return {match["path"]["value"] for o in routes if "example.com" in o["spec"]["hostnames"]
            for rule in o["spec"]["rules"] for match in rule["matches"]}


def test_a_service_does_not_get_the_requests_of_all_paths(api, routes, made):
    """With Gateway API, all rules of a route are for all its hosts."""
    read = routes[1]
    made(isvc("whole"))
    make_available(api, "whole-predictor")
    wait_for(lambda: shared_paths(read(TENANT)), 30, "the route of its path")
    assert shared_paths(read(TENANT)) == {f"/serving/{TENANT}/whole/"}
    assert any("^/.*$" == match["path"]["value"] for o in read(TENANT) for rule in o["spec"]["rules"] for match in rule["matches"])


def test_a_service_does_not_get_the_path_of_another_namespace(api, routes, made):
    change, read = routes
    change(enableGatewayApi=True, kserveIngressGateway="in/gw", pathTemplate="/serving/{{ .Name }}",
           domainTemplate="{{ .Name }}.{{ .Namespace }}.{{ .IngressDomain }}")
    for namespace in ("b-c", "c"):
        made(isvc("same"), namespace)
        make_available(api, "same-predictor", namespace)
        wait_for(lambda: shared_paths(read(namespace)) or condition(api, "same", "IngressReady", namespace).get("reason")
                 == "HostInUse", 30, "a decision")
    assert shared_paths(read("b-c")) == {"/serving/same/"}
    assert not shared_paths(read("c"))


# Objects that are somebody else's and have the name of a child.


def deployment_of_others(name):
    labels = {"app": f"isvc.{name}"}  # a selector that ours would not have to change: it cannot be
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "theirs"}]}}}}


CHILDREN = {
    "Deployment": deployment_of_others("taken-predictor"),
    "Service": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken-predictor"},
                "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}},
    "HorizontalPodAutoscaler": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                                "metadata": {"name": "taken-predictor"},
                                "spec": {"maxReplicas": 7, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"}}},
    "Ingress": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "taken"},
                "spec": {"rules": [{"host": "theirs.example.com"}]}},
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_an_object_with_the_name_of_a_child_is_not_overwritten_or_deleted(api, ingress, made, kind):
    ingress()
    theirs = made(CHILDREN[kind])
    mine = made(isvc("taken"))
    if kind == "Ingress":
        make_available(api, "taken-predictor")

    wait_for(lambda: told(api, mine) or api.get(theirs, TENANT)["spec"] != theirs["spec"], 10, "a decision")
    api.delete(mine, TENANT)
    wait_for(lambda: api.get(mine, TENANT) is None, 10, "the InferenceService to go")
    now = api.get(theirs, TENANT)
    assert now and now["spec"] == theirs["spec"] and not now["metadata"].get("ownerReferences")


def test_the_list_of_models_is_not_put_over_a_config_map_of_others(api, made):
    api.apply({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": {"name": "multi"},
               "spec": {"multiModel": True, "supportedModelFormats": [{"name": "multi", "version": "1", "autoSelect": True}],
                        "protocolVersions": ["v1"], "containers": [{"name": "kserve-container", "image": "i"}]}}, TENANT)
    theirs = made({**named("ConfigMap", "modelconfig-models-0"), "data": {"models.json": "theirs"}})
    o = isvc("models")
    o["spec"]["predictor"]["model"] = {"modelFormat": {"name": "multi"}, "runtime": "multi"}
    mine = made(o)
    wait_for(lambda: told(api, mine) or api.get(named("Deployment", "models-predictor"), TENANT), 10, "a decision")
    now = api.get(theirs, TENANT)
    assert now["data"] == theirs["data"] and not now["metadata"].get("ownerReferences")


def test_a_graph_does_not_take_over_a_deployment_of_others(api, made):
    theirs = made(deployment_of_others("taken-graph"))
    graph = made({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "InferenceGraph", "metadata": {"name": "taken-graph"},
                  "spec": {"nodes": {"root": {"routerType": "Sequence", "steps": [{"name": "s", "serviceUrl": "http://a.example.com"}]}}}})
    wait_for(lambda: told(api, graph) or api.get(theirs, TENANT)["spec"] != theirs["spec"], 10, "a decision")
    assert api.get(theirs, TENANT)["spec"] == theirs["spec"]


# What the controllers spend on an object.


def peak_kib(api):
    with open(f"/proc/{api.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_containers_with_one_name_do_not_fill_the_memory(api, made):
    """Each place of a model is mounted in a container; many times many mounts are no pod."""
    before = peak_kib(api)
    o = isvc("mounts")
    o["spec"]["predictor"] = {
        "containers": [{"name": "kserve-container", "image": "i"}, *[{"name": "transformer-container", "image": "i"}] * 800],
        "storageUris": [{"uri": f"pvc://c{i}/a", "mountPath": f"/mnt/m{i}"} for i in range(800)]}
    mine = made(o)
    wait_for(lambda: told(api, mine) or api.get(named("Deployment", "mounts-predictor"), TENANT), 30, "a decision")
    assert peak_kib(api) - before < 100 << 10


def test_placeholders_do_not_fill_the_memory(api, made):
    """The runtime and the annotation fit into objects; one repeated for each placeholder of the other does not."""
    made({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": {"name": "repeats"},
          "spec": {"supportedModelFormats": [{"name": "repeats", "version": "1", "autoSelect": True}],
                   "protocolVersions": ["v1"], "multiModel": False,
                   "containers": [{"name": "kserve-container", "image": "i",
                                   "args": ["{{ index .Annotations \"a\" }}" * 1000, "{{ index .Annotations \"a\" }}"] * 2}]}})
    before = peak_kib(api)
    o = isvc("repeated", annotations={"a": "x" * 200_000})
    o["spec"]["predictor"]["model"]["modelFormat"]["name"] = "repeats"
    mine = made(o)
    wait_for(lambda: told(api, mine), 30, "an event")
    assert peak_kib(api) - before < 100 << 10


def test_canaries_do_not_fill_the_memory(api):
    o = isvc("canaries", annotations={"serving.kserve.io/deploymentMode": "Standard"})
    o["spec"]["predictor"]["model"]["storageUri"] = "s3://b/m"
    o["spec"]["canary"] = [{"trafficPercent": 0, "predictor": {"name": f"c{i}", "model": {
        "modelFormat": {"name": "framework"}, "storageUri": "s3://b/c"}}} for i in range(500)]
    with pytest.raises(ApiError) as refused:
        api.create(o, TENANT)
        api.delete(o, TENANT)
    assert "at most" in refused.value.message


# Secrets, and calls.


@pytest.mark.parametrize("name", ["../b-c/secrets/s", "../../b-c/secrets/s", "b-c/s", "s"])
def test_a_pod_does_not_get_a_secret_of_another_namespace(api, made, name):
    made({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"HF_TOKEN": "t"}}, "b-c")
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "p", "labels": {"serving.kserve.io/inferenceservice": "i"}, "annotations": {
               "internal.serving.kserve.io/storage-initializer-sourceuri": "s3://b/m", "serving.kserve.io/storageSecretName": name}},
           "spec": {"containers": [{"name": "kserve-container", "image": "i"}]}}
    with pytest.raises(ApiError) as refused:
        api.create(pod, TENANT)
    assert "not found" in refused.value.message


def test_the_controllers_call_no_url_of_a_user(api, made):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        made({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "InferenceGraph", "metadata": {"name": "calls"},
              "spec": {"nodes": {"root": {"routerType": "Sequence", "steps": [{"name": "s", "serviceUrl": url}]}}}})
        o = isvc("calls")
        o["spec"]["predictor"]["logger"] = {"mode": "all", "url": url}
        o["spec"]["predictor"]["model"]["storageUri"] = url + "m.tar"
        made(o)
        for name in ("calls", "calls-predictor"):
            wait_for(lambda: api.get(named("Deployment", name), TENANT), 10, f"Deployment {name}")
        trap.settimeout(0.2)
        with pytest.raises(TimeoutError), contextlib.closing(trap.accept()[0]):
            pass
