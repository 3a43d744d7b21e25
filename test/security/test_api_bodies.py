"""Someone who may create objects sends short bodies that cost the API server of standalone mode its memory, or that it
stores and cannot read again."""

import json
import resource
import shutil
import tempfile

import pytest
import requests
from conftest import Standalone, wait_for

BOUNDARY = "tenant"

MEMORY_BYTES = 1 << 30  # beyond what the server has when it is ready
CPU_SECONDS = 60


@pytest.fixture(scope="module")
def server():
    folder = tempfile.mkdtemp(prefix="kinglet-attack-")
    running = Standalone(folder).start()
    pid = running.process.pid
    with open(f"/proc/{pid}/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    resource.prlimit(pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


def call(server, method, path, body=None, content_type="application/json"):
    token = (server.data / "pki" / "token").read_text()
    return requests.request(method, server.state()["api"] + path, data=body, timeout=30,
                            verify=str(server.data / "pki" / "ca.crt"),
                            headers={"Authorization": f"Bearer {token}", "Content-Type": content_type})


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize("body, reason", [
    (",", "unexpected text"),
    ("]", None),
    ("a: &a [*a]", "inside the value that it names"),
    ("a: &a \"" + "x" * 1_000_000 + "\"\nb: [" + "*a," * 500_000 + "]", "far more memory"),
    ("a: &a [x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{f'*{p},' * 8}]\n" for p, c in zip("abcdefghi", "bcdefghij")),
     "far more memory"),
    ("[" * 100_000, None),
], ids=["comma", "bracket", "alias-of-itself", "alias-of-a-long-text", "billion-laughs", "nested"])
def test_yaml_is_refused(server, body, reason):
    answer = call(server, "POST", CONFIG_MAPS, body, "application/yaml")
    assert answer.status_code == 400, answer.text[:300]
    assert reason is None or reason in answer.text, answer.text[:300]
    assert call(server, "GET", "/api/v1/namespaces/default").status_code == 200


def test_number_beyond_64_bits_can_be_read_again(server):
    group, names = "attack.example", {"plural": "things", "singular": "thing", "kind": "Thing"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                  "metadata": {"name": f"things.{group}"},
                  "spec": {"group": group, "names": names, "scope": "Namespaced",
                           "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}}
    path = f"/apis/{group}/v1/namespaces/default/things"
    created = call(server, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json.dumps(definition))
    assert created.status_code == 201, created.text
    wait_for(lambda: call(server, "GET", path).status_code == 200, 30, "the kind to be served")
    thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"n": 18446744073709551615}}
    created = call(server, "POST", path, json.dumps(thing))
    assert created.status_code in (201, 400), created.text
    listed = call(server, "GET", path)
    assert listed.status_code == 200, listed.text
    for item in listed.json()["items"]:
        # What was read can be written again.
        stored = call(server, "PUT", f"{path}/a", json.dumps({**item, "spec": json.loads(listed.text)["items"][0]["spec"]}))
        assert stored.status_code == 200, stored.text
    assert call(server, "GET", f"{path}/a").status_code == (200 if created.status_code == 201 else 404)
