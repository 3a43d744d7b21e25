"""A model's author, or whoever sends a request, tries to spend the server's memory and CPU.

Each file or request here is small, and made so that a server that believes it needs gigabytes or minutes. The real
kinglet-server gets 1 GiB of address space and 5 seconds of CPU. It must refuse the file with an error that names the
limit (or load it at a fair price), and it must go on serving its other model.
"""

import bz2
import gzip
import http.client
import json
import lzma
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import zlib

import pickles
import pytest
from conftest import BIN, ROOT, wait_for
from pickles import FALSE, NONE, array, dtype, instance, items, mapping, number, pipeline, sequence, text

BOUNDARY = "model"

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 5
GOOD = ROOT / "test/data/pickles/good_tree.pkl"


def limit_resources():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Server:
    """kinglet-server with the model `good` and, once it is written, the model `bad`."""

    def __init__(self, folder):
        self.models = folder / "models"
        (self.models / "good").mkdir(parents=True)
        shutil.copy(GOOD, self.models / "good")
        self.log = folder / "log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [BIN / "kinglet-server", "--model_dir", self.models, "--http_port", "0", "--workers", "1"],
                stdout=out, stderr=out, preexec_fn=limit_resources, env={**os.environ, "MALLOC_ARENA_MAX": "2"})
        found = wait_for(lambda: re.search(r"serving HTTP .*port=(\d+)", self.log.read_text()) or
                         self.process.poll() is not None, 30, "kinglet-server")
        assert self.process.poll() is None, self.log.read_text()
        self.port = int(found[1])

    def post(self, path, body=b""):
        """(status, body), or (0, reason) if the server did not survive it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, f"{error!r} (the server's exit status is {self.process.poll()})"
        finally:
            connection.close()

    def write(self, file, data):
        folder = self.models / "bad"
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes(data)
        return folder / file

    def load(self, file, data):
        self.write(file, data)
        return self.post("/v2/repository/models/bad/load")

    def check_alive(self):
        status, body = self.post("/v1/models/good:predict", b'{"instances": [[0.1, 2]]}')
        assert status == 200 and json.loads(body) == {"predictions": [1.0]}, body

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)


@pytest.fixture
def server(tmp_path):
    started = Server(tmp_path)
    yield started
    started.stop()


# --- Files that must be refused -------------------------------------------------------------------

def nested_dtype():
    """A structure of 64 structures of 64 structures ...: four levels, each written once."""
    memo = pickles.Memo()
    push, again = memo.share(dtype("i1"))
    for _ in range(4):
        fields = {f"f{i}": (again if i else push, 0) for i in range(64)}
        push, again = memo.share(dtype("V1", fields, 1))
    return pickles.model(pickles.dummy_regressor(constant_=array(push, (1,), b"\0")))


def memo_by_doubling():
    size, puts = 0, b""
    while size < (1 << 32) - 1:
        size = min(2 * size + 1024, (1 << 32) - 1)
        puts += b"r" + struct.pack("<I", size - 1)
    return pickles.model(NONE + puts)


def flood(opcode, count):
    return zlib.compress(pickles.PROTO + opcode * count + pickles.STOP, 9)


def shared_label():
    push, again = pickles.Memo().share(text("x" * (1 << 20)))
    classes = sequence([push] + [again] * 4000)
    return pickles.model(instance("sklearn.dummy", "DummyClassifier",
                                  {"classes_": classes, "class_prior_": pickles.doubles([1.0] * 4001)}))


def shared_parameter_text():
    """Estimators that each keep a copy of one long parameter."""
    memo = pickles.Memo()
    push, again = memo.share(text("x" * (1 << 22)))
    imputer = instance("sklearn.impute", "SimpleImputer",
                       {"statistics_": pickles.doubles([1.0]), "missing_values": push})
    first, more = memo.share(imputer)
    return pickles.model(pipeline(*([first] + [more] * 89), *([pipeline(*[more] * 99)] * 5), pickles.dummy_regressor()))


def many_attributes():
    """One predictor with 200,000 attributes, searched again for each of 20,000 trees."""
    fields = {"value": (dtype("f8"), 0), "is_leaf": (dtype("u1"), 8)}
    fields |= {name: (dtype("u1"), 9) for name in ("feature_idx", "num_threshold", "left", "right")}
    nodes = array(dtype("V10", fields, 10), (1,), b"\0" * 8 + b"\1\0")
    state = b"}(" + text("nodes") + nodes + (NONE + NONE) * 200_000 + b"u"
    predictor = pickles.name("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor") + b")\x81" + state + b"b"
    push, again = pickles.Memo().share(predictor)
    trees = sequence([sequence([push])] + [sequence([again])] * 20_000)
    return pickles.model(instance("sklearn.ensemble._hist_gradient_boosting.gradient_boosting", "HistGradientBoostingRegressor",
                                  {"n_features_in_": number(1), "_predictors": trees,
                                   "_baseline_prediction": pickles.doubles([0.0])}))


def nested_pipelines():
    """Each pipeline runs the one before it twice."""
    memo = pickles.Memo()
    push, again = memo.share(instance("sklearn.preprocessing._data", "Normalizer", {"norm": text("l2")}))
    for _ in range(10):
        push, again = memo.share(pipeline(push, again))
    return pickles.model(pipeline(push, pickles.dummy_regressor()))


def shared_tree():
    nodes = array(dtype("V25", {"left_child": (dtype("i8"), 0), "right_child": (dtype("i8"), 8), "feature": (dtype("i1"), 16),
                                "threshold": (dtype("f8"), 17)}, 25), (1,), struct.pack("<qqbd", -1, -1, 0, 0))
    values = array(dtype("f8"), (1, 1000, 1), b"\0" * 8000)
    tree = pickles.name("sklearn.tree._tree", "Tree") + items(number(2), NONE, number(1)) + b"R" + mapping({"nodes": nodes, "values": values}) + b"b"
    push, again = pickles.Memo().share(instance("sklearn.tree._classes", "DecisionTreeRegressor", {"tree_": tree}))
    return pickles.model(instance("sklearn.ensemble._forest", "RandomForestRegressor",
                                  {"estimators_": sequence([push] + [again] * 20_000)}))


def sparse_matrix():
    matrix = instance("scipy.sparse._csr", "csr_matrix",
                      {"data": pickles.doubles([]), "indices": array(dtype("i4"), (0,), b""),
                       "indptr": array(dtype("i4"), (10_001,), b"\0" * 4 * 10_001),
                       "_shape": items(number(10_000), number(20_000))})
    return pickles.model(instance("sklearn.linear_model", "LinearRegression",
                                  {"coef_": matrix, "intercept_": number(0.0)}))


def polynomial(degree, features):
    terms = instance("sklearn.preprocessing._polynomial", "PolynomialFeatures",
                     {"n_features_in_": number(features), "degree": number(degree), "interaction_only": FALSE,
                      "include_bias": FALSE})
    return pickles.model(pipeline(terms, pickles.dummy_regressor()))


def polynomial_of_degrees_without_end():
    degrees = items(number(0), number(-1))
    terms = instance("sklearn.preprocessing._polynomial", "PolynomialFeatures",
                     {"n_features_in_": number(1), "degree": degrees, "interaction_only": pickles.TRUE, "include_bias": pickles.TRUE})
    return pickles.model(pipeline(terms, pickles.dummy_regressor()))


def one_vs_one_coupling():
    """A classifier whose probabilities take classes^3 steps a row, out of arrays of one byte a number."""
    k = 900
    pairs = k * (k - 1) // 2
    small = lambda shape, count: array(dtype("i1"), shape, b"\1" * count)  # noqa: E731
    return pickles.model(instance("sklearn.svm._classes", "SVC", {
        "kernel": text("linear"), "_gamma": number(1.0), "classes_": array(dtype("i2"), (k,), struct.pack(f"<{k}h", *range(k))),
        "support_vectors_": small((k, 1), k), "_dual_coef_": small((k - 1, k), k * (k - 1)), "_intercept_": small((pairs,), pairs),
        "_n_support": small((k,), k), "probability": pickles.TRUE, "_probA": small((pairs,), pairs), "_probB": small((pairs,), pairs)}))


def encoder_without_columns():
    """It takes two columns and gives no rows: what stands behind it would answer with old memory."""
    encoder = instance("sklearn.preprocessing._encoders", "OneHotEncoder", {"categories_": sequence([]), "n_features_in_": number(2)})
    return pickles.model(pipeline(encoder, pickles.dummy_regressor()))


def powers_of_no_columns():
    powers = instance("sklearn.preprocessing._data", "PowerTransformer",
                      {"lambdas_": pickles.doubles([]), "standardize": FALSE, "n_features_in_": number(2)})
    return pickles.model(pipeline(powers, pickles.dummy_regressor()))


def means_of_no_columns():
    none = array(dtype("f8"), (2, 0), b"")
    return pickles.model(instance("sklearn.naive_bayes", "GaussianNB", {
        "theta_": none, "var_": none, "class_prior_": pickles.doubles([0.5, 0.5]), "classes_": sequence([number(1), number(2)]),
        "n_features_in_": number(2)}))


def output_without_classes():
    labels = lambda *values: array(dtype("i8"), (len(values),), struct.pack(f"<{len(values)}q", *values))  # noqa: E731
    nodes = array(dtype("V25", {"left_child": (dtype("i8"), 0), "right_child": (dtype("i8"), 8), "feature": (dtype("i1"), 16),
                                "threshold": (dtype("f8"), 17)}, 25), (1,), struct.pack("<qqbd", -1, -1, 0, 0))
    tree = (pickles.name("sklearn.tree._tree", "Tree") + items(number(2), NONE, number(1)) + b"R"
            + mapping({"nodes": nodes, "values": pickles.doubles([1.0] * 4, (1, 2, 2))}) + b"b")
    return pickles.model(instance("sklearn.tree._classes", "DecisionTreeClassifier",
                                  {"tree_": tree, "classes_": sequence([labels(1, 2), labels()])}))


def xgboost(trees=(), **parameters):
    parameters = {"num_feature": "1", "num_class": "0", "base_score": "5E-1", **parameters}
    return json.dumps({"learner": {
        "objective": {"name": "multi:softprob" if parameters["num_class"] != "0" else "reg:squarederror"},
        "learner_model_param": parameters, "feature_names": [],
        "gradient_booster": {"name": "gbtree", "model": {"trees": list(trees), "tree_info": [0] * len(trees)}}},
        "version": [3, 1, 0]}).encode()


def chain(leaves):
    """left, right of a tree in which each split has a leaf and the next split; leaves have -1."""
    left, right = [], []
    for i in range(leaves - 1):
        left += [2 * i + 1, -1]
        right += [2 * i + 2, -1]
    return left + [-1], right + [-1]


def leaves_that_share_a_vector():
    leaves, outputs = 100_000, 50_000
    left, right = chain(leaves)
    right = [0 if a == -1 else b for a, b in zip(left, right)]  # a leaf's right child numbers its vector
    nodes = len(left)
    tree = {"left_children": left, "right_children": right, "split_indices": [0] * nodes, "default_left": [0] * nodes,
            "split_conditions": [0] * nodes, "tree_param": {"size_leaf_vector": str(outputs)}, "leaf_weights": [0] * outputs}
    return xgboost([tree], num_target=str(outputs))


def categories_far_apart():
    tree = {"left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0] * 3, "default_left": [0] * 3,
            "split_conditions": [0] * 3, "tree_param": {"size_leaf_vector": "0"}, "categories_nodes": [0] * 1000,
            "categories_segments": [0] * 1000, "categories_sizes": [1] * 1000, "categories": [(1 << 24) - 1]}
    return xgboost([tree])


LIGHTGBM = ("tree\nversion=v4\nnum_class={0}\nnum_tree_per_iteration={0}\nmax_feature_idx=0\nobjective=regression\n"
            "feature_names=a\nfeature_infos=[0:1]\n\n{1}end of trees\n")


def lightgbm_cycle():
    return LIGHTGBM.format(1, "Tree=0\nnum_leaves=3\nleaf_value=1 2 3\nsplit_feature=0 0\nthreshold=1 2\nleft_child=1 0\n"
                              "right_child=-1 -2\n\n").encode()


MEMORY, WORK = "far more memory", "far more work"
REFUSED = {
    "dtype-of-dtypes": ("model.pkl", nested_dtype, "structures inside structures"),
    "memo-by-doubling": ("model.pkl", memo_by_doubling, "out of order"),
    "list-flood": ("model.pkl", lambda: flood(b"]", 20 << 20), MEMORY),
    "mark-flood": ("model.pkl", lambda: flood(b"(", 20 << 20), MEMORY),
    "object-flood": ("model.pkl", lambda: flood(b"csklearn.svm\nSVC\n)\x81", 1 << 20), MEMORY),
    "zlib-bomb": ("model.pkl", lambda: zlib.compress(pickles.model(pickles.raw(bytes(64 << 20))), 9), "grows beyond"),
    "gzip-bomb": ("model.joblib", lambda: gzip.compress(pickles.model(pickles.raw(bytes(64 << 20)))), "grows beyond"),
    "bzip2-bomb": ("model.joblib", lambda: bz2.compress(pickles.model(pickles.raw(bytes(64 << 20)))), "grows beyond"),
    "xz-bomb": ("model.joblib", lambda: lzma.compress(pickles.model(pickles.raw(bytes(64 << 20))), preset=1), "grows beyond"),
    "label-shared-4000-times": ("model.pkl", shared_label, MEMORY),
    "parameter-shared-by-estimators": ("model.pkl", shared_parameter_text, MEMORY),
    "object-of-200000-attributes": ("model.pkl", many_attributes, "the limit is 1024"),
    "pipelines-of-pipelines": ("model.pkl", nested_pipelines, WORK),
    "tree-shared-20000-times": ("model.pkl", shared_tree, MEMORY),
    "empty-sparse-matrix": ("model.pkl", sparse_matrix, MEMORY),
    "polynomial-of-degree-64": ("model.pkl", lambda: polynomial(64, 100), "so many terms"),
    "polynomial-of-degree-1e9": ("model.pkl", lambda: polynomial(10**9, 2), "out of range"),
    "polynomial-of-degrees-0-to-minus-1": ("model.pkl", polynomial_of_degrees_without_end, "no pair of small numbers"),
    "coupling-of-900-classes": ("model.pkl", one_vs_one_coupling, WORK),
    "encoder-without-columns": ("model.pkl", encoder_without_columns, "without columns"),
    "powers-of-no-columns": ("model.pkl", powers_of_no_columns, "without columns"),
    "means-of-no-columns": ("model.pkl", means_of_no_columns, "without columns"),
    "output-without-classes": ("model.pkl", output_without_classes, "an output has none"),
    "xgboost-claims-outputs": ("model.json", lambda: xgboost(num_class="1000000"), "claims 1000000 outputs"),
    "xgboost-leaves-share-a-vector": ("model.json", leaves_that_share_a_vector, MEMORY),
    "xgboost-categories-far-apart": ("model.json", categories_far_apart, MEMORY),
    "xgboost-nested-json": ("model.json", lambda: b'{"learner":' + b"[[" * 500_000, "nested too deeply"),
    "xgboost-nested-ubjson": ("model.ubj", lambda: b"{i\7learner" + b"[" * 1_000_000, "nested too deeply"),
    "lightgbm-claims-outputs": ("model.txt", lambda: LIGHTGBM.format(1_000_000, "").encode(), "claims 1000000"),
    "lightgbm-cycle": ("model.txt", lightgbm_cycle, "reached twice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused_for_what_it_would_cost(server, name):
    file, make, reason = REFUSED[name]
    status, body = server.load(file, make())
    assert status >= 400 and reason in body, body
    server.check_alive()


# --- Files that are valid, and must load at a fair price ------------------------------------------

def colliding_doubles(count, buckets):
    """Numbers that libstdc++'s std::hash puts into one bucket: the hash of eight bytes can be inverted."""
    word, multiplier = (1 << 64) - 1, 0xC6A4A7935BD1E995
    inverse = pow(multiplier, -1, 1 << 64)
    unshift = lambda x: x ^ x >> 47  # noqa: E731  (its own inverse)
    start = 0xC70F6907 ^ (8 * multiplier & word)
    found, hashed = [], 1
    while len(found) < count:
        hashed += buckets
        mixed = unshift(hashed) * inverse & word
        mixed = unshift(mixed) * inverse & word ^ start
        bits = unshift(mixed * inverse & word) * inverse & word
        if (bits >> 52) & 0x7FF not in (0, 0x7FF):
            found.append(bits)
    return struct.pack(f"<{count}Q", *found)


