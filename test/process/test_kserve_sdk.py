"""The iris sample through the KServe Python SDK, as its users write it."""

import asyncio

import pytest
from kserve import (
    InferenceRESTClient,
    InferInput,
    InferRequest,
    KServeClient,
    RESTConfig,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1ModelFormat,
    V1beta1ModelSpec,
    V1beta1PredictorSpec,
    V1beta1SKLearnSpec,
    constants,
)
from kubernetes import client as k8s

from conftest import IRIS_V1, wait_for


def service(name, predictor):
    return V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=k8s.V1ObjectMeta(name=name, namespace="default"),
        spec=V1beta1InferenceServiceSpec(predictor=predictor),
    )


@pytest.mark.parametrize("form", ["framework", "model"])
def test_create_wait_predict_patch_delete(standalone, samples, form):
    uri = f"file://{samples}/sklearn/iris"
    name = f"sdk-{form}"
    if form == "framework":
        predictor = V1beta1PredictorSpec(min_replicas=1, sklearn=V1beta1SKLearnSpec(storage_uri=uri))
    else:
        predictor = V1beta1PredictorSpec(
            model=V1beta1ModelSpec(model_format=V1beta1ModelFormat(name="sklearn"), storage_uri=uri))
    kserve = KServeClient(config_file=str(standalone.kubeconfig))
    kserve.create(service(name, predictor))
    kserve.wait_isvc_ready(name, namespace="default", timeout_seconds=60, polling_interval=1)
    isvc = kserve.get(name, namespace="default")
    url = isvc["status"]["url"]

    async def predict():
        v1 = InferenceRESTClient(RESTConfig(protocol="v1", timeout=10))
        answer = await v1.infer(url, IRIS_V1, model_name=name)
        assert answer["predictions"] == [1, 1]
        v2 = InferenceRESTClient(RESTConfig(protocol="v2", timeout=10))
        tensor = InferInput("input-0", [2, 4], "FP32", data=IRIS_V1["instances"])
        answer = await v2.infer(url, InferRequest(infer_inputs=[tensor], model_name=name), model_name=name)
        assert answer.outputs[0].data == [1, 1]
        assert await v2.is_model_ready(url, name)

    asyncio.run(predict())

    predictor.min_replicas = 2
    kserve.patch(name, service(name, predictor), namespace="default")
    wait_for(lambda: (kserve.get(name, namespace="default")["spec"]["predictor"].get("minReplicas") == 2
                      and kserve.is_isvc_ready(name, namespace="default")), 60, "the patch")

    kserve.delete(name, namespace="default")
    wait_for(lambda: standalone.isvc(name) is None, 30, "the deletion")
