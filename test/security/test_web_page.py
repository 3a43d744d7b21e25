"""A web page in a browser on the machine, against what listens on loopback. The page is played by the headers that
browsers send for it (Fetch standard: Origin, Sec-Fetch-Site), and by a Host that DNS rebinding brings."""

import http.client
import json
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import pytest
from conftest import BIN, ROOT, Standalone, wait_for

BOUNDARY = "web-page"

EVIL = "http://evil.example"
APP = "http://localhost:3000"  # a page that its user allows
ROWS = json.dumps({"instances": [[6.8, 2.8, 4.8, 1.4]]})
# What a page can send without asking first (no preflight).
SIMPLE = {"Content-Type": "text/plain"}


def ask(url, method="GET", path="/", headers=None, body=None):
    """One request with exactly these headers; returns the status, the headers and the body."""
    scheme, rest = url.split("://")
    authority = rest.split("/")[0]
    make = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    options = {"context": ssl._create_unverified_context()} if scheme == "https" else {}
    connection = make(authority, timeout=20, **options)
    try:
        connection.request(method, path, body, {**SIMPLE, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode(errors="replace")
    finally:
        connection.close()


@pytest.fixture(scope="module")
def gateway(standalone):
    manifest = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "page", "namespace": "default"},
                "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"},
                                                 "storageUri": f"file://{ROOT}/config/samples/sklearn/iris"}}}}
    file = standalone.data / "page.json"
    file.write_text(json.dumps(manifest))
    standalone.cli("apply", "-f", str(file))
    standalone.wait_ready("page")
    return standalone.state()["gateway"]


PREDICT = "/serving/default/page/v1/models/page:predict"
MODEL = "/serving/default/page/v1/models/page"


def test_the_owner_and_programs_are_served(gateway):
    assert ask(gateway, "POST", PREDICT, body=ROWS)[0] == 200
    assert ask(gateway, "GET", MODEL, {"Sec-Fetch-Site": "none"})[0] == 200
    assert ask(gateway, "POST", PREDICT, {"Origin": gateway}, ROWS)[0] == 200  # its own page


@pytest.mark.parametrize("origin", [EVIL, "null", "https://127.0.0.1.evil.example", "http://127.0.0.1:1",
                                    "http://localhost", "file://"])
@pytest.mark.parametrize("method,path", [("POST", PREDICT), ("GET", MODEL)])
def test_a_page_of_another_origin_is_refused_by_the_gateway(gateway, origin, method, path):
    status, headers, body = ask(gateway, method, path, {"Origin": origin}, ROWS if method == "POST" else None)
    assert status == 403 and "--allowed-origins" in json.loads(body)["error"]
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_image_or_script_of_a_page_is_refused_by_the_gateway(gateway, site):
    assert ask(gateway, "GET", MODEL, {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"})[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7080", "127.0.0.1.evil.example", "localhost.evil.example",
                                  "evil.example.", "xlocalhost"])
def test_a_name_that_was_rebound_to_this_machine_is_refused_by_the_gateway(gateway, host):
    # The page is at http://evil.example:7080 itself, so its origin is its own and GET has none.
    status, _, body = ask(gateway, "GET", MODEL, {"Host": host})
    assert status == 403 and "--allowed-hosts" in json.loads(body)["error"]
    assert ask(gateway, "POST", PREDICT, {"Host": host, "Origin": f"http://{host}"}, ROWS)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:80", "page-predictor.default.svc",
                                  "page-predictor.default.svc.cluster.local"])
def test_names_of_the_machine_and_of_services_are_served(gateway, host):
    assert ask(gateway, "GET", MODEL, {"Host": host})[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])
@pytest.mark.parametrize("which", ["gateway", "metrics"])
def test_an_image_at_an_address_that_browsers_do_not_take_for_loopback(standalone, gateway, which, host):
    """They send no Sec-Fetch-Site there, although the request comes here."""
    url, path = standalone.state()[which], "/metrics" if which == "metrics" else MODEL
    port = url.split("/")[2].split(":")[1]
    assert ask(url, "GET", path, {"Host": f"{host}:{port}"})[0] == 403


def test_a_page_holds_the_connections_that_the_metrics_server_has(standalone):
    """It has 64; a page has as many as it likes by names like a1.localhost."""
    url = standalone.state()["metrics"]
    held = [http.client.HTTPConnection(url.split("/")[2], timeout=20) for _ in range(80)]
    try:
        for connection in held:
            connection.request("GET", "/metrics", headers={"Origin": EVIL})
            assert connection.getresponse().read()
        assert ask(url, "GET", "/healthz")[0] == 200
    finally:
        for connection in held:
            connection.close()


