"""Writes LightGBM models and what the library predicts with them, for the tests of the lightgbm format.

    python make_lightgbm_fixtures.py ../data/lightgbm

Run once in an environment of each LightGBM version to be covered; files are named after the version.
A model NAME.txt comes with NAME.cases.json, as described in make_xgboost_fixtures.py; models of
pandas data frames also have
    frame     {column: values}, in an order that is not the model's
    frame_expected  what Booster.predict(DataFrame) gives for it
"""

import json
import os
import sys
import warnings

import lightgbm as lgb
import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
OUT = sys.argv[1]
VERSION = tuple(int(part) for part in lgb.__version__.split(".")[:2])
random = np.random.RandomState(11)


def features(rows, columns=6, missing=0.15, zeros=0.0):
    X = np.round(random.normal(size=(rows, columns)), 2)
    X[random.uniform(size=X.shape) < zeros] = 0
    X[random.uniform(size=X.shape) < missing] = np.nan
    return X


def target(X):
    Z = np.nan_to_num(X)
    return Z[:, 0] * 2 - Z[:, 1] * Z[:, 2] + np.sin(Z[:, 3] * 2) + (Z[:, 4] > 0) * np.isnan(X[:, 5])


def train(params, X, y, rounds=5, **dataset):
    params = dict({"num_leaves": 6, "min_data_in_leaf": 8, "learning_rate": 0.3, "verbose": -1,
                   "num_threads": 1, "seed": 2}, **params)
    return lgb.train(params, lgb.Dataset(X, y, **dataset), rounds)


def record(name, booster, X, **extra):
    stem = "lightgbm-%s-%s" % (lgb.__version__, name)
    booster.save_model(os.path.join(OUT, stem + ".txt"))
    expected = lgb.Booster(model_file=os.path.join(OUT, stem + ".txt")).predict(X)
    cases = dict({
        "library": "lightgbm " + lgb.__version__,
        "file": stem + ".txt",
        "names": booster.feature_name(),
        "X": [[None if np.isnan(x) else float(x) for x in row] for row in np.asarray(X)],
        "shape": list(expected.shape),
        "expected": [float(x) for x in expected.ravel()],
    }, **extra)
    with open(os.path.join(OUT, stem + ".cases.json"), "w") as out:
        json.dump(cases, out, separators=(",", ":"))
    print(stem, expected.shape)


def attempt(name, make):
    try:
        make()
    except (lgb.basic.LightGBMError, ValueError, TypeError) as error:
        print("not in this version:", name, str(error).strip().splitlines()[0][:100])


X, test = features(300), features(12)
y = target(X)
classes = np.digitize(y, [-1, 1])


def one(name, params, labels, rows=test, data=X, **dataset):
    attempt(name, lambda: record(name, train(params, data, labels, **dataset), rows))


one("regression", {"objective": "regression"}, y)
one("regression-sqrt", {"objective": "regression", "reg_sqrt": True}, y * 3)
for objective in ["regression_l1", "huber", "fair", "quantile", "mape"]:
    one(objective, {"objective": objective}, y)
for objective in ["poisson", "gamma", "tweedie"]:
    one(objective, {"objective": objective}, np.abs(y) + 0.1)
for objective in ["cross_entropy", "cross_entropy_lambda"]:
    one(objective, {"objective": objective}, 1 / (1 + np.exp(-y)))
one("binary", {"objective": "binary", "sigmoid": 0.7}, y > 0)
one("multiclass", {"objective": "multiclass", "num_class": 3}, classes)
one("multiclassova", {"objective": "multiclassova", "num_class": 3, "sigmoid": 0.5}, classes)
for objective in ["lambdarank", "rank_xendcg"]:
    one(objective, {"objective": objective}, classes, group=[30] * 10)
one("dart", {"objective": "binary", "boosting": "dart", "drop_rate": 0.5}, y > 0)
one("goss", {"objective": "regression", "boosting": "goss"}, y)
forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.7}
one("rf-regression", dict(forest, objective="regression"), y)
one("rf-binary", dict(forest, objective="binary"), y > 0)
one("rf-multiclass", dict(forest, objective="multiclass", num_class=3), classes)
one("no-missing", {"objective": "regression", "use_missing": False}, y)
zeros, zero_test = features(300, zeros=0.4), features(12, zeros=0.4)
one("zero-missing", {"objective": "regression", "zero_as_missing": True}, target(zeros), zero_test,
    zeros)
one("constant", {"objective": "regression"}, np.full(300, 2.5))
one("linear", {"objective": "regression", "linear_tree": True}, y)
one("linear-multiclass", {"objective": "multiclass", "num_class": 3, "linear_tree": True}, classes)


def categories(rows):
    Z = features(rows)
    Z[:, 0] = random.randint(0, 4, size=rows)
    Z[:, 1] = random.randint(0, 70, size=rows)
    Z[random.uniform(size=rows) < 0.1, 1] = np.nan
    return Z


Z, category_test = categories(600), categories(14)
category_test[0, 1] = 300
category_test[1, 1] = -3
category_test[2, 1] = 5.7
label = (Z[:, 0] == 2) * 1.5 + np.isin(Z[:, 1], np.arange(0, 70, 3)) * 2 + np.nan_to_num(Z[:, 2])
one("categories", {"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, label,
    category_test, Z, categorical_feature=[0, 1])


def frame():
    rows = 300
    colors = ["red", "green", "blue", "grey"]
    data = pd.DataFrame({
        "sepal length": random.normal(size=rows),
        "color": pd.Categorical(np.array(colors)[random.randint(0, 4, size=rows)]),
        "size": pd.Categorical(random.choice([10, 20, 30, 50], size=rows)),
        "plain": random.normal(size=rows),
    })
    labels = data["sepal length"] + (data["color"] == "green") * 2 - (data["size"] == 50)
    booster = train({"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, data,
                    labels)
    some = data.iloc[:10]
    coded = some.copy()
    for column in ["color", "size"]:
        coded[column] = coded[column].cat.codes
    record("frame", booster, coded.to_numpy(dtype=np.float64),
           frame={"size": [int(x) for x in some["size"]], "plain": [float(x) for x in some["plain"]],
                  "color": list(some["color"]),
                  "sepal length": [float(x) for x in some["sepal length"]]},
           frame_expected=[float(x) for x in booster.predict(some)])


attempt("frame", frame)
