"""kinglet-server with real clients: requests, tritonclient, KServe's InferenceRESTClient."""

import asyncio
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
DATA = ROOT / "test/data"


class Server:
    """One kinglet-server on a free port."""

    def __init__(self, model_dir, log, *flags, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [BIN / "kinglet-server", "--model_dir", model_dir, "--http_port", "0", *flags],
                stdout=out, stderr=out, env={**os.environ, **(env or {})})
        deadline = time.monotonic() + 60
        while not (found := re.search(r"serving HTTP .*port=(\d+)", self.log.read_text())):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.005)
        self.host = f"127.0.0.1:{found[1]}"
        self.url = f"http://{self.host}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(file, *flags, name=None, env=None):
        folder = tmp_path / f"model-{len(servers)}"
        if pathlib.Path(file).is_dir():
            folder = file
        else:
            folder.mkdir()
            shutil.copy(file, folder / (name or pathlib.Path(file).name))
        servers.append(Server(folder, tmp_path / f"log-{len(servers)}", *flags, env=env))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log.read_text()


def sklearn_case(name, version="1.7.2"):
    folder = DATA / "sklearn" / version
    cases = json.loads((folder / "expected.json").read_text())
    case = next(c for c in cases["models"] if c["name"] == name)
    return folder / case["file"], cases["data"][case["data"]], case


def boosted_case(library, name, suffix):
    case = json.loads((DATA / library / f"{name}.cases.json").read_text())
    return DATA / library / f"{name}{suffix}", case


def close(actual, expected):
    np.testing.assert_allclose(np.array(actual, float), np.array(expected, float), rtol=1e-6, atol=1e-9)


