"""A hostile API server or model server, against the command line and the terminal of whoever asks it."""

import http.server
import json
import os
import pathlib
import pty
import re
import subprocess
import termios
import threading
import time
import urllib.parse

import pytest
from conftest import BIN, ROOT, Standalone, wait_for  # noqa: F401

BOUNDARY = "client"

# What a terminal would obey: the window's title (OSC), the screen and the cursor (CSI, also as 8-bit C1), carriage
# return and backspace that write over, direction overrides, a bell.
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[35m\x9b31mfake\rok\x08\x7f\u202etxt\u2066\u2028"
TOKEN = "t0ken-of-the-user"


def evil_object(kind, api_version="v1", name="iris", **more):
    return {"apiVersion": api_version, "kind": kind,
            "metadata": {"name": name + EVIL, "namespace": "default" + EVIL, "resourceVersion": "1", "uid": "u",
                         "creationTimestamp": EVIL, "labels": {"serving.kserve.io/inferenceservice": "iris"},
                         "annotations": {"kinglet.io/capabilities": json.dumps(
                             {"notes": [{"what": EVIL, "next": EVIL}]}), "a": EVIL}}, **more}


def evil_service():
    condition = {"type": "Ready", "status": "False", "reason": EVIL, "message": EVIL}
    return evil_object("InferenceService", "serving.kserve.io/v1beta1",
                       spec={"predictor": {"model": {"modelFormat": {"name": EVIL}, "storageUri": EVIL}}},
                       status={"url": "http://x/" + EVIL, "conditions": [condition],
                               "modelStatus": {"transitionStatus": "BlockedByFailedLoad",
                                               "lastFailureInfo": {"reason": EVIL, "message": EVIL + "\n  ok    forged"}}})


def evil_pod():
    waiting = {"waiting": {"reason": "CrashLoopBackOff" + EVIL, "message": EVIL}}
    ended = {"terminated": {"exitCode": 1, "reason": "Error" + EVIL, "message": EVIL}}
    return evil_object("Pod", spec={"containers": [{"name": "kserve-container"}]},
                       status={"phase": "Failed" + EVIL, "reason": EVIL, "message": EVIL,
                               "containerStatuses": [{"name": "kserve-container", "restartCount": 7, "ready": False,
                                                      "state": waiting, "lastState": ended}]})


def evil_event():
    return evil_object("Event", type="Warning", reason=EVIL, message=EVIL, count=3, lastTimestamp=EVIL,
                       involvedObject={"kind": "InferenceService", "name": "iris", "namespace": "default"})


EVIL_TABLE = {"kind": "Table", "apiVersion": "meta.k8s.io/v1",
              "columnDefinitions": [{"name": "Name" + EVIL, "type": "string", "priority": 0}],
              "rows": [{"cells": [EVIL], "object": evil_object("PartialObjectMetadata", "meta.k8s.io/v1")},
                       {"cells": [{"a": EVIL}], "object": evil_object("PartialObjectMetadata", "meta.k8s.io/v1")}]}


class Hostile:
    """An API server that answers as `answer(handler)` says, on a thread of its own."""

    def __init__(self, answer):
        self.requests = []
        self.ended = threading.Event()
        hostile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length)
                hostile.requests.append((self.command, self.path, dict(self.headers)))
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

            def reply(self, body, status=200, content_type="application/json", **headers):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(data)

            def forever(self, piece, content_type="application/json"):
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while not hostile.ended.is_set():
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


