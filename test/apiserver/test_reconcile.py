"""reconcile/, row by row."""

import os
import time

import pytest

from cluster import ApiError, configuration
from tables import Table, difference, in_namespace

TABLE = Table("reconcile")
VERSIONS = {"Deployment": "apps/v1", "Service": "v1", "ConfigMap": "v1", "Pod": "v1",
            "HorizontalPodAutoscaler": "autoscaling/v2", "Ingress": "networking.k8s.io/v1",
            "HTTPRoute": "gateway.networking.k8s.io/v1", "knative:Service": "serving.knative.dev/v1",
            "ScaledObject": "keda.sh/v1alpha1", "OpenTelemetryCollector": "opentelemetry.io/v1beta1",
            "VirtualService": "networking.istio.io/v1beta1",
            "InferenceService": "serving.kserve.io/v1beta1", "TrainedModel": "serving.kserve.io/v1alpha1",
            "InferenceGraph": "serving.kserve.io/v1alpha1"}
SECONDS = float(os.environ.get("KINGLET_ROW_SECONDS", "30"))  # for the children of one step


def reference(text):
    kind, _, name = text.partition("/")
    return {"apiVersion": VERSIONS[kind], "kind": kind.split(":")[-1], "metadata": {"name": name}}


class Row:
    def __init__(self, target, row):
        self.api, self.log, self.namespace = target.api, target.log, row["namespace"]
        self.steps, self.made = in_namespace(row["steps"], self.namespace), []

    def apply(self, spec):
        o = TABLE.make(spec)
        if spec.get("patch"):
            self.api.merge(o, o, self.namespace)
            return
        self.api.apply(o, self.namespace)
        for path in spec.get("remove", []):
            patch = None
            for part in reversed(path.split("/")):
                patch = {part: patch}
            self.api.merge(o, patch, self.namespace)
        self.made.append(o)

    def play_status(self, spec):
        """Waits for the object: its controller may not have made it yet."""
        o, end = TABLE.make(spec), time.monotonic() + SECONDS
        while True:
            try:
                return self.api.merge(o, {"status": o["status"]}, self.namespace, sub="status")
            except ApiError as error:
                if error.code != 404 or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def problem(self, step):
        for name, wanted in step.get("expect", {}).items():
            actual = self.api.get(reference(name), self.namespace)
            if actual is None:
                return f"{name} is not there"
            if found := difference(wanted, actual):
                return f"{name}{found}"
        for name in step.get("absent", []):
            if self.api.get(reference(name), self.namespace):
                return f"{name} should not be there"
        if "events" in step:
            events = self.api.list("v1", "Event", self.namespace)
            for wanted in step["events"]:
                if not any(not difference(wanted, event) for event in events):
                    return f"no event {wanted} among {[(e['reason'], e['message']) for e in events]}"
        for name, wanted in step.get("order", {}).items():
            containers = [c["name"] for c in self.api.get(reference(name), self.namespace)["spec"]["template"]["spec"]["containers"]]
            if containers != wanted:
                return f"the containers of {name} are {containers}"
        if lost := [text for text in step.get("log", []) if text not in self.log()]:
            return f"the log does not say {lost}"
        return ""

    def play(self, step, change_configuration):
        for o in step.get("cluster", []):
            self.api.apply(o)
            self.made.append(o)
        if "config" in step:
            change_configuration(step["config"])
        for spec in step.get("apply", []):
            self.apply(spec)
        for spec in step.get("status", []):
            self.play_status(spec)
        for spec in step.get("delete", []):
            self.api.delete(TABLE.make(spec), self.namespace)
        end = time.monotonic() + SECONDS
        while problem := self.problem(step):
            assert time.monotonic() < end, "\n".join([f"step {self.steps.index(step) + 1}: {problem}", *self.said()])
            time.sleep(0.03)
        # The clock of creationTimestamps has seconds.
        time.sleep(step.get("pause", 0))
        # What should not be there might have come a moment later.
        if step.get("absent"):
            time.sleep(0.1)
            assert not self.problem(step)

    def said(self):
        """The log's last lines about this row."""
        return [line for line in self.log().splitlines() if self.namespace in line or "inferenceservice-config" in line][-8:]

    def clean(self):
        for o in reversed(self.made):
            self.api.delete(o, self.namespace)


@pytest.mark.parametrize("row", TABLE.rows, ids=TABLE.titles())
def test_row(target, row):
    target.api.ensure_namespace(row["namespace"])
    play = Row(target, row)
    with configuration(target.api) as change:
        try:
            play.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
            for step in play.steps:
                play.play(step, change)
        finally:
            play.clean()