def colliding_categories():
    count, buckets = 170_000, 172_933
    encoder = instance("sklearn.preprocessing._encoders", "OrdinalEncoder",
                       {"categories_": sequence([array(dtype("f8"), (count,), colliding_doubles(count, buckets))])})
    return pickles.model(pipeline(encoder, pickles.dummy_regressor()))


def colliding_leaves():
    """Leaf values that the tables of leaves, before they were keyed, put into one place."""
    word, inverse = (1 << 64) - 1, pow(0x9E3779B97F4A7C15, -1, 1 << 64)

    def unmix(x):
        x ^= x >> 29 ^ x >> 58
        return x * inverse & word

    left, right = chain(100_000)
    nodes, values, used = [], [], 1
    for a, b in zip(left, right):
        bits = 0
        while a == -1 and (bits >> 52) & 0x7FF in (0, 0x7FF):
            bits, used = unmix(unmix(used << 20)), used + 1
        nodes.append(struct.pack("<iibd", a, b, 0, 0))
        values.append(struct.pack("<Q", bits))
    count = len(left)
    fields = {"left_child": (dtype("i4"), 0), "right_child": (dtype("i4"), 4), "feature": (dtype("i1"), 8),
              "threshold": (dtype("f8"), 9)}
    tree = (pickles.name("sklearn.tree._tree", "Tree") + items(number(1), NONE, number(1)) + b"R"
            + mapping({"nodes": array(dtype("V17", fields, 17), (count,), b"".join(nodes)),
                       "values": array(dtype("f8"), (count, 1, 1), b"".join(values))}) + b"b")
    return pickles.model(instance("sklearn.tree._classes", "DecisionTreeRegressor", {"tree_": tree}))


