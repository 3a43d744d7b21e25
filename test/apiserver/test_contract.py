"""Each row of the contract (contract.yaml) is played by a row of the tables, or by the test that it names."""

import pathlib

import pytest
import yaml

from tables import Table, contract_rows

FOLDER = pathlib.Path(__file__).parent
CONTRACT = yaml.safe_load((FOLDER / "contract.yaml").read_text())
PLAYED = {name for table in ("admission", "reconcile") for row in Table(table).rows for name in contract_rows(row["row"])}


def section(title):
    """"02 §5" of "02 §5 standard"."""
    return " ".join(title.split()[:2])


@pytest.mark.parametrize("title", CONTRACT)
def test_every_row_is_played(title):
    missing = []
    for row in CONTRACT[title]:
        if isinstance(row, str):
            if (section(title), row) not in PLAYED:
                missing.append(row)
        else:
            for name, test in row.items():
                file, function = test.split("::")
                if f"def {function}(" not in (FOLDER / file).read_text():
                    missing.append(f"{name}: no {test}")
    assert not missing


def test_every_row_is_known():
    """A row that plays nothing of the contract has a mistake in its name."""
    known = {(section(title), next(iter(row)) if isinstance(row, dict) else row)
             for title, rows in CONTRACT.items() for row in rows}
    assert {row for row in PLAYED - known if row[0][:2] in ("02", "03")} == set()
