"""Compares prediction by the native tree models with the Python libraries, side by side in one run.

    python trees_bench.py [PATH/TO/trees_bench [folder for models]]

Needs xgboost, lightgbm and scikit-learn. Trains 500-tree models, then times for 1 and 64 rows what
KServe's Python servers do with a decoded array (DMatrix and predict; predict), one thread each, and
the same rows in trees_bench. Prints microseconds a call, best of several rounds, and the ratio.
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings

import joblib
import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

warnings.filterwarnings("ignore")
BINARY = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin/trees_bench"
FOLDER = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
os.makedirs(FOLDER, exist_ok=True)
COLUMNS, ROWS = 30, 1024
random = np.random.RandomState(0)
X = random.normal(size=(20000, COLUMNS))
y = (X[:, 0] + X[:, 1] * X[:, 2] + np.sin(3 * X[:, 3]) + random.normal(size=len(X)) > 0).astype(int)
rows = random.normal(size=(ROWS, COLUMNS))
rows_file = os.path.join(FOLDER, "rows.bin")
rows.tofile(rows_file)


def library_time(predict, batch):
    batches = [rows[i:i + batch] for i in range(0, ROWS - batch + 1, batch)][:32]
    best = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        for each in batches:
            predict(each)
        best = min(best, (time.perf_counter() - start) / len(batches))
    return best * 1e6


def compare(name, form, file, predict):
    out = subprocess.run([BINARY, form, file, rows_file, str(COLUMNS)], capture_output=True, text=True)
    if out.returncode:
        print("%-28s %s" % (name, out.stderr.strip()))
        return
    lines = [line.split() for line in out.stdout.splitlines()]
    sums = {int(line[1]): float(line[2]) for line in lines if line[0] == "sum"}
    times = {int(line[1]): float(line[2]) for line in lines if line[0] == "time"}
    load = [float(line[1]) for line in lines if line[0] == "load"][0] / 1000
    difference = abs(np.sum(predict(rows), dtype=np.float64) / sums[64] - 1)
    for batch in (1, 64):
        library = library_time(predict, batch)
        print("%-28s %4d rows  library %10.1f us  ours %8.2f us  ratio %7.1f   (sums differ %.0e, "
              "load %.1f ms, file %.1f MB)" % (name, batch, library, times[batch],
                                               library / times[batch], difference, load,
                                               os.path.getsize(file) / 1e6), flush=True)


def path(name):
    return os.path.join(FOLDER, name)


params = {"objective": "binary:logistic", "max_depth": 8, "nthread": 1, "tree_method": "hist"}
booster = xgb.train(params, xgb.DMatrix(X, y), 500)
for file in ("xgboost.json", "xgboost.ubj"):
    booster.save_model(path(file))
    compare("XGBoost depth 8 " + file[-4:], "xgboost", path(file),
            lambda some: booster.predict(xgb.DMatrix(some, nthread=1)))

booster = lgb.train({"objective": "binary", "num_leaves": 63, "num_threads": 1, "verbose": -1},
                    lgb.Dataset(X, y), 500)
booster.save_model(path("lightgbm.txt"))
compare("LightGBM 63 leaves", "lightgbm", path("lightgbm.txt"),
        lambda some: booster.predict(some, num_threads=1))

for name, model in [
    ("random forest, 500 trees", RandomForestClassifier(500, random_state=0, n_jobs=1)),
    ("hist gradient boosting", HistGradientBoostingClassifier(max_iter=500, random_state=0,
                                                              early_stopping=False)),
]:
    model.fit(X[:5000], y[:5000])
    file = path(name.split(",")[0].replace(" ", "-") + ".joblib")
    joblib.dump(model, file)
    compare(name, "sklearn", file, model.predict_proba)