@pytest.mark.parametrize("method,path", [("POST", PREDICT), ("GET", MODEL)])
def test_a_service_whose_namespace_is_a_top_level_domain_is_rebound(standalone, gateway, method, path):
    """Somebody registers iris-predictor.ml and leads it to this machine."""
    for kind in ({"kind": "Namespace", "metadata": {"name": "ml"}},
                 {"kind": "Service", "metadata": {"name": "iris-predictor", "namespace": "ml"},
                  "spec": {"ports": [{"port": 80}]}}):
        standalone.cli("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", **kind}))
    body = ROWS if method == "POST" else None
    # The gateway has seen the Service when it knows the name that is no public one.
    wait_for(lambda: ask(gateway, method, path, {"Host": "iris-predictor.ml.svc"}, body)[0] == 200, 20, "the Service")
    origin = {"Origin": "http://iris-predictor.ml:7080"} if method == "POST" else {}
    assert ask(gateway, method, path, {"Host": "iris-predictor.ml:7080", **origin}, body)[0] == 403


@pytest.mark.parametrize("scheme", ["https", "tauri", "app", "chrome-extension"])
def test_a_page_of_the_same_address_but_another_scheme_is_refused(gateway, scheme):
    for host in (gateway.split("/")[2], "localhost"):
        assert ask(gateway, "POST", PREDICT, {"Host": host, "Origin": f"{scheme}://{host}"}, ROWS)[0] == 403


PAGE = """
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"<script>steal()</script>{self.headers.get('cookie')}".encode()
        self.send_response(200)
        for name, value in (("Content-Type", "text/html"), ("Set-Cookie", "session=mine"), ("Clear-Site-Data", '"*"'),
                            ("Service-Worker-Allowed", "/"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("0.0.0.0", 8080), Page).serve_forever()
"""


def test_a_service_answers_with_a_page_of_the_origin_it_shares_with_others(standalone, gateway):
    """It would predict with the models of others, and read and set the cookies of all servers on this machine."""
    container = {"name": "kserve-container", "image": "kinglet/server:latest", "command": ["python3", "-c", PAGE],
                 "ports": [{"containerPort": 8080, "protocol": "TCP"}]}
    manifest = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "html", "namespace": "default"}, "spec": {"predictor": {"containers": [container]}}}
    standalone.cli("apply", "-f", "-", input=json.dumps(manifest))
    standalone.wait_ready("html")

    def answered():
        answer = ask(gateway, "GET", "/serving/default/html/", {"Cookie": "session=of-another-server"})
        return answer if answer[0] == 200 else None

    _, headers, body = wait_for(answered, 30, "the page")
    assert "sandbox" in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"
    assert "of-another-server" not in body
    assert not {"set-cookie", "clear-site-data", "service-worker-allowed"} & set(headers)


def test_a_preflight_allows_nothing(gateway):
    status, headers, _ = ask(gateway, "OPTIONS", PREDICT, {"Origin": EVIL, "Access-Control-Request-Method": "POST",
                                                           "Access-Control-Request-Headers": "content-type"})
    assert status == 403 and "access-control-allow-origin" not in headers


REPOSITORY = ["/v2/repository/models/page/unload", "/v2/%72epository/models/page/unload",
              "/v2/%2572epository/models/page/unload", "//v2//repository/models/page/unload",
              "/v2/./repository/models/page/unload", "/v2/x/../repository/models/page/unload",
              "/v2/repository/models/page/load", "/v2/repository/index", "/V2/Repository/index"]


@pytest.mark.parametrize("path", REPOSITORY)
def test_the_gateway_loads_and_unloads_nothing(gateway, path):
    assert ask(gateway, "POST", "/serving/default/page" + path)[0] == 403
    assert ask(gateway, "POST", path, {"Host": "page-predictor.default.svc"})[0] == 403
    assert ask(gateway, "GET", MODEL)[0] == 200


def test_a_page_does_not_unload_a_model_at_the_pods_address(standalone, gateway):
    pods = json.loads(standalone.cli("get", "pods", "-o", "json").stdout)["items"]
    address = next(pod["status"]["podIP"] for pod in pods if pod["metadata"]["name"].startswith("page"))
    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(f"http://{address}:8080", "POST", "/v2/repository/models/page/unload", headers)[0] == 403
    assert ask(gateway, "GET", MODEL)[0] == 200


