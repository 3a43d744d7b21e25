"""What the build and the manifests leave to somebody who found a memory error, or who owns an image's tag."""

import os
import re

import pytest
import yaml

import elf
from conftest import BIN, ROOT

BOUNDARY = "supply"
PROGRAMS = sorted(p.name for p in BIN.iterdir() if p.is_file() and os.access(p, os.X_OK))
ENDBR64 = b"\xf3\x0f\x1e\xfa"


@pytest.fixture(scope="module")
def programs():
    assert len(PROGRAMS) > 5
    return [(name, elf.Program(BIN / name)) for name in PROGRAMS]


def test_addresses_are_randomised(programs):
    for name, program in programs:
        assert program.flag(elf.DT_FLAGS_1, elf.DF_1_PIE), name


def test_relocations_are_read_only(programs):
    for name, program in programs:
        assert program.of_type(elf.PT_GNU_RELRO), name
        assert program.flag(elf.DT_FLAGS, elf.DF_BIND_NOW) or program.flag(elf.DT_FLAGS_1, elf.DF_1_NOW), name


def test_nothing_is_writable_and_executable(programs):
    for name, program in programs:
        stacks = program.of_type(elf.PT_GNU_STACK)
        assert stacks and not any(s[1] & elf.PF_X for s in stacks), name
        assert not [s for s in program.of_type(elf.PT_LOAD) if s[1] & elf.PF_X and s[1] & elf.PF_W], name


def test_no_folder_of_the_build_is_searched_for_libraries(programs):
    for name, program in programs:
        assert elf.DT_RPATH not in program.tags and elf.DT_RUNPATH not in program.tags, name


def test_stack_overflows_are_noticed(programs):
    for name, program in programs:
        assert b"__stack_chk_fail" in program.strings, name


def test_containers_check_their_bounds(programs):
    for name, program in programs:
        assert any(b"glibcxx_assert_fail" in symbol for symbol in program.strings), name


def test_calls_of_the_c_library_know_their_buffers(programs):
    fortified = {symbol for _, program in programs for symbol in program.strings if symbol.endswith(b"_chk")}
    assert fortified & {b"__memcpy_chk", b"__read_chk", b"__memset_chk", b"__snprintf_chk", b"__fdelt_chk",
                        b"__strcpy_chk", b"__recv_chk", b"__pread_chk", b"__memmove_chk"}, fortified


def test_indirect_jumps_have_landing_pads(programs):
    if os.uname().machine != "x86_64":
        pytest.skip("only x86-64 has endbr64")
    for name, program in programs:
        code = [program.data[s[2]:s[2] + s[5]] for s in program.of_type(elf.PT_LOAD) if s[1] & elf.PF_X]
        assert sum(text.count(ENDBR64) for text in code) > 100, name


def images_of(value):
    """Every value of a member called image (in JSON documents of a ConfigMap, too), and of defaultJobImage."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key in ("image", "defaultJobImage") and isinstance(member, str):
                yield member
            else:
                yield from images_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from images_of(member)
    elif isinstance(value, str) and value.lstrip().startswith("{") and '"' in value:
        try:
            document = yaml.safe_load(value)
        except yaml.YAMLError:
            return
        if isinstance(document, dict):
            yield from images_of(document)


def test_manifests_name_images_by_version():
    version = re.search(r'KINGLET_VERSION "(.*)"', (ROOT / "src/base/version.h").read_text()).group(1)
    found = {}
    for path in sorted((ROOT / "config").rglob("*.yaml")):
        if "crd" in path.parts:
            continue
        for document in yaml.safe_load_all(path.read_text()):
            found.update((image, path) for image in images_of(document))
    assert len(found) > 10
    without_version = {"kserve/art-explainer"}  # its tag is the section's defaultImageVersion
    for image, path in found.items():
        name, _, tag = image.rpartition(":")
        if image in without_version:
            continue
        assert name and "latest" not in tag, f"{path} does not say which {image} it means"
        if name.startswith("kinglet/") and tag != "local":
            assert tag == f"v{version}", f"{path}: {image} is not of this version"


def test_configuration_names_no_latest_version():
    text = (ROOT / "config/configmap/inferenceservice.yaml").read_text()
    assert "latest" not in re.sub(r"#.*", "", text)


@pytest.mark.parametrize("chart", ["kinglet", "kinglet-runtimes"])
def test_charts_name_images_by_version(chart):
    values = yaml.safe_load((ROOT / "charts" / chart / "values.yaml").read_text())
    assert re.fullmatch(r"v\d+\.\d+\.\d+", values["kserve"]["version"])


@pytest.mark.parametrize("list_", ["test/requirements.txt", "test/bench/requirements.txt", "tools/setup/go.txt",
                                   "tools/setup/node.txt"])
def test_python_packages_are_installed_by_hash(list_):
    lines = (ROOT / list_).read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line.strip() and not line.startswith("#")]
    assert packages
    for line in packages:
        assert re.match(r"[\w.\[\],-]+==\S+(?: ;[^#]*)? +--hash=sha256:[0-9a-f]{64}", line), line


def test_setup_installs_nothing_without_a_version():
    """Each pip, npm, go and apt call of set-up takes a lock file or names a version."""
    for path in [ROOT / "dev", *sorted((ROOT / "tools").rglob("*.sh"))]:
        for line in path.read_text().splitlines():
            if re.search(r"\bpip\"? install\b", line):
                assert "--require-hashes" in line or re.search(r"\S+==\d", line), f"{path}: {line}"
            if "npm install" in line:
                assert "--package-lock-only" in line, f"{path}: {line}"
            if re.search(r"\bgo (install|get)\b.*\blatest\b|@latest\b", line):
                raise AssertionError(f"{path}: {line}")
    lines = [line for line in (ROOT / "tools/setup/packages.txt").read_text().splitlines()
             if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.+-]+=\S+", line) for line in lines)
