"""The fault table: what may happen to a download between a store, a network, a disk and a process, in both
kinds of destination. It goes on where it was or fails clearly; no byte is ever wrong, no part of a model is
ever to be seen, and nearly nothing is fetched twice. `-s` prints the table."""

import contextlib
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest

from storage_server import FaultyStore, Reset
from test_storage import INITIALIZER, visible

pytestmark = pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built")

# 200 for a release; a few on every change.
KILL_ROUNDS = int(os.environ.get("KINGLET_KILL_ROUNDS", "40"))
CONNECTIONS, CHUNK = 4, 1 << 20
BIG = random.Random(1).randbytes(9_300_000)
NEW = random.Random(2).randbytes(9_100_000)
SMALL = {f"m/deep/{i:03}": random.Random(100 + i).randbytes(i * 977) for i in range(40)}
OBJECTS = {"m/model.bin": BIG, **SMALL}
ROWS = []


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    print(f"\n{'fault':44} {'into':8} {'came of it':42} {'asked':>6} {'cut':>4} {'bytes twice':>11}")
    for row in ROWS:
        print("{:44} {:8} {:42} {:6} {:4} {:11}".format(*row))


class Download:
    """One row: a store, a destination of one kind and the runs of the initializer into it."""

    def __init__(self, folder, kind, objects=OBJECTS):
        self.kind = kind
        self.store = FaultyStore(objects)
        self.to = pathlib.Path(folder) / "model"
        self.to.parent.mkdir(exist_ok=True)
        self.kept, self.hedged = {}, 0
        if kind == "filled":
            self.to.mkdir(parents=True)
            (self.to / "mine").write_bytes(b"kept")
            self.kept = {"mine": b"kept"}

    def command(self, *flags, uri="s3://bucket/m"):
        return [INITIALIZER, uri, self.to, "--chunk-mib", "1", "--connections", str(CONNECTIONS),
                "--stall-timeout", "1600ms", *flags]

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_"))}
        return {**env, "AWS_ENDPOINT_URL": self.store.endpoint, "awsAnonymousCredential": "true"}

    def run(self, *flags, **options):
        result = subprocess.run(self.command(*flags, **options.pop("uri", {})), env=self.environment(),
                                capture_output=True, text=True, timeout=120, **options)
        self.hedged += sum(map(int, re.findall(r"hedged_requests=(\d+)", result.stderr)))
        return result

    def model(self):
        return {k.removeprefix("m/"): v for k, v in self.store.objects.items() if k.startswith("m/")}

    def whole(self):
        return visible(self.to) == {**self.kept, **self.model()}

    def nothing(self):
        return visible(self.to) == self.kept and (self.kind == "filled" or not self.to.exists())

    def succeeds(self, result):
        assert result.returncode == 0, result.stderr[-2000:]
        assert self.whole()
        assert (self.to / ".kinglet-complete").exists()
        left = [p for p in self.to.parent.rglob(".*") if "staging" in p.name or "lock" in p.name]
        assert left == []
        return "whole"

    def fails(self, result, *words):
        assert result.returncode == 1, result.stderr[-2000:]
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("s3://bucket/m: "), last
        assert any(word in last for word in words), last
        assert self.nothing()
        return "fails: " + next(word for word in words if word in last)

    def resumes(self):
        """After the fault is gone, the next run brings the rest."""
        self.store.fault = self.store.on_list = None
        return self.succeeds(self.run())


def every(n, change):
    def fault(request, answer):
        if request.number % n == 0:
            change(request, answer)

    return fault


def half_then(action=None):
    def change(request, answer):
        answer.stop_at = (len(answer.body) + 1) // 2
        answer.then = action

    return change


def reset():
    raise Reset


def hang(request, answer):
    answer.stop_at = len(answer.body) // 3
    answer.then = lambda: request.store.wait_for_hang_up(request.connection)


def silent(request, answer):
    request.store.wait_for_hang_up(request.connection)
    raise Reset


def status(code, **headers):
    def change(request, answer):
        answer.status, answer.body = code, b"<Error><Code>Busy</Code></Error>"
        answer.headers = headers

    return change


def after_half(change):
    """Once half of the model has been sent."""

    def fault(request, answer):
        if request.store.sent_bytes() > sum(map(len, request.store.objects.values())) // 2:
            change(request, answer)

    return fault