def evil_answers(handler):
    url = urllib.parse.urlparse(handler.path)
    parts = url.path.strip("/").split("/")
    if url.path.endswith("/log"):
        return handler.reply((EVIL + "\n").encode(), content_type="text/plain")
    if "as=Table" in handler.headers.get("Accept", ""):
        return handler.reply(EVIL_TABLE)
    kinds = {"pods": evil_pod, "inferenceservices": evil_service, "events": evil_event,
             "nodes": lambda: evil_object("Node"),
             "secrets": lambda: evil_object("Secret", type=EVIL)}
    plural = next((part for part in reversed(parts) if part in kinds), None)
    if "watch=true" in url.query and plural:
        lines = "".join(json.dumps({"type": "ADDED", "object": kinds[plural]()}) + "\n" for _ in range(2))
        return handler.reply(lines.encode())
    if plural and parts[-1] == plural and handler.command == "GET":
        made = kinds[plural]()
        return handler.reply({"apiVersion": made["apiVersion"], "kind": made["kind"] + "List",
                              "metadata": {"resourceVersion": "1"}, "items": [made]})
    if plural and handler.command == "DELETE":
        return handler.reply({"kind": "Status", "status": "Success"})
    if plural:
        return handler.reply(kinds[plural]())
    if len(parts) == 3 and parts[0] == "apis":
        return handler.reply({"kind": "APIResourceList", "groupVersion": "/".join(parts[1:]), "resources": [
            {"name": "inferenceservices", "kind": "InferenceService", "namespaced": True}]})
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
              "message": EVIL}
    return handler.reply(status, 403)


def environment(server, folder):
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
              "clusters": [{"name": "k", "cluster": {"server": server.url}}],
              "users": [{"name": "u", "user": {"token": TOKEN}}],
              "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "default"}}]}
    file = pathlib.Path(folder) / "kubeconfig"
    file.write_text(json.dumps(config))
    return {**os.environ, "KUBECONFIG": str(file), "NO_COLOR": "1"}


def on_a_terminal(command, env, seconds=30):
    """What the command writes to a terminal, both streams, byte by byte."""
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST  # the terminal adds no carriage returns of its own
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    written = b""

    def read():
        nonlocal written
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                return
            if not piece:
                return
            written += piece

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        process.wait(seconds)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join(10)
        os.close(master)
    return written


def obeyed(written):
    """The characters of some output that a terminal would obey instead of showing."""
    text = written.decode("utf-8", errors="surrogateescape")
    return [hex(ord(c)) for c in text
            if (ord(c) < 0x20 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0 or ord(c) in (0x2028, 0x2029)
            or 0x202a <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069 or 0xdc80 <= ord(c) <= 0xdcff]


COMMANDS = [["get", "pods"], ["get", "pods", "-o", "wide", "-A"], ["get", "pods", "-o", "name"],
            ["get", "pods", "-o", "json"], ["get", "pods", "-o", "yaml"], ["get", "pods", "--watch"],
            ["get", "pods", "--watch", "-o", "yaml"], ["get", "pods", "--watch", "-o", "json"],
            ["get", "isvc", "iris"], ["get", "events"], ["get", "configmaps"], ["get", "widgets.example.com"],
            ["status"], ["status", "-o", "json"], ["doctor"], ["doctor", "iris"], ["doctor", "iris", "-o", "json"],
            ["logs", "iris"], ["delete", "pods", "--all", "--wait=false"], ["delete", "isvc", "iris", "--timeout=0s"],
            ["wait", "iris", "--timeout=0s"], ["predict", "iris", "-d", "[[1]]"],
            ["predict", "x" + EVIL, "-d", "[[1]]", "--url", "http://127.0.0.1:1"], ["apply", "-f", "pod.json"]]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: re.sub(r"[^a-z -]", "", " ".join(words)))
def test_what_an_api_server_says_does_not_steer_the_terminal(tmp_path, words):
    (tmp_path / "pod.json").write_text(json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "iris"}, "spec": {}}))
    words = [str(tmp_path / word) if word == "pod.json" else word for word in words]
    with Hostile(evil_answers) as server:
        written = on_a_terminal([BIN / "kinglet", *words], environment(server, tmp_path))
    assert written and obeyed(written) == [], written


def test_a_log_line_cannot_pass_for_a_finding(tmp_path):
    with Hostile(evil_answers) as server:
        written = on_a_terminal([BIN / "kinglet", "doctor", "iris"], environment(server, tmp_path)).decode()
    assert "forged" in written
    assert not re.search(r"^  ok    forged", written, re.M)