def test_sklearn_v1_and_v2(serve):
    file, rows, case = sklearn_case("random_forest")
    server = serve(file, "--model_name", "forest")
    answer = requests.post(f"{server.url}/v1/models/forest:predict", json={"instances": rows})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == case["predict"]
    tensor = {"name": "input-0", "shape": list(np.shape(rows)), "datatype": "FP64", "data": rows}
    answer = requests.post(f"{server.url}/v2/models/forest/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["model_name"] == "forest" and body["model_version"] is None and body["id"]
    assert body["outputs"][0]["name"] == "output-0"
    assert body["outputs"][0]["data"] == case["predict"]


def test_sklearn_probabilities(serve):
    file, rows, case = sklearn_case("random_forest")
    server = serve(file, env={"PREDICT_PROBA": "true"})
    answer = requests.post(f"{server.url}/v1/models/model:predict", json={"instances": rows})
    close(answer.json()["predictions"], case["proba"])


def test_xgboost_json(serve):
    file, case = boosted_case("xgboost", "xgboost-2.1.4-softprob-json", ".json")
    server = serve(file, "--model_name", "m")
    answer = requests.post(f"{server.url}/v1/models/m:predict", json={"instances": case["X"]})
    assert answer.status_code == 200, answer.text
    close(answer.json()["predictions"], np.reshape(case["expected"], case["shape"]))


def test_lightgbm_shares_its_extension_with_xgboost(serve):
    file, case = boosted_case("lightgbm", "lightgbm-4.5.0-multiclass", ".txt")
    server = serve(file, "--model_name", "m", name="model.bst")
    answer = requests.post(f"{server.url}/v1/models/m:predict", json={"instances": case["X"]})
    assert answer.status_code == 200, answer.text
    close(answer.json()["predictions"], np.reshape(case["expected"], case["shape"]))
    # The same as a data frame, its columns in another order.
    frame = [dict(reversed(list(zip(case["names"], row)))) for row in case["X"]]
    answer = requests.post(f"{server.url}/v1/models/m:predict", json={"instances": frame})
    assert answer.status_code == 200, answer.text
    close(answer.json()["predictions"], np.reshape(case["expected"], case["shape"]))


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_triton_client(serve, binary_in, binary_out):
    file, case = boosted_case("xgboost", "xgboost-2.1.4-softprob-json", ".json")
    server = serve(file, "--model_name", "m")
    with triton.InferenceServerClient(server.host) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("m")
        assert client.get_server_metadata()["name"] == "kserve"
        assert client.get_model_metadata("m")["name"] == "m"
        rows = np.array(case["X"], np.float32)
        if not binary_in:
            rows = np.nan_to_num(rows, nan=0.5)
        tensor = triton.InferInput("input-0", list(rows.shape), "FP32")
        tensor.set_data_from_numpy(rows, binary_data=binary_in)
        wanted = [triton.InferRequestedOutput("output-0", binary_data=binary_out)]
        result = client.infer("m", [tensor], outputs=wanted, request_id="77")
        assert result.get_response()["id"] == "77"
        values = result.as_numpy("output-0")
        assert values.dtype == np.float32 and list(values.shape) == case["shape"]
        if binary_in:
            close(values, np.reshape(case["expected"], case["shape"]))
        with pytest.raises(triton.InferenceServerException, match="does not exist"):
            client.infer("absent", [tensor])


def test_kserve_rest_client(serve):
    file, case = boosted_case("xgboost", "xgboost-2.1.4-softprob-json", ".json")
    server = serve(file, "--model_name", "m")
    expected = np.reshape(case["expected"], case["shape"])
    rows = np.array(case["X"], np.float32)

    async def v1():
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        body = {"instances": json.loads(json.dumps(case["X"]))}
        answer = await client.infer(server.url, body, model_name="m")
        await client.close()
        return answer["predictions"]

    async def v2():
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await client.is_server_live(server.url)
        assert await client.is_server_ready(server.url)
        assert await client.is_model_ready(server.url, "m")
        tensor = InferInput("input-0", list(rows.shape), "FP32")
        tensor.set_data_from_numpy(rows, binary_data=True)
        request = InferRequest(model_name="m", infer_inputs=[tensor], request_id="5",
                               request_outputs=[RequestedOutput("output-0", {"binary_data": True})])
        answer = await client.infer(server.url, request, model_name="m")
        await client.close()
        assert answer.id == "5"
        return answer.outputs[0].as_numpy()

    close(asyncio.run(v1()), expected)
    close(asyncio.run(v2()), expected)


def test_errors_are_kserves(serve):
    file, rows, _ = sklearn_case("random_forest")
    server = serve(file, "--model_name", "m")

    def post(path, **options):
        answer = requests.post(server.url + path, **options)
        return answer.status_code, answer.json()

    assert post("/v1/models/absent:predict", json={}) == (
        404, {"error": "Model with name absent does not exist."})
    assert post("/v1/models/m:predict", json={"instances": "x"}) == (
        400, {"error": 'Expected "instances" to be a list'})
    status, body = post("/v1/models/m:predict", data="{",
                        headers={"Content-Type": "application/json"})
    assert status == 400 and body["error"].startswith("Unrecognized request format: ")
    status, body = post("/v1/models/m:predict", json={"instances": [row[:-1] for row in rows]})
    assert status == 500 and "features" in body["error"]  # an InferenceError
    assert post("/v1/models/m:explain", json={"instances": rows})[0] == 501
    status, body = post("/v2/models/m/infer", json={})
    assert status == 422 and body["detail"][0]["type"] == "missing"
    assert post("/nowhere") == (404, {"detail": "Not Found"})
    assert requests.get(f"{server.url}/v2/models/m/infer").status_code == 405


def test_cloud_events(serve):
    file, rows, case = sklearn_case("random_forest")
    server = serve(file, "--model_name", "m")
    from cloudevents.conversion import to_binary, to_structured
    from cloudevents.http import CloudEvent, from_http

    event = CloudEvent({"type": "test", "source": "here"}, {"instances": rows})
    for convert in (to_binary, to_structured):
        headers, body = convert(event)
        headers.setdefault("content-type", "application/json")
        answer = requests.post(f"{server.url}/v1/models/m:predict", headers=headers, data=body)
        assert answer.status_code == 200, answer.text
        reply = from_http(dict(answer.headers), answer.content)
        assert reply["type"] == "io.kserve.inference.response"
        assert reply["source"] == "io.kserve.inference.m"
        assert reply.get_data()["predictions"] == case["predict"]


def test_repository_of_models(serve, tmp_path):
    file, rows, case = sklearn_case("random_forest")
    root = tmp_path / "models"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        shutil.copy(file, root / name)
    server = serve(root)
    assert requests.get(f"{server.url}/v1/models").json() == {"models": ["a", "b"]}
    assert requests.post(f"{server.url}/v2/repository/models/a/unload").json() == {
        "name": "a", "unload": True}
    assert requests.get(f"{server.url}/v1/models/a").status_code == 404
    assert requests.post(f"{server.url}/v2/repository/models/a/load").status_code == 200
    answer = requests.post(f"{server.url}/v1/models/a:predict", json={"instances": rows})
    assert answer.json()["predictions"] == case["predict"]
    assert requests.post(f"{server.url}/v2/repository/models/c/load").status_code == 503


def test_start_errors_say_what_to_do(tmp_path):
    def start(*flags):
        done = subprocess.run([BIN / "kinglet-server", "--http_port", "0", *flags], timeout=60,
                              capture_output=True, text=True)
        assert done.returncode != 0
        return done.stderr

    file, _, _ = sklearn_case("random_forest")
    shutil.copy(file, tmp_path / "a.joblib")
    shutil.copy(file, tmp_path / "b.joblib")
    assert "More than one model file is detected" in start("--model_dir", tmp_path)
    assert "No such file" in start("--model_dir", tmp_path / "absent")
    assert "--model_dir is required" in start()
    assert "unknown format" in start("--model_dir", tmp_path, "--model_format", "nothing")
    assert "http-port" in start("--model_dir", tmp_path, "--http_port", "99999")


def test_drains_on_sigterm(serve):
    file, rows, case = sklearn_case("random_forest")
    server = serve(file, "--model_name", "m", "--workers", "1")
    body = json.dumps({"instances": rows}).encode()
    import socket

    host, port = server.host.split(":")
    with socket.create_connection((host, int(port))) as half:
        head = (f"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        half.sendall(head + body[:10])
        assert requests.get(f"{server.url}/v2/health/live").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while "Stopping the model server" not in server.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        half.sendall(body[10:])
        answer = b""
        while piece := half.recv(65536):
            answer += piece
    assert b"200 OK" in answer and json.dumps(case["predict"][0]).encode() in answer
    assert server.process.wait(20) == 0


def test_accepts_connections_for_a_while_after_sigterm(serve):
    file, rows, _ = sklearn_case("random_forest")
    server = serve(file, "--model_name", "m", "--shutdown-delay", "30")
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 20
    while requests.get(f"{server.url}/v2/health/ready").status_code == 200:
        assert time.monotonic() < deadline
    # Each with a connection of its own.
    assert requests.post(f"{server.url}/v1/models/m:predict", json={"instances": rows}).status_code == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0


def test_logs_and_metrics(serve):
    file, rows, _ = sklearn_case("random_forest")
    server = serve(file, "--model_name", "m")
    requests.post(f"{server.url}/v1/models/m:predict", json={"instances": rows},
                  headers={"x-request-id": "r-1"})
    metrics = requests.get(f"{server.url}/metrics").text
    assert 'request_predict_seconds_count{model_name="m"} 1' in metrics
    assert 'kinglet_requests_total{code="200"} 1' in metrics
    assert server.stop() == 0
    log = server.log.read_text()
    assert re.search(r"kserve.trace requestId: r-1, preprocess_ms: [\d.e-]+, explain_ms: 0, "
                     r"predict_ms: [\d.e-]+, postprocess_ms: [\d.e-]+\n", log), log
    assert '"POST /v1/models/m:predict HTTP/1.1" 200 OK' in log


def test_model_from_a_url(tmp_path):
    """The storage initializer beside the server brings it; a URL without a model ends the server."""
    import functools
    import http.server
    import threading

    file, data, case = sklearn_case("random_forest")
    shop = tmp_path / "shop"
    shop.mkdir()
    shutil.copy(file, shop / "model.joblib")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=shop)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}"
        server = Server(f"{url}/model.joblib", tmp_path / "log", "--model_name", "remote")
        answer = requests.post(f"{server.url}/v1/models/remote:predict", json={"instances": data[:2]})
        assert answer.status_code == 200, answer.text
        close(answer.json()["predictions"], case["predict"][:2])
        assert server.stop() == 0
        gone = subprocess.run([BIN / "kinglet-server", "--model_dir", f"{url}/none.joblib",
                               "--http_port", "0"], capture_output=True, text=True, timeout=60)
        web.shutdown()
    assert gone.returncode != 0
    assert "404" in gone.stderr and "none.joblib" in gone.stderr, gone.stderr
