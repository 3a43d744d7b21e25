"""The storage initializer as a pod runs it: any user, a root that cannot be written, a small memory limit, a
volume that two pods share."""

import hashlib
import io
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile

import pytest

from storage_server import FaultyStore
from test_storage import INITIALIZER, FileServer, visible

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

MODEL = {"m/model.bin": random.Random(1).randbytes(3_000_000), "m/deep/a": b"a", "m/empty": b""}
SEEN = {name.removeprefix("m/"): content for name, content in MODEL.items()}
UID = 1_000_650_000  # as OpenShift gives them: in no list of users

# Makes all of the file system read-only but a volume at the folder named first, and becomes the user.
INSIDE = """
set -e
volume=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=$MODE,gid=2000 tmpfs "$volume"
findmnt -rno TARGET | while read -r target; do
  [ "$target" = "$volume" ] || mount -o remount,bind,ro "$target" 2>/dev/null || true
done
set +e
setpriv --reuid $USER_ID --regid $USER_ID --groups $GROUPS_OF --no-new-privs --bounding-set=-all "$@"
code=$?
(cd "$volume" && find . -type f ! -name '.kinglet-*' -exec sha256sum {} +)
exit $code
"""


@pytest.fixture
def store():
    made = FaultyStore(MODEL)
    yield made
    made.close()


@pytest.fixture
def program(tmp_path):
    """The initializer where every user may start it."""
    copy = pathlib.Path("/usr/local/lib") / f"kinglet-test-{os.getpid()}"
    shutil.copy(INITIALIZER, copy)
    copy.chmod(0o755)
    yield copy
    copy.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes such a pod")
@pytest.mark.parametrize("kind", ["owner", "group", "everybody"])
@pytest.mark.parametrize("uri", ["s3://bucket/m", "http"])
def test_any_user_and_a_read_only_root(kind, uri, store, program):
    """No entry in /etc/passwd, no home, no capabilities; the volume is the user's own, the fsGroup's or all's."""
    folder = pathlib.Path("/mnt") / f"kinglet-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    if uri == "http":
        uri, expected = f"{store.endpoint}/bucket/m/model.bin", {"model.bin": SEEN["model.bin"]}
    else:
        expected = SEEN
    mode, groups, user = {"owner": ("0700", "3000", 0), "group": ("2770", "2000", UID),
                          "everybody": ("0777", "3000", UID)}[kind]
    env = {"PATH": os.environ["PATH"], "MODE": mode, "GROUPS_OF": groups, "USER_ID": str(user),
           "AWS_ENDPOINT_URL": store.endpoint, "awsAnonymousCredential": "true"}
    try:
        made = subprocess.run(["unshare", "--mount", "sh", "-c", INSIDE, "sh", folder, program, uri, folder],
                              env=env, capture_output=True, text=True, timeout=120)
        if "unshare:" in made.stderr:
            pytest.skip("no namespaces can be made here")
        assert made.returncode == 0, made.stderr
        sums = dict(reversed(line.split("  ./")) for line in made.stdout.splitlines())
        assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in expected.items()}
    finally:
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes such a pod")
def test_a_volume_of_somebody_else(store, program):
    folder = pathlib.Path("/mnt") / f"kinglet-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    env = {"PATH": os.environ["PATH"], "MODE": "0755", "GROUPS_OF": "2000", "USER_ID": str(UID),
           "AWS_ENDPOINT_URL": store.endpoint, "awsAnonymousCredential": "true"}
    try:
        made = subprocess.run(["unshare", "--mount", "sh", "-c", INSIDE, "sh", folder, program, "s3://bucket/m", folder],
                              env=env, capture_output=True, text=True, timeout=120)
        if "unshare:" in made.stderr:
            pytest.skip("no namespaces can be made here")
        assert made.returncode == 1 and store.requests == 0
        last = made.stderr.strip().splitlines()[-1]
        assert "cannot write to" in last and "ermission denied" in last, last
    finally:
        folder.rmdir()


# The peak of a process counts from before it was its own: started by one that is small.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@pytest.mark.parametrize("name", ["model.bin", "model.tar"])
def test_memory(name, tmp_path):
    """Far from growing with the model, packed or not."""
    content = bytes(192 << 20)
    if name.endswith(".tar"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            info = tarfile.TarInfo("model.bin")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        content = packed.getvalue()
    server = FileServer(content)
    server.type = "application/x-tar" if name.endswith(".tar") else server.type
    try:
        made = subprocess.run([sys.executable, "-c", PEAK, INITIALIZER, server.url(name), tmp_path / "m"],
                              capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stderr
        assert (tmp_path / "m/model.bin").stat().st_size == 192 << 20
        assert int(made.stdout) < 64 << 10  # KiB
    finally:
        server.close()


def test_two_pods_on_one_volume(store, tmp_path):
    """Four at once, two of them with another model; one is killed while the others wait for it."""
    store.objects.update({"n/model.bin": b"n" * 2_000_000})
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "mine").write_bytes(b"kept")

    def slow(request, answer):
        answer.delay = 0.005

    store.fault = slow
    env = {**os.environ, "AWS_ENDPOINT_URL": store.endpoint, "awsAnonymousCredential": "true"}
    start = [[INITIALIZER, f"s3://bucket/{model}", volume / folder, "--chunk-mib", "1"]
             for model, folder in (("m", "m"), ("m", "m"), ("n", "n"), ("n", "n"))]
    first = subprocess.Popen(start[0], env=env, stderr=subprocess.DEVNULL)
    while store.sent_bytes() == 0:
        assert first.poll() is None
    rest = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for command in start[1:]]
    first.kill()
    first.wait()
    for process in rest:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    expected = {"mine": b"kept", "n/model.bin": store.objects["n/model.bin"]}
    assert {k: v for k, v in visible(volume).items() if not k.endswith(".kinglet-complete")} == {
        **expected, **{f"m/{name}": content for name, content in SEEN.items()}}
    # Each model came once, but for what the killed one had under way.
    assert store.sent_twice() <= 4 << 20
    assert sorted(p.name for p in volume.iterdir()) == ["m", "mine", "n"]
