"""Checks every include in src/ against layers.txt. Exit status 1 and one line for each breach."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def read_layers():
    layers = {}
    for line in (ROOT / "layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            module, _, allowed = line.partition(":")
            layers[module.strip()] = allowed.split()
    return layers


def module_of(path, layers):
    """The longest module path that `path` (relative to src/) lies in, else its first folder."""
    best = path.split("/")[0]
    for module in layers:
        if path.startswith(module + "/") and len(module) > len(best):
            best = module
    return best


def main():
    layers = read_layers()
    breaches = []
    for source in sorted(SRC.rglob("*")):
        if source.suffix not in (".cc", ".h"):
            continue
        relative = source.relative_to(SRC).as_posix()
        module = module_of(relative, layers)
        for target in INCLUDE.findall(source.read_text()):
            other = module_of(target, layers)
            if module == "cmd" or other == module:
                continue
            if not (SRC / target).exists():
                breaches.append(f"{relative}: includes {target}, which is not below src/")
            elif other == "cmd":
                breaches.append(f"{relative}: nobody includes cmd ({target})")
            elif module not in layers:
                breaches.append(f"{relative}: module {module} is not in layers.txt")
            elif other not in layers[module] and target.removesuffix(".h") not in [
                a.removesuffix(".h") for a in layers[module]
            ]:
                breaches.append(f"{relative}: {module} must not include {other} ({target})")
    for breach in breaches:
        print(breach)
    print(f"layers: {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
