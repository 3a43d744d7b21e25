"""What kustomize and helm make of config and charts is taken by the API server, and says the same."""

import subprocess

import pytest
import yaml

from cluster import KUBE_BIN, ROOT

OVERLAYS = ["default", "clusterresources", *(f"overlays/{o}" for o in ("standard-only", "openshift", "cert-manager"))]
FOREIGN = {"cert-manager.io"}  # kinds that this API server does not know


def tool(name):
    path = KUBE_BIN / name
    if not path.exists():
        pytest.skip(f"NO {name}: `OUT={KUBE_BIN} tools/kube/build-tools.sh {name}` builds it; without it this is NOT tested")
    return path


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return [o for o in yaml.safe_load_all(done.stdout) if o]


def template(chart, *flags):
    return run(tool("helm"), "template", "release", ROOT / "charts" / chart, "--namespace", "kserve", *flags)


def accepted(api, objects):
    """Each is taken, unknown fields refused."""
    assert objects
    for o in objects:
        if o["apiVersion"].split("/")[0] in FOREIGN:
            continue
        method, path = ("PATCH", api.of(o)) if api.get(o) else ("POST", api.of(o, named=False))
        api.call(method, f"{path}?dryRun=All&fieldValidation=Strict", o,
                 "application/merge-patch+json" if method == "PATCH" else "application/json")


def by_name(objects):
    return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize(plane, webhooks, overlay):
    accepted(plane.api, run(tool("kustomize"), "build", ROOT / "config" / overlay))


@pytest.mark.parametrize("flags", [[], ["--set=kserve.controller.deploymentMode=RawDeployment,kserve.controller.watchNamespace=a"],
                                   ["--set=kserve.controller.webhookCertificates=cert-manager"],
                                   ["--set=kserve.servingruntime.sklearnserver.tag=v9,kserve.storage.tag=v8"]], ids=str)
def test_helm(plane, webhooks, flags):
    accepted(plane.api, template("kinglet", *flags))


def test_helm_crds(plane, webhooks):
    crds = template("kinglet-crd")
    accepted(plane.api, crds)
    assert len(crds) == len(list((ROOT / "config/crd").glob("serving*.yaml")))


def test_helm_says_what_kustomize_says():
    helm = by_name(template("kinglet"))
    kustomize = by_name(run(tool("kustomize"), "build", ROOT / "config/default")
                        + run(tool("kustomize"), "build", ROOT / "config/clusterresources"))
    kinds = {"CustomResourceDefinition", "Namespace", "ConfigMap"}
    missing = {k for k in kustomize if k[0] not in kinds} - set(helm)
    assert not missing
    for key in ("ClusterRole", "Role", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for name, o in kustomize.items():
            if name[0] == key:
                assert helm[name] == o


def test_values_reach_what_they_are_about():
    objects = by_name(template("kinglet", "--set=kserve.controller.gateway.domain=models.example.org",
                               "--set=kserve.config.credentials.s3.s3Endpoint=minio:9000",
                               "--set=kserve.servingruntime.sklearnserver.tag=v9",
                               "--set=kserve.servingruntime.paddleserver.enabled=false", "--set=kserve.version=v1"))
    data = {k: yaml.safe_load(v) for k, v in objects["ConfigMap", "kserve", "inferenceservice-config"]["data"].items()}
    assert data["ingress"]["ingressDomain"] == "models.example.org"
    assert data["credentials"]["s3"]["s3Endpoint"] == "minio:9000"
    assert data["credentials"]["s3"]["s3AccessKeyIDName"] == "AWS_ACCESS_KEY_ID"
    assert data["storageInitializer"]["image"] == "kserve/storage-initializer:v1"
    runtime = objects["ClusterServingRuntime", None, "kserve-sklearnserver"]
    assert runtime["spec"]["containers"][0]["image"] == "kserve/sklearnserver:v9"
    assert runtime["spec"]["containers"][0]["args"][0] == "--model_name={{.Name}}"
    assert ("ClusterServingRuntime", None, "kserve-paddleserver") not in objects
    deployment = objects["Deployment", "kserve", "kserve-controller-manager"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "kinglet/kinglet-manager:v1"


def test_another_namespace():
    objects = run(tool("helm"), "template", "release", ROOT / "charts/kinglet", "--namespace", "elsewhere",
                  "--set=kserve.controller.webhookCertificates=cert-manager")
    assert {o["metadata"].get("namespace") for o in objects} == {None, "elsewhere"}
    for o in objects:
        for webhook in o.get("webhooks", []):
            assert webhook["clientConfig"]["service"]["namespace"] == "elsewhere"
        for subject in o.get("subjects", []):
            assert subject["namespace"] == "elsewhere"
