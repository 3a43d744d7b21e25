"""Checks that docs/threat-model.md and the attacks of test/security speak of each other.

A promise names its attacks as `test_pod.py` or `test_pod.py::test_name`; each must exist, and each file of attacks must
be named by a promise.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(test_\w+\.py)(?:::(test_\w+))?`")


def main():
    page = ROOT / "docs/threat-model.md"
    attacks = {path.name: path.read_text() for path in (ROOT / "test/security").glob("test_*.py")}
    named = NAMED.findall(page.read_text())
    problems = []
    for file, test in named:
        if file not in attacks:
            problems.append(f"{page.name}: there is no test/security/{file}")
        elif test and f"def {test}(" not in attacks[file]:
            problems.append(f"{page.name}: test/security/{file} has no {test}")
    problems += [f"{page.name} names no promise for test/security/{file}" for file in sorted(attacks.keys() - {f for f, _ in named})]
    for problem in problems:
        print(problem)
    print(f"promises: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
