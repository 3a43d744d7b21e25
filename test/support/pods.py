"""Pods through the API of a `kinglet up`: made, awaited, and what their containers printed."""

import base64
import itertools
import json
import ssl
import urllib.error
import urllib.request

import yaml

from standalone import wait_for

_numbers = itertools.count(1)


class Pods:
    """The pods of one namespace. Programs run in images of ours: any command may stand for the entry point."""

    def __init__(self, kinglet, namespace="default"):
        config = yaml.safe_load(kinglet.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._url, self._token = cluster["server"], user["token"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        self._namespace = namespace

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self._url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type":
                     "application/merge-patch+json" if method == "PATCH" else "application/json"})
        with urllib.request.urlopen(request, context=self._tls, timeout=30) as answer:
            return answer.read().decode(errors="replace")

    def create(self, plural, body, namespaced=True, group="api/v1"):
        where = f"/{group}/namespaces/{self._namespace}/{plural}" if namespaced else f"/{group}/{plural}"
        return json.loads(self.call("POST", where, body))

    def get(self, name):
        return json.loads(self.call("GET", f"/api/v1/namespaces/{self._namespace}/pods/{name}"))

    def delete(self, name):
        self.call("DELETE", f"/api/v1/namespaces/{self._namespace}/pods/{name}?gracePeriodSeconds=0")

    def logs(self, name, container):
        return self.call("GET", f"/api/v1/namespaces/{self._namespace}/pods/{name}/log?container={container}")

    def start(self, spec, annotations=None):
        name = f"attack-{next(_numbers)}"
        self.create("pods", {"metadata": {"name": name, "annotations": annotations or {}},
                             "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, **spec}})
        return name

    def end(self, name, seconds=30):
        """The pod when it has ended, or when it is refused; see `refusal`."""
        def ended():
            pod = self.get(name)
            return pod if pod.get("status", {}).get("phase") in ("Succeeded", "Failed") or refusal(pod) else None

        return wait_for(ended, seconds, f"pod {name} to end")

    def run(self, spec, annotations=None):
        """Runs a pod; returns it and what its last container printed ("" if it did not run)."""
        name = self.start(spec, annotations)
        pod = self.end(name)
        try:
            printed = "" if refusal(pod) else self.logs(name, pod["spec"]["containers"][-1]["name"])
        except urllib.error.HTTPError:
            printed = ""
        self.delete(name)
        return pod, printed


def refusal(pod):
    """Why the pod does not run: what its containers wait for, or could not start for."""
    for status in itertools.chain(*(pod.get("status", {}).get(k, []) for k in
                                    ("initContainerStatuses", "containerStatuses"))):
        state = status.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("message"):
            return waiting["message"]
        if ended.get("reason") == "StartError":
            return ended.get("message", "StartError")
    return ""


def container(command, name="main", image="kinglet/server", **fields):
    return {"name": name, "image": image, "command": command, **fields}


def shell(script, **fields):
    return container(["/bin/sh", "-c", script], **fields)


def python(script, **fields):
    return container(["/usr/bin/python3", "-c", script], **fields)