def test_a_page_does_not_predict_at_the_pods_address(standalone, gateway):
    pods = json.loads(standalone.cli("get", "pods", "-o", "json").stdout)["items"]
    address = next(pod["status"]["podIP"] for pod in pods if pod["metadata"]["name"].startswith("page"))
    assert ask(f"http://{address}:8080", "POST", "/v1/models/page:predict", {"Origin": EVIL}, ROWS)[0] == 403


@pytest.mark.parametrize("which,path", [("metrics", "/metrics"), ("metrics", "/healthz"), ("api", "/version"),
                                        ("api", "/healthz"), ("api", "/api")])
@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}],
                         ids=["origin", "fetch", "host"])
def test_metrics_and_api_server_answer_no_page(standalone, which, path, headers):
    status, _, body = ask(standalone.state()[which], "GET", path, headers)
    assert status == 403 and "error" in json.loads(body)


class Served:
    """One `kinglet serve`, or kinglet-server, with the flags given."""

    def __init__(self, program, *flags):
        self.log = tempfile.NamedTemporaryFile("r", prefix="kinglet-attack-")
        model = ROOT / "config/samples/sklearn/iris"
        command = [BIN / "kinglet", "serve", model] if program == "serve" else [
            BIN / "kinglet-server", "--model_dir", model]
        self.process = subprocess.Popen([*command, "--http_port=0", "--model_name=m", *flags],
                                        stdout=open(self.log.name, "w"), stderr=subprocess.STDOUT)

        def port():
            text = pathlib.Path(self.log.name).read_text()
            for mark in ("serving HTTP", " on http://"):
                if mark in text:
                    line = text.split(mark, 1)[1].split("\n", 1)[0]
                    return line.rsplit("port=", 1)[-1].split()[0] if "port=" in line else line.rsplit(":", 1)[1]
            assert self.process.poll() is None, text
            return None

        self.url = f"http://127.0.0.1:{wait_for(port, 20, program)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(40)


UNLOAD = "/v2/repository/models/m/unload"


@pytest.fixture(scope="module", params=["serve", "server"])
def served(request):
    with Served(request.param, *(["--http_host=127.0.0.1"] if request.param == "server" else [])) as server:
        yield server.url


@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                                     {"Host": "evil.example"},
                                     {"Host": "evil.example", "Origin": "http://evil.example"}],
                         ids=["origin", "null", "fetch", "host", "rebound"])
@pytest.mark.parametrize("method,path", [("POST", UNLOAD), ("POST", "/v1/models/m:predict"), ("GET", "/v1/models"),
                                         ("GET", "/metrics"), ("OPTIONS", "/v1/models/m:predict")])
def test_a_model_server_on_loopback_answers_no_page(served, method, path, headers):
    assert ask(served, method, path, headers, ROWS if method == "POST" else None)[0] == 403
    assert ask(served, "GET", "/v1/models/m")[0] == 200


@pytest.mark.parametrize("host", ["127.1", "0x7f.0.0.1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Host": "evil.example"}], ids=["origin", "rebound"])
def test_a_model_server_on_a_loopback_address_in_other_words_answers_no_page(host, headers):
    with Served("serve", f"--http_host={host}") as server:
        assert ask(server.url, "GET", "/v1/models", headers)[0] == 403
        assert ask(server.url, "POST", UNLOAD, headers)[0] == 403


