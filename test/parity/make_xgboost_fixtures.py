"""Writes XGBoost models and what the library predicts with them, for the tests of the xgboost format.

    python make_xgboost_fixtures.py ../data/xgboost

Run once in an environment of each XGBoost version to be covered; files are named after the version.
A model NAME.json, NAME.ubj or NAME.bst comes with NAME.cases.json:
    library   "xgboost 1.7.6"
    file      the model's file name
    names     the model's feature names, or null
    X         rows; null is NaN
    shape     of the prediction
    expected  Booster.predict(DMatrix(X)), flat
"""

import json
import os
import sys
import warnings

import numpy as np
import xgboost as xgb

warnings.filterwarnings("ignore")
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
OUT = sys.argv[1]
random = np.random.RandomState(7)


def features(rows, columns=6, missing=0.15):
    # Two decimals, so that rows meet thresholds exactly.
    X = np.round(random.normal(size=(rows, columns)), 2)
    X[random.uniform(size=X.shape) < missing] = np.nan
    return X


def target(X):
    Z = np.nan_to_num(X)
    return Z[:, 0] * 2 - Z[:, 1] * Z[:, 2] + np.sin(Z[:, 3] * 2) + (Z[:, 4] > 0) * np.isnan(X[:, 5])


def record(name, booster, X, extension, test=None, **dmatrix):
    stem = "xgboost-%s-%s" % (xgb.__version__, name)
    file = stem + extension
    booster.save_model(os.path.join(OUT, file))
    # What is served is what was saved.
    loaded = xgb.Booster(model_file=os.path.join(OUT, file))
    expected = loaded.predict(xgb.DMatrix(X, **dmatrix))
    cases = {
        "library": "xgboost " + xgb.__version__,
        "file": file,
        "names": booster.feature_names,
        "X": [[None if np.isnan(x) else float(x) for x in row] for row in X],
        "shape": list(expected.shape),
        "expected": [float(np.format_float_positional(x, unique=True)) if np.isfinite(x) else None
                     for x in expected.ravel()],
    }
    with open(os.path.join(OUT, stem + ".cases.json"), "w") as out:
        json.dump(cases, out, separators=(",", ":"))
    print(stem, expected.shape)


def train(params, X, y, rounds=4, **dmatrix):
    params = dict({"max_depth": 3, "eta": 0.4, "verbosity": 0, "nthread": 1}, **params)
    return xgb.train(params, xgb.DMatrix(X, y, **dmatrix), rounds)


def attempt(name, make):
    try:
        make()
    except (xgb.core.XGBoostError, ValueError, TypeError) as error:
        print("not in this version:", name, str(error).strip().splitlines()[0][:100])


X, test = features(300), features(12)
y = target(X)
EXTENSIONS = [".json"] + ([".ubj"] if VERSION >= (1, 6) else [])


def one(name, params, labels, extension=".json", rounds=4, **dmatrix):
    attempt(name, lambda: record(name, train(params, X, labels, rounds, **dmatrix), test, extension))


classes = np.digitize(y, [-1, 1])
for extension in EXTENSIONS:
    kind = extension[1:]
    one("regression-" + kind, {"objective": "reg:squarederror", "base_score": 0.7}, y, extension)
    one("binary-" + kind, {"objective": "binary:logistic", "base_score": 0.3}, y > 0, extension)
    one("softprob-" + kind, {"objective": "multi:softprob", "num_class": 3}, classes, extension)
    one("dart-" + kind, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3,
                         "seed": 3}, y > 0, extension, 6)
    one("linear-" + kind, {"objective": "reg:squarederror", "booster": "gblinear"}, y, extension)
