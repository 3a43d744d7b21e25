"""What kustomize and helm make of config and charts is taken by the API server, and says the same."""

import json
import os
import subprocess

import pytest
import yaml

from cluster import KUBE_BIN, ROOT, ApiError, ControlPlane, Manager, wait_for
from tables import changes
from test_manager import deployment, isvc, reconciles

OVERLAYS = ["default", "clusterresources",
            *(f"overlays/{o}" for o in ("standard-only", "openshift", "cert-manager", "one-namespace"))]
CHARTS = ("kinglet-crd", "kinglet", "kinglet-runtimes")
# Defaults, which the charts spell out.
SAID_BY_HELM_ONLY = {".spec.replicas: None -> 1", ".metadata.annotations: None -> {}",
                     ".data.service: None -> {'serviceClusterIPNone': False}",
                     ".data.localModel.disableVolumeManagement: None -> False",
                     ".data.localModel.jobTTLSecondsAfterFinished: None -> 3600",
                     ".data.localModel.reconcilationFrequencyInSecs: None -> 60"}
FOREIGN = {"cert-manager.io"}  # kinds that this API server does not know


def tool(name):
    path = KUBE_BIN / name
    if not path.exists():
        pytest.skip(f"NO {name}: `OUT={KUBE_BIN} tools/kube/build-tools.sh {name}` builds it; without it this is NOT tested")
    return path


def run(*command, env=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(overlay):
    return [o for o in yaml.safe_load_all(run(tool("kustomize"), "build", ROOT / "config" / overlay)) if o]


def template(chart, *flags, namespace="kserve"):
    text = run(tool("helm"), "template", "release", ROOT / "charts" / chart, "--namespace", namespace, *flags)
    return [o for o in yaml.safe_load_all(text) if o]


def accepted(api, objects):
    """Each is taken, unknown fields refused."""
    assert objects
    for o in objects:
        api.ensure_namespace(o["metadata"].get("namespace") or "kserve")
        if o["apiVersion"].split("/")[0] in FOREIGN:
            continue
        method, path = ("PATCH", api.of(o)) if api.get(o) else ("POST", api.of(o, named=False))
        api.call(method, f"{path}?dryRun=All&fieldValidation=Strict", o,
                 "application/merge-patch+json" if method == "PATCH" else "application/json")


def meaning(o):
    """An object whose settings, if it has some, are read; empty ones say nothing."""
    if o["kind"] != "ConfigMap":
        return o
    data = {key: json.loads(text) for key, text in o["data"].items()}
    data = {key: {k: v for k, v in value.items() if v not in ("", [])} for key, value in data.items()}
    return {**o, "data": data}


def by_name(objects):
    return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): meaning(o) for o in objects}