def columns_by_name():
    """60,000 columns, each looked up by its name among 60,000."""
    count = 60_000
    names = "".join(f"c{i:05}" for i in range(count)).encode("utf-32-le")
    last = f"c{count - 1:05}".encode("utf-32-le") * count
    columns = instance("sklearn.compose._column_transformer", "ColumnTransformer", {
        "n_features_in_": number(count), "feature_names_in_": array(dtype("U6"), (count,), names),
        "transformers_": sequence([items(text("all"), text("passthrough"), array(dtype("U6"), (count,), last))])})
    return pickles.model(pipeline(columns, pickles.dummy_regressor()))


@pytest.mark.parametrize("make", [colliding_categories, colliding_leaves, columns_by_name], ids=lambda f: f.__name__)
def test_valid_file_loads_without_quadratic_work(server, make):
    status, body = server.load("model.pkl", make())
    assert status == 200, body
    server.check_alive()


def test_file_that_is_truncated_while_it_loads_does_not_end_the_server(server):
    content = pickles.model(items(*[pickles.raw(bytes(1 << 20))] * 100, *[text("é" * 500_000)] * 100))
    file = server.write("model.pkl", content)
    answer = []
    loading = threading.Thread(target=lambda: answer.append(server.post("/v2/repository/models/bad/load")))
    loading.start()
    maps = pathlib.Path(f"/proc/{server.process.pid}/maps")

    def mapped():
        try:
            return str(file) in maps.read_text()
        except OSError:
            return False

    wait_for(lambda: mapped() or answer, 30, "the file to be mapped, or read")
    os.truncate(file, 10)
    loading.join()
    assert answer[0][0] >= 400, answer
    server.check_alive()


