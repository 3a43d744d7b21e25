"""KServe's own storage initializer (kserve 0.15.2) for tests that compare ours with it."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from test_storage import run, visible

# Reads {uri, destination, env} lines, downloads, answers {error} lines: importing KServe takes seconds.
# Azure's clients are sent to the endpoints of a connection string, which KServe would not read; the two
# modules that only Kerberos needs are left empty, for they need a compiler.
PROGRAM = """
import functools, json, os, sys, types
for name in ("krbcontext", "krbcontext.context", "requests_kerberos"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["krbcontext.context"].krbContext = None
sys.modules["requests_kerberos"].HTTPKerberosAuth = object
from azure.storage import blob, fileshare

def redirect(module, name, field):
    real = getattr(module, name)
    def client(url, credential=None):
        query = url.partition("?")[2]
        parts = dict(p.split("=", 1) for p in os.environ["AZURE_STORAGE_CONNECTION_STRING"].split(";"))
        return real(parts[field] + ("?" + query if query else ""), credential=credential, retry_total=0)
    setattr(module, name, client)

redirect(blob, "BlobServiceClient", "BlobEndpoint")
redirect(fileshare, "ShareServiceClient", "FileEndpoint")
from kserve.storage import Storage
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    before = dict(os.environ)
    os.environ.update(request["env"])
    error = None
    try:
        os.makedirs(os.path.dirname(request["destination"]), exist_ok=True)
        Storage.download(request["uri"], request["destination"])
    except BaseException as e:
        error = str(e) or repr(e)
    os.environ.clear()
    os.environ.update(before)
    print(json.dumps({"error": error}), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def kserve():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_"))}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def download(uri, destination, env):
        request = {"uri": uri, "destination": str(destination), "env": env or {}}
        print(json.dumps(request), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())["error"]

    yield download
    process.kill()
    process.wait()


@pytest.fixture
def compare(kserve, tmp_path):
    count = itertools.count()

    def both(uri, env=None, same=True):
        """Runs both. Gives (our files or error text, theirs)."""
        folder = tmp_path / f"run-{next(count)}"
        result = run(uri, folder / "ours", env=env)
        error = kserve(uri, folder / "theirs", env)
        prefix = f"{uri}: "
        message = result.stderr.strip()
        message = message[message.rfind("\n" + prefix) + 1 :].removeprefix(prefix)
        ours = visible(folder / "ours") if result.returncode == 0 else message
        theirs = error or visible(folder / "theirs")
        if same:
            assert ours == theirs
        return ours, theirs

    return both