def difference(helm, kustomize):
    """Between what the charts and what an overlay makes, but for what is meant."""
    helm, kustomize = by_name(helm), by_name(kustomize)
    kustomize.pop(("Namespace", None, "kserve"), None)  # helm's --create-namespace
    for name, o in helm.items():
        if name[0] == "CustomResourceDefinition":
            assert o["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
    found = [f"{name} only on one side" for name in helm.keys() ^ kustomize.keys()]
    for name in helm.keys() & kustomize.keys():
        found += [f"{name}{line}" for line in changes(kustomize[name], helm[name])
                  if line not in SAID_BY_HELM_ONLY]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize(plane, webhooks, overlay):
    accepted(plane.api, build(overlay))


@pytest.mark.parametrize("chart, flags", [
    ("kinglet", []),
    ("kinglet", ["--set=kserve.controller.deploymentMode=RawDeployment,kserve.controller.watchNamespace=a"]),
    ("kinglet", ["--set=kserve.controller.webhookCertificates=cert-manager"]),
    ("kinglet", ["--set=kserve.controller.replicas=2,kserve.controller.tolerations[0].operator=Exists,"
                 "kserve.controller.nodeSelector.disk=fast,kserve.controller.securityContext.runAsUser=1000"]),
    ("kinglet-runtimes", []),
    ("kinglet-runtimes", ["--set=kserve.servingruntime.sklearnserver.tag=v9,kserve.storage.tag=v8,"
                          "kserve.servingruntime.sklearnserver.imagePullSecrets[0].name=pull"])], ids=str)
def test_helm(plane, webhooks, chart, flags):
    accepted(plane.api, template(chart, *flags))


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_lint(chart):
    run(tool("helm"), "lint", "--strict", ROOT / "charts" / chart)


def test_helm_crds(plane, webhooks):
    crds = template("kinglet-crd")
    accepted(plane.api, crds)
    assert len(crds) == len(list((ROOT / "config/crd").glob("serving*.yaml")))


def test_helm_says_what_kustomize_says():
    charts = [o for chart in CHARTS for o in template(chart)]
    assert difference(charts, build("default") + build("clusterresources")) == []


def test_helm_says_what_kustomize_says_of_one_namespace():
    charts = [o for chart in CHARTS[:2] for o in template(chart, *(["--set=kserve.controller.watchNamespace=models"] if chart == "kinglet" else []))]
    assert difference(charts, build("overlays/one-namespace")) == []


def test_values_reach_what_they_are_about():
    objects = by_name(template("kinglet", "--set=kserve.controller.gateway.domain=models.example.org",
                               "--set=kserve.config.credentials.s3.s3Endpoint=minio:9000", "--set=kserve.version=v1"))
    data = objects["ConfigMap", "kserve", "inferenceservice-config"]["data"]
    assert data["ingress"]["ingressDomain"] == "models.example.org"
    assert data["credentials"]["s3"]["s3Endpoint"] == "minio:9000"
    assert data["credentials"]["s3"]["s3AccessKeyIDName"] == "AWS_ACCESS_KEY_ID"
    assert data["storageInitializer"]["image"] == "kserve/storage-initializer:v1"
    controller = objects["Deployment", "kserve", "kserve-controller-manager"]
    assert controller["spec"]["template"]["spec"]["containers"][0]["image"] == "kinglet/kinglet-manager:v1"
    runtimes = by_name(template("kinglet-runtimes", "--set=kserve.servingruntime.sklearnserver.tag=v9",
                                "--set=kserve.servingruntime.paddleserver.enabled=false", "--set=kserve.storage.tag=v8"))
    runtime = runtimes["ClusterServingRuntime", None, "kserve-sklearnserver"]
    assert runtime["spec"]["containers"][0]["image"] == "kserve/sklearnserver:v9"
    assert runtime["spec"]["containers"][0]["args"][0] == "--model_name={{.Name}}"
    assert ("ClusterServingRuntime", None, "kserve-paddleserver") not in runtimes
    assert runtimes["ClusterStorageContainer", None, "default"]["spec"]["container"]["image"] == "kserve/storage-initializer:v8"


def test_another_namespace():
    objects = template("kinglet", "--set=kserve.controller.webhookCertificates=cert-manager", namespace="elsewhere")
    assert {o["metadata"].get("namespace") for o in objects} == {None, "elsewhere"}
    for o in objects:
        for webhook in o.get("webhooks", []):
            assert webhook["clientConfig"]["service"]["namespace"] == "elsewhere"
        for subject in o.get("subjects", []):
            assert subject["namespace"] == "elsewhere"


@pytest.fixture(scope="module")
def bare():
    """An API server on which nothing is installed."""
    tool("helm")
    plane = ControlPlane(installed=False)
    yield plane
    plane.stop()


def test_install_upgrade_and_uninstall(bare):
    """Then a manager works in one namespace, with the rights that the chart gave it and none in others."""
    api = bare.api

    def helm(*words):
        return run(tool("helm"), *words, "--namespace", "kserve", env={**os.environ, "KUBECONFIG": str(bare.folder / "admin.kubeconfig")})

    def installed(name):
        return api.get({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}})

    helm("install", "crd", ROOT / "charts/kinglet-crd", "--create-namespace")
    helm("install", "kinglet", ROOT / "charts/kinglet")
    assert installed("kserve-manager-role")
    helm("upgrade", "crd", ROOT / "charts/kinglet-crd")
    api.ensure_namespace("models")
    api.ensure_namespace("others")
    helm("upgrade", "kinglet", ROOT / "charts/kinglet", "--set=kserve.controller.watchNamespace=models,kserve.controller.deploymentMode=RawDeployment")
    assert installed("kserve-manager-cluster-role") and not installed("kserve-manager-role")
    for crd in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        wait_for(lambda: bare.serves(crd), what=f"{crd['metadata']['name']} to be served")

    manager = Manager(bare, flags=["--leader-elect", "--namespace=models"], webhooks=True)
    hooks = template("kinglet", "--set=kserve.controller.watchNamespace=models")
    for o in hooks:
        if o["kind"].endswith("WebhookConfiguration"):
            api.delete(o)
    bare.register_webhooks(manager.webhook_port, [o for o in hooks if o["kind"].endswith("WebhookConfiguration")])
    manager.start()
    try:
        helm("install", "runtimes", ROOT / "charts/kinglet-runtimes")
        service = isvc("here", spec={"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://b/m"}, "containers": None}})
        api.create(service, "others")
        reconciles(api, "models", "own")
        api.create(service, "models")
        wait_for(lambda: deployment(api, "models", "here"), what="the Deployment of a model")
        assert not deployment(api, "others", "here")
        with pytest.raises(ApiError, match="MinReplicas"):
            api.create(isvc("bad", spec={"predictor": {"minReplicas": -1}}), "models")
        api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}, "secrets": [{"name": "keys"}]}, "models")
        api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"HF_TOKEN": "t"}}, "models")
        pod = api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": "here", "labels": {"serving.kserve.io/inferenceservice": "here"},
            "annotations": {"internal.serving.kserve.io/storage-initializer-sourceuri": "hf://m"}},
            "spec": {"containers": [{"name": "kserve-container", "image": "a"}]}}, "models")
        assert {e["name"] for e in pod["spec"]["initContainers"][0]["env"]} >= {"HF_TOKEN"}
        api.delete(service, "models")
        wait_for(lambda: not api.get(service, "models"), what="the service's end")
    finally:
        assert manager.stop() == 0
    refused = {(e["verb"], e["requestURI"]) for e in bare.audit() if e.get("responseStatus", {}).get("code") == 403}
    assert refused == set()
    assert "forbidden" not in manager.process.output()
    helm("uninstall", "runtimes")
    helm("uninstall", "crd")
    assert api.get({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "inferenceservices.serving.kserve.io"}})
