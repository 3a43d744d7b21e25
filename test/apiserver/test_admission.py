"""admission/, row by row."""

import time

import pytest

from cluster import ApiError, configuration
from tables import Table, difference, in_namespace

TABLE = Table("admission")
SECONDS = 10  # for a changed configuration to be known, also that of the row before


def words(denied):
    return denied if isinstance(denied, list) else [denied]


def problem(what, write):
    """Why the answer to a write is not as the row says; and what was stored."""
    try:
        stored = write()
    except ApiError as refused:
        if "denied" not in what:
            return f"refused: {refused}", None
        if not 400 <= refused.code <= 500:
            return f"code {refused.code}", None
        if not refused.message.endswith(tuple(words(what["denied"]))):
            return f"{refused.message}\nshould end with\n{what['denied']}", None
        return "", None
    if "denied" in what:
        return f"not refused with: {what['denied']}", stored
    return difference(what.get("becomes", {}), stored), stored


def expect(what, write):
    end = time.monotonic() + SECONDS
    while True:
        found, stored = problem(what, write)
        if not found:
            return stored
        assert time.monotonic() < end, found
        time.sleep(0.05)


class Made:
    """What a row made, for the end."""

    def __init__(self, api, namespace):
        self.api, self.namespace, self.objects = api, namespace, []

    def apply(self, o):
        self.api.apply(o, self.namespace)
        self.objects.append(o)
        if "status" in o:
            self.api.merge(o, {"status": o["status"]}, self.namespace, sub="status")

    def clean(self):
        for o in reversed(self.objects):
            if "status" in o:
                self.api.merge(o, {"status": dict.fromkeys(o["status"])}, self.namespace, sub="status")
            self.api.delete(o, self.namespace)


@pytest.mark.parametrize("row", TABLE.rows, ids=TABLE.titles())
def test_row(target, row):
    api, namespace = target.api, row["namespace"]
    api.ensure_namespace(namespace)
    what, made = in_namespace(row, namespace), Made(api, namespace)
    subject = in_namespace(TABLE.make(row), namespace)
    with configuration(api) as change:
        if "config" in row:
            change(row["config"])
        try:
            made.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
            for spec in what.get("cluster", []):
                made.apply(TABLE.make(spec))
            if not {"update", "delete"} & row.keys():
                expect(what, lambda: api.create(subject, namespace, dry_run=True))
                return
            expect(what, lambda: api.create(subject, namespace))
            made.objects.append(subject)
            if "status" in subject:
                api.merge(subject, {"status": subject["status"]}, namespace, sub="status")
            for spec in what.get("after", []):
                made.apply(TABLE.make(spec))
            if "update" in row:
                expect(what["update"], lambda: api.merge(subject, row["update"]["with"], namespace, dry_run=True))
            else:
                expect(what["delete"], lambda: api.call("DELETE", api.of(subject, namespace) + "?dryRun=All"))
        finally:
            made.clean()