if VERSION < (2, 1):
    # The binary format that save_model("model.bst") wrote before 2.1.
    one("regression-binary", {"objective": "reg:squarederror", "base_score": 0.7}, y, ".bst")
    one("logistic-binary", {"objective": "binary:logistic", "base_score": 0.3}, y > 0, ".bst")
    one("softprob-binary", {"objective": "multi:softprob", "num_class": 3}, classes, ".bst")
    one("dart-binary", {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3,
                        "seed": 3}, y > 0, ".bst", 6)
    one("linear-binary", {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear"},
        classes, ".bst")
else:
    one("softprob-bst", {"objective": "multi:softprob", "num_class": 3}, classes, ".bst")

one("default-base-score", {"objective": "binary:logistic"}, y > 0)
one("softmax", {"objective": "multi:softmax", "num_class": 3, "num_parallel_tree": 2,
                "subsample": 0.7}, classes, rounds=2)
one("dart-softprob", {"objective": "multi:softprob", "num_class": 3, "booster": "dart",
                      "rate_drop": 0.5, "seed": 1}, classes)
one("linear-softprob", {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear",
                        "base_score": 0.2}, classes)
one("linear-binary-logistic", {"objective": "binary:logistic", "booster": "gblinear",
                               "base_score": 0.3}, y > 0)
one("random-forest", {"objective": "reg:squarederror", "num_parallel_tree": 7, "subsample": 0.6,
                      "colsample_bynode": 0.7, "eta": 1}, y, rounds=1)
for objective, labels in [
    ("reg:logistic", (y > 0) * 0.8), ("binary:logitraw", y > 0), ("binary:hinge", y > 0),
    ("reg:squaredlogerror", np.abs(y)), ("reg:pseudohubererror", y), ("reg:absoluteerror", y),
    ("count:poisson", np.floor(np.abs(y))), ("reg:gamma", np.abs(y) + 0.1),
    ("reg:tweedie", np.abs(y)), ("survival:cox", np.abs(y) + 0.1),
]:
    for base_score in [None, 0.3] if VERSION != (1, 5) else [0.3]:
        params = {"objective": objective}
        if base_score:
            params["base_score"] = base_score
        one(objective.replace(":", "-") + ("-base" if base_score else ""), params, labels)
for objective in ["rank:pairwise", "rank:ndcg", "rank:map"]:
    def rank():
        matrix = xgb.DMatrix(X, classes if objective != "rank:map" else y > 0)
        matrix.set_group([30] * 10)
        booster = xgb.train({"objective": objective, "max_depth": 3, "nthread": 1}, matrix, 6)
        record(objective.replace(":", "-"), booster, test, ".json")
    attempt(objective, rank)


def survival():
    matrix = xgb.DMatrix(X)
    matrix.set_float_info("label_lower_bound", np.abs(y) + 0.1)
    matrix.set_float_info("label_upper_bound", np.abs(y) + 1)
    booster = xgb.train({"objective": "survival:aft", "max_depth": 3, "nthread": 1}, matrix, 6)
    record("survival-aft", booster, test, ".json")


attempt("survival:aft", survival)
names = ["sepal length", "b", "c", "d", "e", "f"]
attempt("names", lambda: record("names", train({"objective": "reg:squarederror"}, X, y,
                                               feature_names=names), test, ".json",
                                feature_names=names))
one("quantile", {"objective": "reg:quantileerror", "quantile_alpha": 0.3, "tree_method": "hist"}, y)
one("quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9],
                  "tree_method": "hist"}, y)
if VERSION >= (1, 6):
    targets = np.stack([y, -y * 2, np.abs(y)], axis=1)
    for extension in EXTENSIONS:
        kind = extension[1:]
        one("targets-" + kind, {"objective": "reg:squarederror", "tree_method": "hist"}, targets,
            extension)
        if VERSION >= (2, 0):
            vector = {"tree_method": "hist", "multi_strategy": "multi_output_tree"}
            one("vector-targets-" + kind, dict(vector, objective="reg:squarederror"), targets,
                extension)
            one("vector-softprob-" + kind, dict(vector, objective="multi:softprob", num_class=3),
                classes, extension)
            one("vector-labels-" + kind, dict(vector, objective="binary:logistic"), targets > 0,
                extension)


def categories(rows):
    Z = features(rows)
    Z[:, 0] = random.randint(0, 4, size=rows)
    Z[:, 1] = random.randint(0, 40, size=rows)
    Z[random.uniform(size=rows) < 0.1, 1] = np.nan
    return Z


def categorical(name, extension, params):
    Z = categories(400)
    label = (Z[:, 0] == 2) * 1.5 + np.isin(Z[:, 1], [1, 5, 7, 22, 33, 39]) + np.nan_to_num(Z[:, 2])
    types = ["c", "c", "q", "q", "q", "q"]
    matrix = xgb.DMatrix(Z, label, feature_types=types, enable_categorical=True)
    booster = xgb.train(dict({"tree_method": "hist", "max_depth": 4, "nthread": 1}, **params),
                        matrix, 5)
    rows = categories(12)
    rows[0, 1] = 60  # never seen
    record(name, booster, rows, extension, feature_types=types, enable_categorical=True)


if VERSION >= (1, 6):
    for extension in EXTENSIONS:
        attempt("onehot", lambda: categorical("onehot-" + extension[1:], extension,
                                              {"max_cat_to_onehot": 100}))
        attempt("partition", lambda: categorical("partition-" + extension[1:], extension,
                                                 {"max_cat_to_onehot": 1}))