# --- Requests -------------------------------------------------------------------------------------

def predict(server, instances, model="bad"):
    return server.post(f"/v1/models/{model}:predict", json.dumps({"instances": instances}, separators=(",", ":")).encode())


def test_rows_that_become_far_wider_inside_the_model_are_computed_in_parts(server):
    features = 310  # and 47,895 products of two of them
    terms = instance("sklearn.preprocessing._polynomial", "PolynomialFeatures",
                     {"n_features_in_": number(features), "degree": number(2), "interaction_only": pickles.TRUE,
                      "include_bias": FALSE})
    status, body = server.load("model.pkl", pickles.model(pipeline(terms, pickles.dummy_regressor())))
    assert status == 200, body
    status, body = predict(server, [[0] * features] * 5000)
    assert status == 200 and len(json.loads(body)["predictions"]) == 5000, body[:200]
    server.check_alive()


def test_answer_that_is_far_larger_than_model_and_request_is_refused(server):
    outputs = 100_000
    wide = pickles.dummy_regressor(constant_=array(dtype("i1"), (1, outputs), bytes(outputs)), n_outputs_=number(outputs))
    status, body = server.load("model.pkl", pickles.model(wide))
    assert status == 200, body
    status, body = predict(server, [[0]] * 20_000)
    assert status >= 400 and "over the limit of 67108864 values" in body, body
    server.check_alive()