def test_a_log_in_a_pipe_is_what_the_program_wrote(tmp_path):
    with Hostile(evil_answers) as server:
        done = subprocess.run([BIN / "kinglet", "logs", "iris"], env=environment(server, tmp_path),
                              capture_output=True, timeout=30)
    assert done.stdout == (EVIL + "\n").encode()


@pytest.mark.parametrize("status,body", [
    (200, {"predictions": [EVIL]}), (200, {"outputs": [{"name": EVIL, "datatype": EVIL, "shape": [1], "data": [EVIL]}]}),
    (200, {"other": EVIL}), (500, {"error": EVIL}), (502, EVIL.encode()), (200, EVIL.encode())],
    ids=["predictions", "outputs", "object", "error", "bad-gateway", "text"])
@pytest.mark.parametrize("flags", [[], ["--raw"], ["-o", "json"]], ids=["plain", "raw", "json"])
def test_what_a_model_server_says_does_not_steer_the_terminal(tmp_path, status, body, flags):
    with Hostile(lambda handler: handler.reply(body, status)) as server:
        written = on_a_terminal([BIN / "kinglet", "predict", "m", "-d", "[[1]]", "--url", server.url, *flags],
                                {**os.environ, "NO_COLOR": "1"})
    assert written and obeyed(written) == [], written


@pytest.mark.parametrize("code", [302, 307, 308])
def test_the_token_does_not_follow_a_redirect_to_another_host(tmp_path, code):
    with Hostile(lambda handler: handler.reply({})) as other:
        with Hostile(lambda handler: handler.reply({}, code, Location=other.url + handler.path)) as server:
            for words in (["get", "pods"], ["logs", "iris"], ["get", "pods", "--watch"], ["predict", "iris", "-d", "[1]"]):
                subprocess.run([BIN / "kinglet", *words], env=environment(server, tmp_path), capture_output=True,
                               timeout=30)
        assert other.requests == []


def limited(command, env, megabytes=1500, seconds=60):
    """Runs with a limit on memory; returns (status, standard error). A hang fails the test."""
    def limit():
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    done = subprocess.run(command, env=env, capture_output=True, timeout=seconds, preexec_fn=limit)
    return done.returncode, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("words", [["get", "pods"], ["status"], ["get", "pods", "--watch"]], ids=" ".join)
def test_an_answer_without_end_is_given_up(tmp_path, words):
    with Hostile(lambda handler: handler.forever(b"a" * (1 << 20))) as server:
        status, said = limited([BIN / "kinglet", *words], environment(server, tmp_path))
    assert status == 1 and "error: " in said and "bytes" in said


def test_a_list_that_goes_in_a_circle_is_given_up(tmp_path):
    page = {"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": "again"}, "items": []}
    with Hostile(lambda handler: handler.reply(page)) as server:
        status, said = limited([BIN / "kinglet", "get", "pods"], environment(server, tmp_path))
        assert status == 1 and "goes in a circle" in said
        assert len(server.requests) < 10


def test_a_list_without_end_is_given_up(tmp_path):
    counter = iter(range(10 ** 9))

    def answer(handler):
        handler.reply({"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": str(next(counter)) * 10_000},
                       "items": []})

    with Hostile(answer) as server:
        status, said = limited([BIN / "kinglet", "get", "pods"], environment(server, tmp_path))
    assert status == 1 and "does not end" in said


def test_nested_and_huge_json_is_an_error(tmp_path):
    deep = b"[" * 1_000_000
    for body in (deep, b'{"items":' + deep, b'{"a":' * 500_000, b'{"kind":"Table","rows":' + deep):
        with Hostile(lambda handler: handler.reply(body)) as server:
            status, said = limited([BIN / "kinglet", "get", "pods"], environment(server, tmp_path))
        assert status == 1 and said.startswith("error: ")


