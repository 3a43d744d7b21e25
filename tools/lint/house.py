"""House rules a machine can check: sizes, module READMEs, words that do not belong in the tree."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_LINES = 800  # over 500 wants splitting; over 800 needs a line in ALLOWED with the reason
ALLOWED = {}  # path: reason
FORBIDDEN = [
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "finish it or open an issue"),
    (re.compile(r"(?<![\w.])/(work|farm)/"), "a path of somebody's machine"),
    (re.compile(r"^(<{7}|>{7})( |$)", re.M), "a merge left-over"),
]
TEXT = {".cc", ".h", ".py", ".sh", ".md", ".yaml", ".txt", ".cmake", ".json", ""}


def main():
    problems = []
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    files = [pathlib.Path(f) for f in listed.splitlines() if (ROOT / f).is_file()]
    for file in files:
        if file.suffix not in TEXT or "data" in file.parts or file.name == "house.py":
            continue
        try:
            text = (ROOT / file).read_text()
        except UnicodeDecodeError:
            continue
        for pattern, why in FORBIDDEN:
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                problems.append(f"{file}:{line}: {match.group(0)!r}: {why}")
        if file.suffix in (".cc", ".h") and str(file) not in ALLOWED:
            lines = text.count("\n")
            if lines > MAX_LINES and not file.name.endswith("_test.cc"):
                problems.append(f"{file}: {lines} lines: split it by concept")
    modules = {line.split(":")[0].strip() for line in (ROOT / "layers.txt").read_text().splitlines()
               if ":" in line and not line.startswith("#")}
    for module in sorted(modules):
        folder = ROOT / "src" / module
        if any(folder.rglob("*.cc")) and not (folder / "README.md").exists():
            problems.append(f"src/{module}: a module needs a README.md")
    for problem in problems:
        print(problem)
    print(f"house: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
