"""takeover/: what KServe left behind is adopted as it is: not one write to what is right, status included."""

import contextlib
import time

import pytest

from cluster import Manager, configuration, wait_for, writes
from tables import Table, changes, in_namespace

TABLE = Table("takeover")


def make(api, o, namespace, owner=None):
    """As if another manager had."""
    if owner:
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                     "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
        o = {**o, "metadata": {**o["metadata"], "ownerReferences": [reference]}}
    made = api.create(o, namespace)
    if "status" in o:
        made = api.merge(o, {"status": o["status"]}, namespace, sub="status")
    return made


def clean(api, namespace, objects):
    for o in reversed(objects):
        api.delete(o, namespace)
        if api.get(o, namespace):
            with contextlib.suppress(Exception):
                api.merge(o, {"metadata": {"finalizers": None}}, namespace)


@pytest.fixture(scope="module")
def nobody(plane, webhooks, controllers):
    """No controllers run but those of a test."""
    assert controllers.stop() == 0
    yield plane
    controllers.start()


@pytest.mark.parametrize("row", TABLE.rows, ids=TABLE.titles())
def test_a_manager_takes_over(nobody, row):
    api, namespace, plane = nobody.api, row["namespace"], nobody
    api.ensure_namespace(namespace)
    row = {key: value if key == "config" else in_namespace(value, namespace) for key, value in row.items()}
    objects = []
    with configuration(api) as change:
        change({"deploy": {"defaultDeploymentMode": "RawDeployment"}, **row.get("config", {})})
        try:
            api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, namespace)
            for spec in row.get("around", []):
                objects.append(in_namespace(TABLE.make(spec), namespace))
                make(api, objects[-1], namespace)
            objects.append(in_namespace(TABLE.make(row["owner"]), namespace))
            owner = make(api, objects[-1], namespace)
            for spec in row.get("children", []):
                objects.append(in_namespace(TABLE.make(spec), namespace))
                make(api, objects[-1], namespace, owner)
            before, mark = [api.get(o, namespace) for o in objects], plane.audit_mark()
            manager = Manager(plane, name="takes-over").start()
            try:
                wait_for(lambda: manager.sample("controller_runtime_reconcile_total", result="success"), what="a first pass")
                wait_for(lambda: manager.sample("workqueue_depth") == 0, what="an empty queue")
                time.sleep(0.5)
                done = [e for e in writes(plane.audit(mark)) if e["objectRef"].get("namespace") == namespace]
            finally:
                assert manager.stop() == 0
            after = [api.get(o, namespace) for o in objects]
            became = [f"{old['kind']}{line}" for old, new in zip(before, after) for line in changes(old, new)]
            assert not done and not became, "\n".join([f"{e['verb']} {e['requestURI']}" for e in done] + became)
        finally:
            clean(api, namespace, objects)