def test_label_that_each_row_repeats_is_refused(server):
    label = text("x" * (4 << 20))
    model = instance("sklearn.dummy", "DummyClassifier", {"classes_": sequence([label]), "class_prior_": pickles.doubles([1.0])})
    status, body = server.load("model.pkl", pickles.model(model))
    assert status == 200, body
    status, body = predict(server, [[0]] * 100)
    assert status >= 400 and "the labels in the answer" in body, body[:300]
    server.check_alive()


def neighbors(samples):
    data = lambda shape: array(dtype("u1"), shape, bytes(i * 7 % 251 for i in range(samples)))  # noqa: E731
    return pickles.model(instance("sklearn.neighbors._regression", "KNeighborsRegressor", {
        "_fit_X": data((samples, 1)), "_y": data((samples,)), "n_neighbors": number(5), "weights": text("uniform"),
        "effective_metric_": text("euclidean"), "effective_metric_params_": b"}"}))


def test_slow_predictions_do_not_hold_up_the_health_checks(server):
    status, body = server.load("model.pkl", neighbors(60_000))
    assert status == 200, body
    predict(server, [[1]] * 400)  # the server learns that this model is slow
    body = json.dumps({"instances": [[1]] * 3000}, separators=(",", ":")).encode()
    clock = lambda: sum(map(int, pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))  # noqa: E731
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
        before = clock()
        slow.sendall(b"POST /v1/models/bad:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_for(lambda: clock() > before + 10, 30, "the prediction to begin")  # 10 ticks: 0.1 s
        server.check_alive()
        assert not select.select([slow], [], [], 0)[0], "the other model was answered only after the slow one"
        assert slow.recv(16).startswith(b"HTTP/1.1 200")


def test_number_of_features_that_the_file_only_claims_costs_nothing(server):
    status, body = server.load("model.json", xgboost(num_feature=str(1 << 30)))
    assert status == 200, body
    status, body = predict(server, [{"a": 1}])
    assert status >= 400 and "Feature shape mismatch" in body, body
    server.check_alive()


def test_wrong_column_is_not_answered_with_all_names_of_the_model(server):
    names = [f"column-{i}" for i in range(50_000)]
    model = json.loads(xgboost(num_feature=str(len(names))))
    model["learner"]["feature_names"] = names
    status, body = server.load("model.json", json.dumps(model).encode())
    assert status == 200, body
    status, body = predict(server, [{"other": 1}])
    assert status >= 400 and "feature_names mismatch" in body and len(body) < 10_000, len(body)
    server.check_alive()


def test_folder_whose_name_is_not_text_does_not_spoil_the_metrics(server):
    shutil.copytree(server.models / "good", server.models / os.fsdecode(b"a\xffb"))
    status, body = server.post("/v2/repository/models/a%FFb/load")
    assert status >= 400, body
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/metrics")
    assert 'model_name="good"' in connection.getresponse().read().decode()
    connection.close()


def test_names_of_models_that_are_not_there_leave_no_metrics(server):
    for i in range(10):
        server.post(f"/v2/repository/models/no-such-{i}/load")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/metrics")
    assert "no-such" not in connection.getresponse().read().decode()
    connection.close()


def test_feature_name_that_repeats_does_not_multiply_a_column(server):
    count = 20_000
    model = pickles.dummy_regressor(n_features_in_=number(count),
                                    feature_names_in_=array(dtype("U1"), (count,), "a".encode("utf-32-le") * count))
    status, body = server.load("model.pkl", pickles.model(model))
    assert status == 200, body
    status, body = predict(server, [{"a": 1}] * 10_000)
    assert status == 200 and len(json.loads(body)["predictions"]) == 10_000, body[:200]
    server.check_alive()


def test_rows_that_leave_out_nearly_all_columns_are_refused(server):
    first = {f"c{i}": 0 for i in range(60_000)}
    status, body = predict(server, [first] + [{"c0": 0}] * 3000, model="good")
    assert status >= 400 and "leave out too many columns" in body, body[:300]
    server.check_alive()


def test_thousands_of_columns_are_found_by_an_index(server):
    names = [f"column-{i:06}" for i in range(60_000)]
    status, body = predict(server, [dict.fromkeys(names, 0), dict.fromkeys(reversed(names), 0)], model="good")
    assert status == 500 and "features" in body, body[:300]
    server.check_alive()


def test_output_that_is_requested_again_and_again_is_refused(server):
    request = {"inputs": [{"name": "input-0", "shape": [3000, 2], "datatype": "FP64", "data": [0] * 6000}],
               "outputs": [{"name": "output-0"}] * 60_000}
    status, body = server.post("/v2/models/good/infer", json.dumps(request, separators=(",", ":")).encode())
    assert status == 400 and "requested twice" in body, body[:300]
    server.check_alive()


@pytest.mark.parametrize("tensor", [
    {"shape": [1 << 62, 4], "datatype": "FP64", "data": [1]},
    {"shape": [0, 1 << 62, 1 << 62], "datatype": "FP64", "data": []},
    {"shape": [1 << 30, 2], "datatype": "INT8", "data": [1]},
    {"shape": [-1, -1], "datatype": "FP64", "data": [1]},
], ids=["overflow", "overflow-beside-zero", "more-than-sent", "two-open"])
def test_shape_that_promises_more_than_is_sent_is_refused(server, tensor):
    request = {"inputs": [{"name": "input-0", **tensor}]}
    status, body = server.post("/v2/models/good/infer", json.dumps(request).encode())
    assert 400 <= status < 500, body
    server.check_alive()


@pytest.mark.parametrize("again", [{"shape": [50_000_000, 2]}, {"shape": [-1, 2]}, {"datatype": "INT8"}],
                         ids=["shape", "open-shape", "datatype"])
def test_shape_that_is_given_again_after_the_data_is_refused(server, again):
    tensor = '{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2],' + json.dumps(again)[1:]
    status, body = server.post("/v2/models/good/infer", b'{"inputs":[%s]}' % tensor.encode())
    assert status == 400 and "again after its data" in body, body
    server.check_alive()


def test_deeply_nested_instances_are_refused(server):
    status, body = server.post("/v1/models/good:predict", b'{"instances":' + b"[" * 1_000_000)
    assert status == 400 and "too many dimensions" in body, body[:300]
    server.check_alive()