def offers(delta):
    """An answer of another length than was asked for."""

    def change(request, answer):
        if answer.status == 206:
            answer.body = answer.body[:delta] if delta < 0 else answer.body + b"x" * delta

    return change


def other_total(request, answer):
    if answer.status == 206:
        answer.headers["Content-Range"] = answer.headers["Content-Range"].rpartition("/")[0] + "/77"


def other_range(request, answer):
    if answer.status == 206:
        answer.headers["Content-Range"] = f"bytes 5-{4 + len(answer.body)}/{len(BIG)}"


def changes_once():
    def fault(request, answer):
        if request.store.objects["m/model.bin"] is BIG and request.store.sent_bytes() > 3 << 20:
            request.store.objects["m/model.bin"] = NEW

    return fault


def changes_always(request, answer):
    request.store.versions["m/model.bin"] = request.number


def not_a_range(request, answer):
    answer.status, answer.body = 200, request.store.objects[request.name]
    answer.headers.pop("Content-Range", None)


def corrupt_once():
    """One bit of one range is wrong, and the store has said what the object's checksum is."""
    done = []

    def fault(request, answer):
        if request.name == "m/model.bin" and request.first == 3 << 20 and not done:
            done.append(1)
            answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]

    return fault


def corrupt_always(request, answer):
    if answer.status == 206:
        answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]


# What the store does, what comes of it, and whether what was fetched is still good afterwards.
STORE_FAULTS = {
    "every 3rd connection is reset halfway": (every(3, half_then(reset)), None),
    "every 3rd connection ends halfway": (every(3, half_then()), None),
    "every 2nd connection ends halfway": (every(2, half_then()), None),
    "every 7th connection hangs halfway": (every(7, hang), None),
    "every 9th request is not answered": (every(9, silent), None),
    "every 2nd answer is 500": (every(2, status(500)), None),
    "every 9th answer is 503, come back": (every(9, status(503, **{"Retry-After": "1"})), None),
    "every 3rd answer is 429": (every(3, status(429)), None),
    "every 3rd answer is 408": (every(3, status(408)), None),
    "only 503 after half": (after_half(status(503)), ["deadline passed; last"]),
    "403 after half": (after_half(status(403)), ["403"]),
    "404 after half": (after_half(status(404)), ["404"]),
    "a shorter range than asked for": (offers(-10), ["offers", "instead of"]),
    "a longer range than asked for": (offers(10), ["offers", "instead of"]),
    "another total length": (other_total, ["size changed"]),
    "another range": (other_range, ["asked for"]),
    "the object changes once": (changes_once(), None),
    "the object changes all the time": (changes_always, ["changed"]),
    "ranges are ignored": (not_a_range, None),
    "a redirect to itself": (status(302, Location="/bucket/m/model.bin"), ["302", "redirect"]),
}
BEGINS_AGAIN = ("the object changes", "ranges are ignored", "another", "range than")


@pytest.mark.parametrize("kind", ["renamed", "filled"])
@pytest.mark.parametrize("name", STORE_FAULTS)
def test_store(name, kind, tmp_path):
    fault, words = STORE_FAULTS[name]
    row = Download(tmp_path, kind)
    row.store.fault = changes_once() if name == "the object changes once" else fault
    # Only what would be tried for ever ends with the deadline.
    timeout = "5s" if words and "deadline" in words[0] else "100s"
    outcome = row.fails(row.run("--timeout", timeout), *words) if words else row.succeeds(row.run())
    if words:
        row.store.versions.clear()
        outcome += ", then " + row.resumes()
    twice, store = row.store.sent_twice(), row.store
    if not name.startswith(BEGINS_AGAIN) and not any(w in name for w in BEGINS_AGAIN):
        # What a broken connection loses lay in the kernel's buffers; of two runs, what was under way. A busy
        # machine makes an answer late, and a second request for a chunk races it.
        assert twice <= CHUNK * (store.broken + row.hedged + CONNECTIONS * bool(words))
    ROWS.append((name, kind, outcome, store.requests, store.broken, twice))


