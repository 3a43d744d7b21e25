"""Kinglet's model server beside Python servers on KServe's SDK: same models, same machine, one run.

  test/bench/server_bench.py [--seconds 5] [--models iris,forest,xgboost,lightgbm] [--json out.json]

Needs wrk, a release build of kinglet-server (KINGLET_BIN_DIR), and a Python with the packages of
test/requirements.txt and test/bench/requirements.txt (the one that runs this file is used for the
peers). Both servers write their usual access and latency lines, to a file. Latencies and rates of a
busy machine are noisy; the ratios are what counts. Server CPU a request is read from /proc.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
PEERS = pathlib.Path(__file__).resolve().parent / "peers"
TICK = os.sysconf("SC_CLK_TCK")


def make_models(folder, wanted):
    """Trains what is wanted; returns {name: (folder, peer script, rows)}."""
    import joblib
    import numpy as np

    rng = np.random.default_rng(7)
    made = {}

    def put(name, peer, rows, save):
        place = folder / name
        place.mkdir(parents=True)
        save(place)
        made[name] = (place, peer, rows)

    wide = rng.normal(size=(2000, 30))
    label = (wide[:, :5].sum(axis=1) + rng.normal(size=2000) > 0).astype(int)
    if "iris" in wanted:
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        x, y = load_iris(return_X_y=True)
        put("iris", "sklearn_peer.py", x[:64].tolist(),
            lambda p: joblib.dump(LogisticRegression(max_iter=1000).fit(x, y), p / "model.joblib"))
    if "forest" in wanted:
        from sklearn.ensemble import RandomForestClassifier

        put("forest", "sklearn_peer.py", wide[:64].tolist(),
            lambda p: joblib.dump(RandomForestClassifier(500, random_state=0).fit(wide, label),
                                  p / "model.joblib"))
    if "xgboost" in wanted:
        import xgboost

        def save(place):
            data = xgboost.DMatrix(wide, label)
            xgboost.train({"objective": "binary:logistic", "max_depth": 8, "nthread": 1}, data, 500
                          ).save_model(place / "model.json")

        put("xgboost", "xgboost_peer.py", wide[:64].tolist(), save)
    if "lightgbm" in wanted:
        import lightgbm

        put("lightgbm", "lightgbm_peer.py", wide[:64].tolist(),
            lambda p: lightgbm.train({"objective": "binary", "num_leaves": 63, "verbose": -1,
                                      "num_threads": 1, "min_data_in_leaf": 5},
                                     lightgbm.Dataset(wide, label), 500
                                     ).save_model(p / "model.bst"))
    return made


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, command, log):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        out = open(log, "wb")
        start = time.perf_counter()
        self.process = subprocess.Popen([*command, "--http_port", str(self.port)], stdout=out,
                                        stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/v1/models/m", timeout=5) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError(pathlib.Path(log).read_text(errors="replace")[-2000:])
            time.sleep(0.001)
        self.start_ms = (time.perf_counter() - start) * 1000

    def post(self, body):
        request = urllib.request.Request(f"{self.url}/v1/models/m:predict", body,
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["predictions"]

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


LUA = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
done = function(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,
           latency:percentile(50), latency:percentile(99), bad))
end
"""


def load(server, folder, body, connections, seconds):
    (folder / "body.json").write_bytes(body)
    script = folder / "load.lua"
    script.write_text(LUA.replace("{body}", str(folder / "body.json")))
    before = server.cpu_seconds()
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s",
                          script, f"{server.url}/v1/models/m:predict"],
                         check=True, capture_output=True, text=True).stdout
    cpu = server.cpu_seconds() - before
    found = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", out)
    requests, duration, p50, p99, bad = (float(x) for x in found.groups())
    assert bad == 0 and requests > 0, out
    return {"rps": requests / (duration / 1e6), "p50_ms": p50 / 1000, "p99_ms": p99 / 1000,
            "cpu_us": cpu * 1e6 / requests}


def measure(command, folder, rows, seconds):
    log = folder / "log"
    starts = []
    for _ in range(3):
        server = Server(command, log)
        starts.append(server.start_ms)
        server.stop()
    server = Server(command, log)
    try:
        result = {"start_ms": min(starts), "loads": {}}
        body = {n: json.dumps({"instances": rows[:n]}).encode() for n in (1, 64)}
        result["predictions"] = server.post(body[64])
        for count in (1, 64):
            load(server, folder, body[count], 1, 4)  # warm; a large forest takes the peer a second a batch
            for connections in (1, 16):
                result["loads"][f"{count} rows, {connections} conn"] = load(
                    server, folder, body[count], connections, seconds)
        result["rss_mib"] = server.rss_mib()
        return result
    finally:
        server.stop()


def same(a, b):
    import numpy as np

    return np.allclose(np.array(a, float), np.array(b, float), rtol=1e-5, atol=1e-7)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--models", default="iris,forest,xgboost,lightgbm")
    parser.add_argument("--json")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-bench-"))
    report = {}
    print(f"{'model':9} {'load':17} {'req/s':>9} {'KServe':>8} {'ratio':>7} "
          f"{'p99 ms':>8} {'KServe':>8} {'ratio':>7} {'CPU us':>8} {'KServe':>8} {'ratio':>7}")
    try:
        for name, (model, peer, rows) in make_models(folder / "models", args.models.split(",")).items():
            common = ["--model_dir", str(model), "--model_name", "m", "--enable_grpc", "false"]
            ours = measure([str(BIN / "kinglet-server"), *common], folder, rows, args.seconds)
            theirs = measure([sys.executable, str(PEERS / peer), *common], folder, rows, args.seconds)
            assert same(ours.pop("predictions"), theirs.pop("predictions")), f"{name}: answers differ"
            report[name] = {"kinglet": ours, "kserve": theirs}
            for load_name, a in ours["loads"].items():
                b = theirs["loads"][load_name]
                print(f"{name:9} {load_name:17} {a['rps']:9.0f} {b['rps']:8.0f} "
                      f"{a['rps'] / b['rps']:6.1f}x {a['p99_ms']:8.2f} {b['p99_ms']:8.2f} "
                      f"{b['p99_ms'] / a['p99_ms']:6.1f}x {a['cpu_us']:8.1f} {b['cpu_us']:8.1f} "
                      f"{b['cpu_us'] / a['cpu_us']:6.1f}x", flush=True)
            print(f"{name:9} start to ready: {ours['start_ms']:.1f} ms against "
                  f"{theirs['start_ms']:.0f} ms ({theirs['start_ms'] / ours['start_ms']:.0f}x); RSS "
                  f"{ours['rss_mib']:.1f} MiB against {theirs['rss_mib']:.0f} MiB "
                  f"({theirs['rss_mib'] / ours['rss_mib']:.1f}x)", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
