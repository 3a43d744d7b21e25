"""./dev new scheme|format NAME: the file a new plug-in starts from. It compiles, and says loudly that it
cannot do anything yet."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

SCHEME = """// {name}:// : say here how a URI becomes objects, and where that is specified.
#include "storage/plugin.h"
#include "storage/scheme.h"

namespace kinglet::storage {{
namespace {{

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment&) {{
  return Fail(Code::kUnimplemented, "{{}}: the {name} scheme has no Source yet", uri);
}}

}}  // namespace

Plugin Plugin_{name}() {{
  return {{
      .order = 20,
      .prefixes = {{"{name}://"}},
      .form = "",
      .open = &Open,
  }};
}}

}}  // namespace kinglet::storage
"""

FORMAT = """// The {name} model format: say here which files, which versions, and where they are specified.
#include "runtimes/plugin.h"

namespace kinglet::runtimes {{
namespace {{

Result<std::unique_ptr<server::Model>> Load(const std::filesystem::path& file, const LoadOptions&) {{
  return Fail(Code::kUnimplemented, "{{}}: {name} models cannot be read yet", file.string());
}}

}}  // namespace

Plugin Plugin_{name}() {{
  return {{
      .format = "{name}",
      .extensions = {{".{name}"}},
      .matches = [](std::string_view) {{ return false; }},
      .load = &Load,
  }};
}}

}}  // namespace kinglet::runtimes
"""

KINDS = {"scheme": (ROOT / "src/storage/schemes", SCHEME), "format": (ROOT / "src/runtimes", FORMAT)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS or not re.fullmatch(r"[a-z][a-z0-9_]*", sys.argv[2]):
        print("usage: ./dev new scheme|format NAME (lower case letters, digits, _)", file=sys.stderr)
        return 2
    folder, template = KINDS[sys.argv[1]]
    file = folder / f"{sys.argv[2]}.cc"
    if file.exists():
        print(f"{file.relative_to(ROOT)} is there already", file=sys.stderr)
        return 1
    file.write_text(template.format(name=sys.argv[2]))
    print(f"wrote {file.relative_to(ROOT)}; the next build collects it. Add its test beside it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