LIST_FAULTS = {
    "the listing fails once": (lambda n, page: (500, "") if n == 1 else page, None),
    "the listing always fails": (lambda n, page: (503, ""), ["deadline passed; last"]),
    "the listing is cut": (lambda n, page: (200, page[1][: len(page[1]) // 2]), ["did not answer with a listing"]),
    "the listing is a web page": (lambda n, page: (200, "<html><br></html>"), ["did not answer with a listing"]),
    "the listing is refused": (lambda n, page: (403, "<Error><Code>AccessDenied</Code></Error>"), ["AccessDenied"]),
    "the listing has a clash": (
        lambda n, page: (200, page[1].replace("m/deep/001", "m/deep/000")), ["clash"]),
}


@pytest.mark.parametrize("kind", ["renamed", "filled"])
@pytest.mark.parametrize("name", LIST_FAULTS)
def test_listing(name, kind, tmp_path):
    change, words = LIST_FAULTS[name]
    row = Download(tmp_path, kind)
    count = []

    def on_list(page):
        count.append(1)
        return change(len(count), page)

    row.store.on_list = on_list
    # What is tried again and again ends with the deadline, and says what came last.
    result = row.run("--timeout", "6s") if words else row.run()
    outcome = row.fails(result, *words) + ", then " + row.resumes() if words else row.succeeds(result)
    ROWS.append((name, kind, outcome, row.store.requests, 0, row.store.sent_twice()))


@contextlib.contextmanager
def small_disk(folder, size):
    """A tmpfs; skipped where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_disk_too_small(kind, tmp_path):
    with small_disk(tmp_path / "disk", "6m") as disk:
        row = Download(disk, kind)
        outcome = row.fails(row.run(), "make room")
        assert row.store.requests == 0  # found out before anything is fetched
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        ROWS.append(("the disk is too small", kind, outcome + ", then " + row.resumes(),
                     row.store.requests, 0, row.store.sent_twice()))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_disk_fills_up(kind, tmp_path):
    """Somebody else takes the room while the download is under way."""
    with small_disk(tmp_path / "disk", "20m") as disk:
        row = Download(disk, kind)
        taken = disk / "taken"

        def fault(request, answer):
            with row.store.lock:
                if not taken.exists() and request.number > 20:
                    with contextlib.suppress(OSError), open(taken, "wb", buffering=0) as file:
                        while True:
                            file.write(b"x" * 65536)

        row.store.fault = fault
        outcome = row.fails(row.run("--connections", "1"), "No space left")
        taken.unlink()
        outcome += ", then " + row.resumes()
        assert row.store.sent_twice() <= CONNECTIONS * CHUNK
        ROWS.append(("the disk fills up meanwhile", kind, outcome, row.store.requests, 0,
                     row.store.sent_twice()))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_read_only(kind, tmp_path):
    with small_disk(tmp_path / "disk", "40m") as disk:
        row = Download(disk, kind)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        outcome = row.fails(row.run(), "Read-only file system", "cannot make", "cannot write")
        assert row.store.requests == 0
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        ROWS.append(("the volume is read-only", kind, outcome + ", then " + row.resumes(),
                     row.store.requests, 0, row.store.sent_twice()))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_file_size_limit(kind, tmp_path):
    row = Download(tmp_path, kind)
    limit = 4 << 20
    result = row.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    outcome = row.fails(result, "File too large")
    ROWS.append(("files may not be so large", kind, outcome + ", then " + row.resumes(),
                 row.store.requests, 0, row.store.sent_twice()))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
@pytest.mark.parametrize("what", ["one object", "many objects"])
def test_kill(what, kind, tmp_path):
    """kill -9 at moments spread over a download's whole life, its begin and its end too."""
    objects = {"m/model.bin": BIG} if what == "one object" else dict(SMALL)
    row = Download(tmp_path, kind, objects)
    dice = random.Random(4)

    def fault(request, answer):
        answer.delay = 0.004

    row.store.fault = fault
    began = time.monotonic()
    row.succeeds(row.run())
    life = time.monotonic() - began
    row.store.forget()
    kills = whole = runs = 0
    while kills < KILL_ROUNDS // 2:
        process = subprocess.Popen(row.command(), env=row.environment(), stderr=subprocess.DEVNULL)
        runs += 1
        try:
            process.wait(dice.uniform(0, life))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            assert row.nothing() or row.whole()
            continue
        assert process.returncode == 0
        row.succeeds(process)
        whole += 1
        for path in row.to.iterdir():
            if path.name not in row.kept:
                assert path.name in (".kinglet-complete", "model.bin", "deep")
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if kind == "renamed":
            row.to.rmdir()
    row.succeeds(row.run())
    # Each killed run had CONNECTIONS requests under way; a model that was whole was fetched anew.
    again = row.store.sent_bytes() - sum(map(len, objects.values())) * (whole + 1)
    assert again <= kills * CONNECTIONS * CHUNK
    ROWS.append((f"kill -9, {kills} times: {what}", kind, f"whole ({whole} runs were quicker)",
                 row.store.requests, kills, max(again, 0)))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_asks_again_for_little(kind, tmp_path):
    """Requests made anew because of silence are few and cost no bytes."""
    row = Download(tmp_path, kind)
    row.store.fault = every(25, hang)
    outcome = row.succeeds(row.run("--stall-timeout", "16s"))
    expected = -(-len(BIG) // CHUNK) + len(SMALL) - 1  # an empty object needs none
    assert row.store.requests - expected <= max(1, 0.05 * expected) + row.store.broken
    assert row.store.sent_twice() <= 0.05 * sum(map(len, OBJECTS.values()))
    ROWS.append(("every 25th connection hangs halfway", kind, outcome, row.store.requests,
                 row.store.broken, row.store.sent_twice()))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_a_second_request(kind, tmp_path):
    """Beside the only one that hangs; the first is not given up, and no byte comes twice."""
    row, hung = Download(tmp_path, kind), []

    def fault(request, answer):
        if request.name == "m/model.bin" and not hung:
            hung.append(1)
            hang(request, answer)

    row.store.fault = fault
    result = row.run("--stall-timeout", "120s")
    outcome = row.succeeds(result)
    assert "hedged_requests=1" in result.stderr and " retries=0 " in result.stderr
    assert row.store.sent_twice() <= CHUNK
    ROWS.append(("one connection hangs halfway", kind, outcome + " by a second request", row.store.requests,
                 row.store.broken, row.store.sent_twice()))


def test_connections_adapt(tmp_path):
    """More where each gives little, fewer where the store refuses more than it wants."""
    row = Download(tmp_path, "renamed", {"m/model.bin": random.Random(3).randbytes(24 << 20)})

    def slow(request, answer):
        answer.delay = 0.03

    row.store.fault = slow
    row.succeeds(row.run("--connections", "16", "--stall-timeout", "60s"))
    assert row.store.most > 4
    most, requests = row.store.most, row.store.requests
    ROWS.append(("connections are slow", "renamed", f"whole, {most} at once", requests, 0, row.store.sent_twice()))

    row = Download(tmp_path / "two", "renamed", {"m/model.bin": random.Random(3).randbytes(24 << 20)})
    refused = []

    def strict(request, answer):
        answer.delay = 0.002
        if request.store.serving > 2:
            refused.append(1)
            status(503)(request, answer)

    row.store.fault = strict
    row.succeeds(row.run("--connections", "16", "--stall-timeout", "60s"))
    assert len(refused) <= 24  # as many as there are chunks, and four connections would be refused always
    ROWS.append(("over two connections are refused", "renamed", f"whole, {len(refused)} refused",
                 row.store.requests, 0, row.store.sent_twice()))


@pytest.mark.parametrize("kind", ["renamed", "filled"])
def test_wrong_bit(kind, tmp_path):
    """A bit that flips on the way is found, for S3's ETag is a checksum, and the object fetched again."""
    for name, fault, words in (("once", corrupt_once(), None), ("always", corrupt_always, ["the store says"])):
        row = Download(tmp_path / name, kind)
        row.store.fault = fault
        # Under load an answer that comes late must not be asked for again: the bit would be lost with it.
        result = row.run("--stall-timeout", "30s")
        outcome = row.fails(result, *words) + ", then " + row.resumes() if words else row.succeeds(result)
        assert words or row.store.sent_twice() >= len(BIG) - CHUNK
        assert row.store.sent_twice() <= (1 + 2 * bool(words)) * len(BIG)
        ROWS.append((f"a wrong bit, {name}", kind, outcome, row.store.requests, 0, row.store.sent_twice()))
