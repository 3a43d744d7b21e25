"""What a process that parses a stranger's model can still do, once the parser was taken over.

The kernel's answer is read from outside: no attack here runs code inside the process."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from conftest import ROOT, wait_for
from stores import INITIALIZER, Store, environment, fetch

BOUNDARY = "model"
IRIS = ROOT / "config/samples/sklearn/iris"


@pytest.fixture
def model(tmp_path):
    """A folder that everybody may read, since the server may run as somebody else."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder != pathlib.Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    folder = tmp_path / "model"
    shutil.copytree(IRIS, folder)
    return folder


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def port_of(process):
    """The port that the server names; its output is read on, so that it never waits for us."""
    for line in process.stdout:
        if match := re.search(rb"port=(\d+)|127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return int(match[1] or match[2])
    raise AssertionError("the server did not start")


def fields(pid, file="status"):
    lines = pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return dict(line.split(":\t") for line in lines if ":\t" in line)


def servers(programs, model):
    return {
        "kinglet-server": [programs / "kinglet-server", f"--model_dir={model}", "--http_port=0", "--model_name=m"],
        "kinglet serve": [programs / "kinglet", "serve", model, "--http_port=0"],
    }


@pytest.mark.parametrize("kind", ["kinglet-server", "kinglet serve"])
def test_a_server_starts_programs(programs, model, kind):
    """Every thread is filtered, so that none can make the calls for another."""
    with running(servers(programs, model)[kind]) as process:
        port_of(process)
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            status = fields(process.pid, f"task/{thread}/status")
            assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", (thread, status["Name"])


@pytest.mark.parametrize("kind", ["kinglet-server", "kinglet serve"])
def test_a_crash_of_a_server_leaves_its_memory_behind(programs, model, kind):
    with running(servers(programs, model)[kind]) as process:
        port_of(process)
        limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits
        assert int(pathlib.Path(f"/proc/{process.pid}/coredump_filter").read_text(), 16) == 0


def test_another_process_of_the_same_user_reads_a_servers_environment(programs, model, nobody):
    """Containers of one node often run as the same user."""
    import pwd
    account = pwd.getpwnam("nobody")
    secret = {"PATH": "/usr/bin", "AWS_SECRET_ACCESS_KEY": "hunter2"}
    command = servers(programs, model)["kinglet-server"]
    with running(command, user=account.pw_uid, group=account.pw_gid, extra_groups=[], env=secret, cwd="/") as process:
        port_of(process)
        for file in ("environ", "mem", "maps"):
            read = nobody(["head", "-c", "100", f"/proc/{process.pid}/{file}"])
            assert b"Permission denied" in read.stderr and not read.stdout, (file, read)


def ask(port, path, body=b"{}"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_link_that_comes_later_leads_out_of_the_model_folder(programs, model, tmp_path):
    """Whoever writes to the volume adds a model that is a link to another tenant's."""
    others = tmp_path / "others"
    shutil.copytree(model, others)
    repository = tmp_path / "repository"
    shutil.copytree(model, repository / "mine")
    command = [programs / "kinglet-server", f"--model_dir={repository}", "--http_port=0"]
    with running(command) as process:
        port = port_of(process)
        (repository / "stolen").symlink_to(others)
        (repository / "file").mkdir()
        for file in others.iterdir():
            (repository / "file" / file.name).symlink_to(file)
        for name in ("stolen", "file"):
            status, body = ask(port, f"/v2/repository/models/{name}/load")
            assert status >= 400, (name, body)
        # A model that is really there comes at any time.
        shutil.copytree(model, repository / "late")
        assert ask(port, "/v2/repository/models/late/load")[0] == 200


def test_a_linked_folder_may_be_switched(programs, model, tmp_path):
    """As deployments do that keep versions side by side."""
    versions = tmp_path / "versions"
    versions.mkdir()
    shutil.copytree(model, versions / "v1")
    shutil.copytree(model, versions / "v2")
    (versions / "current").symlink_to("v1")
    with running(servers(programs, versions / "current")["kinglet-server"]) as process:
        port = port_of(process)
        (versions / "next").symlink_to("v2")
        (versions / "next").rename(versions / "current")
        assert ask(port, "/v2/repository/models/m/load")[0] == 200


def test_linked_models_are_still_served(programs, model, tmp_path):
    """What the initializer makes of a model on this machine: links, made before the server starts."""
    linked = tmp_path / "linked"
    assert fetch(f"file://{model}", linked).returncode == 0
    assert any(path.is_symlink() for path in linked.iterdir())
    with running(servers(programs, linked)["kinglet-server"]) as process:
        port = port_of(process)
        status, body = ask(port, "/v1/models/m:predict", b'{"instances": [[6.8, 2.8, 4.8, 1.4]]}')
        assert status == 200, body


def test_a_downloaded_model_goes_with_its_server(programs, model, tmp_path):
    """The server may not write, but must not leave the model behind."""
    file = next(model.glob("*.joblib"))
    store = Store(lambda h: h.send(200, file.read_bytes(), Content_Type="application/octet-stream"))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    try:
        for name, command in servers(programs, f"{store.url}/{file.name}").items():
            with running(command, env=environment(tmp_path, TMPDIR=temporary)) as process:
                port_of(process)
                assert list(temporary.iterdir()), name
            assert not list(temporary.iterdir()), name
    finally:
        store.close()


@pytest.fixture
def slow_store():
    """Sends the head and then nothing, until it is closed."""
    release = threading.Event()

    def answer(handler):
        handler.send_response(200)
        for name, value in (("Content-Type", "application/octet-stream"), ("Content-Length", "1000000")):
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(bytes(1000))
        handler.wfile.flush()
        release.wait(20)

    store = Store(answer)
    yield store
    release.set()
    store.close()


@pytest.mark.parametrize("kind", ["kinglet-storage-initializer", "kinglet pull"])
def test_a_download_starts_programs(programs, slow_store, tmp_path, kind):
    uri, to = f"{slow_store.url}/m.bin", tmp_path / "to"
    command = [INITIALIZER, uri, to] if kind.endswith("initializer") else [programs / "kinglet", "pull", uri, to]
    with running(command, env=environment(tmp_path)) as process:
        wait_for(lambda: len(slow_store.asked) > 1, 20, "the download")
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            status = fields(process.pid, f"task/{thread}/status")
            assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", (thread, status["Name"])
        assert re.search(r"Max core file size +0 +0 ", pathlib.Path(f"/proc/{process.pid}/limits").read_text())


def test_a_copied_model_has_a_link_to_the_machines_secrets(tmp_path):
    """A volume that others fill is copied by the job that caches models, which runs as root."""
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "secret").write_text("hunter2")
    (source / "model.json").symlink_to(tmp_path / "secret")
    fetch(f"file://{source}", tmp_path / "volume/to", "--copy-local")
    copied = [path for path in tmp_path.glob("volume/to/*") if path.is_file()]
    assert not any("hunter2" in path.read_text() for path in copied), copied


def test_a_pods_server_is_confined_too(standalone, tmp_path):
    """Standalone mode filters a pod's connects; the server's own filter comes on top of that one, in its namespaces."""
    manifest = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "confined", "namespace": "default"},
                "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": f"file://{IRIS}"}}}}
    (tmp_path / "isvc.json").write_text(json.dumps(manifest))
    standalone.cli("apply", "-f", tmp_path / "isvc.json")
    standalone.wait_ready("confined")
    servers = [path.parent for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
               if b"kinglet-server\0" in (text := path.read_bytes()) and b"confined" in text]
    assert servers
    for process in servers:
        status = fields(process.name)
        assert int(status["Seccomp_filters"]) >= 2 and status["NoNewPrivs"] == "1", status
        assert int(status["CapEff"], 16) & (1 << 21 | 1 << 19 | 1 << 38) == 0  # SYS_ADMIN, SYS_PTRACE, PERFMON
        assert re.search(r"Max core file size +0 +0 ", (process / "limits").read_text())
