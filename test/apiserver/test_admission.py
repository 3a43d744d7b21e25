"""admission.yaml, row by row."""

import pytest

from cluster import ApiError
from tables import Table, difference, in_namespace

TABLE = Table("admission.yaml")


def expect(what, write):
    if "denied" in what:
        with pytest.raises(ApiError) as refused:
            write()
        assert 400 <= refused.value.code <= 500
        assert refused.value.message.endswith(what["denied"]), f"{refused.value.message}\nshould end with\n{what['denied']}"
        return None
    stored = write()
    assert not difference(what.get("becomes", {}), stored)
    return stored


@pytest.mark.parametrize("row", TABLE.rows, ids=TABLE.titles())
def test_row(target, row):
    api, namespace = target.api, row["namespace"]
    api.ensure_namespace(namespace)
    what = in_namespace(row, namespace)
    made = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}]
    made += [TABLE.make(spec) for spec in row.get("cluster", [])]
    try:
        for o in made:
            api.apply(o, namespace)
        subject = TABLE.make(row)
        if "update" not in row:
            expect(what, lambda: api.create(subject, namespace, dry_run=True))
            return
        made.append(subject)
        expect(what, lambda: api.create(subject, namespace))
        expect(what["update"], lambda: api.merge(subject, row["update"]["with"], namespace, dry_run=True))
    finally:
        for o in reversed(made):
            api.delete(o, namespace)