def test_a_server_that_never_answers_is_left_with_one_interrupt(tmp_path):
    waiting = threading.Event()

    def answer(handler):
        waiting.set()
        handler.server.hostile_ended.wait(60)

    with Hostile(answer) as server:
        server.server.hostile_ended = server.ended
        process = subprocess.Popen([BIN / "kinglet", "get", "pods"], env=environment(server, tmp_path),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert waiting.wait(20)
        asked = time.monotonic()
        process.send_signal(2)
        process.communicate(timeout=25)
        server.ended.set()
    assert time.monotonic() - asked < 20


@pytest.mark.parametrize("change", ["foreign owner", "writable by all"])
def test_a_kubeconfig_that_others_can_change_runs_no_program(tmp_path, nobody, change):
    mark = tmp_path / "ran"
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
              "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
              "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
              "users": [{"name": "u", "user": {"exec": {
                  "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh",
                  "args": ["-c", f"touch {mark}"], "interactiveMode": "Never"}}}]}
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    if change == "foreign owner":
        os.chown(file, 65534, 65534)
    else:
        file.chmod(0o666)
    done = subprocess.run([BIN / "kinglet", "get", "pods", "--kubeconfig", file], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and not mark.exists() and "chmod" in done.stderr


@pytest.mark.parametrize("names", [["$(touch${IFS}ran)"], ["`touch${IFS}ran`"], ["$HOME", "x;ran", "a b", "-rf"], ["'", '"']],
                         ids=["substitution", "backquotes", "words", "quotes"])
@pytest.mark.parametrize("words", [["kinglet", "get", "pods", "''"], ["kinglet", "logs", "''"]], ids=["get", "logs"])
def test_a_name_is_not_run_by_the_shell_that_completes_it(tmp_path, words, names):
    def answer(handler):
        plural = "pods" if "/pods" in handler.path else "inferenceservices"
        items = [{"metadata": {"name": name, "namespace": "default"}} for name in ["iris", *names]]
        handler.reply({"apiVersion": "v1", "kind": f"{plural}List", "metadata": {}, "items": items})

    with Hostile(answer) as server:
        script = (f"PATH={BIN}:$PATH; source <(kinglet completion bash)\n"
                  f"COMP_WORDS=({' '.join(words)}) COMP_CWORD={len(words) - 1}\n"
                  "_kinglet; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script], env=environment(server, tmp_path), capture_output=True, text=True,
                              timeout=30, cwd=tmp_path)
    assert not (tmp_path / "ran").exists(), "a name was run as a command"
    assert done.stdout.split("\n")[:-1] == ["iris"], done.stdout + done.stderr


@pytest.mark.parametrize("raw", [b"\xc2\x9b31m", b"\x9b31m", b"\xe2\x80\xae"], ids=["c1", "byte", "direction"])
def test_a_request_does_not_put_control_characters_into_a_servers_log(tmp_path, raw):
    import socket
    log = tmp_path / "log"
    process = subprocess.Popen([BIN / "kinglet", "serve", ROOT / "config/samples/sklearn/iris", "--http-port", "0",
                                "--model-name", "m", "--access_log_format=%(a)s %(U)s %({x-request-id}i)s"],
                               stdout=open(log, "w"), stderr=subprocess.STDOUT)
    try:
        port = int(wait_for(lambda: re.search(r"127\.0\.0\.1:(\d+)", log.read_text()), 20, "the server")[1])
        for path in (b"/v1/models/" + raw, b"/v2/repository/models/" + raw + b"/load",
                     b"/v2/repository/models/%0aforged%1b%5d0/load", b"/v1/models/m:predict"):
            with socket.create_connection(("127.0.0.1", port), 10) as peer:
                peer.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: a" + raw +
                             b"\r\nX-Request-Id: r" + raw + b"\r\nContent-Length: 18\r\n\r\n{\"instances\":[[1]]}"[:-1])
                while peer.recv(65536):
                    pass
    finally:
        process.terminate()
        process.wait(40)
    written = log.read_bytes()
    assert b"/v1/models/m:predict" in written and obeyed(written) == [], written
    assert not re.search(rb"^forged", written, re.M)