def test_an_origin_that_was_allowed_reads_the_answers_and_no_other_does():
    with Served("serve", f"--allowed-origins={APP}", "--allowed-hosts=models.test") as server:
        status, headers, _ = ask(server.url, "OPTIONS", "/v1/models/m:predict", {
            "Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
        assert status == 204 and headers["access-control-allow-origin"] == APP
        assert headers["access-control-allow-headers"] == "content-type"
        status, headers, _ = ask(server.url, "POST", "/v1/models/m:predict", {"Origin": APP}, ROWS)
        assert status == 200 and headers["access-control-allow-origin"] == APP and headers["vary"] == "Origin"
        assert ask(server.url, "GET", "/v1/models", {"Host": "models.test"})[0] == 200
        assert ask(server.url, "POST", UNLOAD, {"Origin": APP})[0] == 403  # allowed to predict only
        assert ask(server.url, "GET", "/v1/models", {"Origin": APP + "0"})[0] == 403
        assert ask(server.url, "GET", "/v1/models", {"Host": "x.models.test"})[0] == 403


def test_in_a_pod_a_page_does_not_unload_but_an_ingress_may_bring_any_host_and_origin():
    with Served("server") as server:
        assert ask(server.url, "POST", "/v1/models/m:predict",
                   {"Host": "models.example.com", "Origin": "https://app.example.com"}, ROWS)[0] == 200
        for headers in ({"Origin": EVIL}, {"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"},
                        {"X-Envoy-External-Address": "10.0.0.1"}, {"Via": "1.1 proxy"}, {"X-Real-IP": "10.0.0.1"},
                        {"l5d-client-id": "a.b.serviceaccount.identity.linkerd.cluster.local"}):
            assert ask(server.url, "POST", UNLOAD, headers)[0] == 403, headers
        assert ask(server.url, "GET", "/v1/models/m")[0] == 200
        assert ask(server.url, "POST", UNLOAD)[0] == 200  # KServe's agent, from the same pod


def test_unloading_needs_the_key_if_there_is_one(tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    with Served("server", f"--admin_key_file={key}") as server:
        for given in (None, "Bearer 0123456789abcdeX", "Bearer 0123456789abcde", "Basic 0123456789abcdef", "Bearer "):
            assert ask(server.url, "POST", UNLOAD, {"Authorization": given} if given else {})[0] == 403
        forwarded = {"Authorization": "Bearer 0123456789abcdef", "X-Forwarded-For": "10.0.0.1"}
        assert ask(server.url, "POST", UNLOAD, forwarded)[0] == 200


def test_an_unloaded_model_is_not_ready():
    with Served("server") as server:
        assert ask(server.url, "GET", "/v2/health/ready")[0] == 200
        assert ask(server.url, "POST", UNLOAD)[0] == 200
        assert ask(server.url, "GET", "/v1/models/m")[0] == 404
        assert ask(server.url, "GET", "/v2/models/m/ready")[0] == 404
        assert ask(server.url, "GET", "/v2/health/ready")[0] == 503
        assert ask(server.url, "POST", "/v2/repository/models/m/load")[0] == 200
        assert ask(server.url, "GET", "/v2/health/ready")[0] == 200


def test_the_pod_of_an_unloaded_model_is_not_ready():
    folder = tempfile.mkdtemp(prefix="kinglet-attack-")
    standalone = Standalone(folder)
    try:
        # Where the model server trusts its own user, who runs this test.
        standalone.start("--isolation", "host", f"--allowed-origins={APP}")
        manifest = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                    "metadata": {"name": "page", "namespace": "default"},
                    "spec": {"predictor": {"model": {
                        "modelFormat": {"name": "sklearn"}, "storageUri": f"file://{ROOT}/config/samples/sklearn/iris",
                        "readinessProbe": {"periodSeconds": 1, "failureThreshold": 1}}}}}
        standalone.cli("apply", "-f", "-", input=json.dumps(manifest))
        standalone.wait_ready("page")
        # An origin that was allowed at the gateway need not be known to pods.
        status, headers, _ = ask(standalone.state()["gateway"], "POST", PREDICT,
                                 {"Origin": APP, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, ROWS)
        assert status == 200 and headers["access-control-allow-origin"] == APP
        for site in ("same-site", "cross-site"):  # as browsers say it besides
            assert ask(standalone.state()["gateway"], "POST", PREDICT, {"Origin": APP, "Sec-Fetch-Site": site},
                       ROWS)[0] == 200
        assert ask(standalone.state()["gateway"], "POST", PREDICT, {"Origin": EVIL}, ROWS)[0] == 403
        pods = json.loads(standalone.cli("get", "pods", "-o", "json").stdout)["items"]
        address = f"http://{pods[0]['status']['podIP']}:8080"
        assert ask(address, "POST", "/v2/repository/models/page/unload")[0] == 200
        wait_for(lambda: not is_ready(standalone), 30, "the service not to be ready")
        assert ask(standalone.state()["gateway"], "POST", PREDICT, body=ROWS)[0] == 503
        assert ask(address, "POST", "/v2/repository/models/page/load")[0] == 200
        standalone.wait_ready("page")
    finally:
        standalone.stop()
        shutil.rmtree(folder, ignore_errors=True)


def is_ready(standalone):
    conditions = standalone.isvc("page")["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
