"""The iris sample as an InferenceService, and what it answers."""

from cluster import ROOT
from node import post

MODEL = (ROOT / "config/samples/sklearn/iris/model.joblib").read_bytes()
ROWS = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]
CLASSES = [1, 1]


def service(name, uri):
    """One that asks for little: the machine of a test has little."""
    small = {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": name, "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
            "spec": {"predictor": {"minReplicas": 1, "model": {
                "modelFormat": {"name": "sklearn"}, "storageUri": uri, "resources": small}}}}


def predict_v1(address, name):
    return post(address, f"/v1/models/{name}:predict", {"instances": ROWS})["predictions"]


def predict_v2(address, name):
    tensor = {"name": "input-0", "shape": [2, 4], "datatype": "FP64", "data": ROWS}
    return post(address, f"/v2/models/{name}/infer", {"inputs": [tensor]})["outputs"][0]["data"]
