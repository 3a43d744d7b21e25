"""Fits small models with the scikit-learn it runs under and writes them, with what they predict.

Usage: python make_sklearn_fixtures.py OUTPUT_FOLDER

Run it once in a virtual environment of each version (see test/parity/README.sklearn.md). It writes
OUTPUT_FOLDER/<version>/<model>.<ext> and expected.json. Pickle protocols and joblib compressions
take turns, so that every version has files of each kind.
"""
import io
import json
import os
import pickle
import sys
import warnings

import numpy as np
import sklearn

warnings.filterwarnings("ignore")
try:
    import joblib
except ImportError:
    from sklearn.externals import joblib

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
rng = np.random.RandomState(7)


def make_data():
    centers = np.array([[0, 0, 0, 0], [1.5, 1, 0, -1], [0, 2, 1.5, 1]], dtype=float)
    y3 = np.repeat([0, 1, 2], 30)
    x = centers[y3] + rng.normal(size=(90, 4))
    y2 = (y3 > 0).astype(int)
    yr = x[:, 0] * 2 - x[:, 1] + 0.3 * x[:, 2] ** 2 + rng.normal(scale=0.1, size=90)
    xq = np.concatenate([x[::18], rng.normal(size=(6, 4)) * 2])
    xn, xnq = x.copy(), xq.copy()
    xn[rng.uniform(size=xn.shape) < 0.15] = np.nan
    xnq[rng.uniform(size=xnq.shape) < 0.3] = np.nan
    xc = np.column_stack([x[:, 0], rng.randint(0, 6, 90), x[:, 1], rng.randint(0, 3, 90)])
    xcq = np.column_stack([xq[:, 0], rng.randint(0, 8, len(xq)), xq[:, 1], rng.randint(0, 3, len(xq))])
    yc = ((xc[:, 1] % 2 == 0) ^ (xc[:, 0] > 0.5)).astype(int)
    sets = {"plain": (x, xq), "nan": (xn, xnq), "cat": (xc, xcq)}
    targets = {
        "y3": y3,
        "y2": y2,
        "ys": np.array(["setosa", "versicolor", "virginica"])[y3],
        "yo": np.array(["no", "yes"], dtype=object)[y2],
        "yb": y2.astype(bool),
        "yi": (y3 * 10 - 5).astype(np.int32),
        "yf": y3.astype(float) * 2,
        "yr": yr,
        "yp": np.exp(yr / 4),
        "ym": np.column_stack([yr, x[:, 3] - x[:, 0]]),
        "ycm": np.column_stack([y3, y2]),
        "yc": yc,
    }
    return sets, targets


def cases():
    """(name, module, class, parameters, data set, target)"""
    lin, svm, tree, ens = "linear_model", "svm", "tree", "ensemble"
    p = "plain"
    yield "linear_regression", lin, "LinearRegression", {}, p, "yr"
    yield "linear_regression_multi", lin, "LinearRegression", {}, p, "ym"
    yield "ridge", lin, "Ridge", {"alpha": 0.5}, p, "yr"
    yield "ridge_no_intercept", lin, "Ridge", {"fit_intercept": False}, p, "yr"
    yield "ridge_cv", lin, "RidgeCV", {}, p, "yr"
    yield "lasso", lin, "Lasso", {"alpha": 0.1}, p, "yr"
    yield "lasso_cv", lin, "LassoCV", {"cv": 3, "n_alphas": 5} if VERSION < (1, 7) else {"cv": 3, "alphas": 5}, p, "yr"
    yield "elastic_net", lin, "ElasticNet", {"alpha": 0.1}, p, "yr"
    yield "elastic_net_cv", lin, "ElasticNetCV", {"cv": 3}, p, "yr"
    yield "lars", lin, "Lars", {}, p, "yr"
    yield "lasso_lars", lin, "LassoLars", {"alpha": 0.01}, p, "yr"
    yield "bayesian_ridge", lin, "BayesianRidge", {}, p, "yr"
    yield "huber", lin, "HuberRegressor", {}, p, "yr"
    yield "poisson", lin, "PoissonRegressor", {}, p, "yp"
    yield "gamma", lin, "GammaRegressor", {}, p, "yp"
    yield "tweedie", lin, "TweedieRegressor", {"power": 1.5}, p, "yp"
    yield "tweedie_normal", lin, "TweedieRegressor", {"power": 0}, p, "yr"
    yield "sgd_regressor", lin, "SGDRegressor", {"random_state": 0}, p, "yr"
    yield "passive_aggressive_regressor", lin, "PassiveAggressiveRegressor", {"random_state": 0}, p, "yr"
    yield "linear_svr", svm, "LinearSVR", {"random_state": 0}, p, "yr"
    yield "logistic_binary", lin, "LogisticRegression", {}, p, "y2"
    yield "logistic_multi", lin, "LogisticRegression", {}, p, "y3"
    yield "logistic_strings", lin, "LogisticRegression", {}, p, "ys"
    yield "logistic_objects", lin, "LogisticRegression", {}, p, "yo"
    yield "logistic_bools", lin, "LogisticRegression", {}, p, "yb"
    yield "logistic_int32", lin, "LogisticRegression", {}, p, "yi"
    yield "logistic_floats", lin, "RidgeClassifier", {}, p, "yf"
    yield "logistic_multinomial", lin, "LogisticRegression", {"multi_class": "multinomial", "solver": "lbfgs"}, p, "y3"
    yield "logistic_multinomial_binary", lin, "LogisticRegression", {"multi_class": "multinomial", "solver": "lbfgs"}, p, "y2"
    yield "logistic_ovr", lin, "LogisticRegression", {"multi_class": "ovr", "solver": "lbfgs"}, p, "y3"
    yield "logistic_liblinear", lin, "LogisticRegression", {"solver": "liblinear"}, p, "y2"
    yield "logistic_liblinear_multi", lin, "LogisticRegression", {"solver": "liblinear"}, p, "y3"
    yield "logistic_cv", lin, "LogisticRegressionCV", {"cv": 3, "Cs": 3}, p, "y3"
    yield "sgd_hinge", lin, "SGDClassifier", {"random_state": 0}, p, "y3"
    yield "sgd_log", lin, "SGDClassifier", {"random_state": 0, "loss": "log" if VERSION < (1, 1) else "log_loss"}, p, "y3"
    yield "sgd_huber", lin, "SGDClassifier", {"random_state": 0, "loss": "modified_huber"}, p, "y3"
    yield "sgd_huber_binary", lin, "SGDClassifier", {"random_state": 0, "loss": "modified_huber"}, p, "y2"
    yield "ridge_classifier", lin, "RidgeClassifier", {}, p, "y3"
    yield "ridge_classifier_binary", lin, "RidgeClassifier", {}, p, "y2"
    yield "ridge_classifier_cv", lin, "RidgeClassifierCV", {}, p, "y3"
    yield "perceptron", lin, "Perceptron", {"random_state": 0}, p, "y3"
    yield "passive_aggressive", lin, "PassiveAggressiveClassifier", {"random_state": 0}, p, "y3"
    yield "linear_svc", svm, "LinearSVC", {"random_state": 0}, p, "y3"
    yield "linear_svc_binary", svm, "LinearSVC", {"random_state": 0}, p, "y2"
    yield "lda", "discriminant_analysis", "LinearDiscriminantAnalysis", {}, p, "y3"
    yield "lda_binary", "discriminant_analysis", "LinearDiscriminantAnalysis", {}, p, "y2"
    gamma = {"gamma": "scale"}
    for kernel in ("rbf", "linear", "poly", "sigmoid"):
        yield "svc_" + kernel, svm, "SVC", dict(gamma, kernel=kernel, probability=True, random_state=0), p, "y3"
    yield "svc_binary", svm, "SVC", dict(gamma, probability=True, random_state=0), p, "y2"
    yield "svc_plain", svm, "SVC", dict(gamma, C=2.0), p, "ys"
    yield "svc_break_ties", svm, "SVC", dict(gamma, break_ties=True), p, "y3"
    yield "svc_gamma_auto", svm, "SVC", {"gamma": "auto"}, p, "y3"
    yield "svc_sparse", svm, "SVC", dict(gamma, probability=True, random_state=0), "sparse", "y3"
    yield "nu_svc", svm, "NuSVC", dict(gamma, probability=True, random_state=0), p, "y3"
    yield "svr", svm, "SVR", dict(gamma), p, "yr"
    yield "nu_svr", svm, "NuSVR", dict(gamma, kernel="poly", degree=2, coef0=1.0), p, "yr"
    yield "one_class_svm", svm, "OneClassSVM", dict(gamma), p, None
    small = {"max_depth": 4, "random_state": 0}
    yield "decision_tree", tree, "DecisionTreeClassifier", small, p, "y3"
    yield "decision_tree_strings", tree, "DecisionTreeClassifier", small, p, "ys"
    yield "decision_tree_multi", tree, "DecisionTreeClassifier", small, p, "ycm"
    yield "decision_tree_nan", tree, "DecisionTreeClassifier", small, "nan", "y3"
    yield "decision_tree_regressor", tree, "DecisionTreeRegressor", small, p, "yr"
    yield "decision_tree_regressor_multi", tree, "DecisionTreeRegressor", small, p, "ym"
    yield "decision_tree_regressor_nan", tree, "DecisionTreeRegressor", small, "nan", "yr"
    yield "extra_tree", tree, "ExtraTreeClassifier", small, p, "y3"
    yield "extra_tree_regressor", tree, "ExtraTreeRegressor", small, p, "yr"
    few = dict(small, n_estimators=4)
    yield "random_forest", ens, "RandomForestClassifier", few, p, "y3"
    yield "random_forest_balanced", ens, "RandomForestClassifier", dict(few, class_weight="balanced"), p, "ys"
    yield "random_forest_multi", ens, "RandomForestClassifier", few, p, "ycm"
    yield "random_forest_nan", ens, "RandomForestClassifier", few, "nan", "y3"
    yield "random_forest_regressor", ens, "RandomForestRegressor", few, p, "yr"
    yield "random_forest_regressor_multi", ens, "RandomForestRegressor", few, p, "ym"
    yield "extra_trees", ens, "ExtraTreesClassifier", few, p, "y3"
    yield "extra_trees_nan", ens, "ExtraTreesClassifier", few, "nan", "y3"
    yield "extra_trees_regressor", ens, "ExtraTreesRegressor", few, p, "yr"
    boost = {"n_estimators": 4, "max_depth": 2, "random_state": 0}
    squared = "ls" if VERSION < (1, 0) else "squared_error"
    yield "gradient_boosting", ens, "GradientBoostingClassifier", boost, p, "y3"
    yield "gradient_boosting_binary", ens, "GradientBoostingClassifier", boost, p, "y2"
    yield "gradient_boosting_exponential", ens, "GradientBoostingClassifier", dict(boost, loss="exponential"), p, "y2"
    yield "gradient_boosting_zero", ens, "GradientBoostingClassifier", dict(boost, init="zero"), p, "ys"
    yield "gradient_boosting_regressor", ens, "GradientBoostingRegressor", dict(boost, loss=squared), p, "yr"
    yield "gradient_boosting_huber", ens, "GradientBoostingRegressor", dict(boost, loss="huber"), p, "yr"
    yield "gradient_boosting_quantile", ens, "GradientBoostingRegressor", dict(boost, loss="quantile"), p, "yr"
    yield "gradient_boosting_zero_regressor", ens, "GradientBoostingRegressor", dict(boost, init="zero"), p, "yr"
    yield "gradient_boosting_init", ens, "GradientBoostingRegressor", dict(boost, init="ridge"), p, "yr"
    yield "gradient_boosting_init_classifier", ens, "GradientBoostingClassifier", dict(boost, init="logistic"), p, "y3"
    hist = {"max_iter": 4, "max_leaf_nodes": 6, "random_state": 0, "min_samples_leaf": 5}
    yield "hist", ens, "HistGradientBoostingClassifier", hist, p, "y3"
    yield "hist_binary", ens, "HistGradientBoostingClassifier", hist, "nan", "y2"
    yield "hist_categorical", ens, "HistGradientBoostingClassifier", dict(hist, categorical_features=[1, 3]), "cat", "yc"
    yield "hist_regressor", ens, "HistGradientBoostingRegressor", hist, "nan", "yr"
    yield "hist_poisson", ens, "HistGradientBoostingRegressor", dict(hist, loss="poisson"), p, "yp"
    yield "hist_gamma", ens, "HistGradientBoostingRegressor", dict(hist, loss="gamma"), p, "yp"
    yield "dummy_prior", "dummy", "DummyClassifier", {"strategy": "prior"}, p, "y3"
    yield "dummy_most_frequent", "dummy", "DummyClassifier", {"strategy": "most_frequent"}, p, "ys"
    yield "dummy_mean", "dummy", "DummyRegressor", {}, p, "yr"
    yield "dummy_median_multi", "dummy", "DummyRegressor", {"strategy": "median"}, p, "ym"
    nb = "naive_bayes"
    yield "gaussian_nb", nb, "GaussianNB", {}, p, "y3"
    knn = "neighbors"
    yield "knn", knn, "KNeighborsClassifier", {}, p, "y3"
    yield "knn_distance", knn, "KNeighborsClassifier", {"weights": "distance", "p": 1}, p, "ys"
    yield "knn_brute", knn, "KNeighborsClassifier", {"algorithm": "brute", "n_neighbors": 3}, p, "y2"
    yield "knn_regressor", knn, "KNeighborsRegressor", {"weights": "distance"}, p, "yr"
    yield "knn_regressor_multi", knn, "KNeighborsRegressor", {"metric": "chebyshev"}, p, "ym"
    mlp = {"hidden_layer_sizes": (5, 4), "random_state": 0, "max_iter": 60}
    nn = "neural_network"
    yield "mlp", nn, "MLPClassifier", mlp, p, "y3"
    yield "mlp_binary", nn, "MLPClassifier", dict(mlp, activation="tanh"), p, "yo"
    yield "mlp_logistic", nn, "MLPClassifier", dict(mlp, activation="logistic"), p, "ys"
    yield "mlp_regressor", nn, "MLPRegressor", mlp, p, "yr"
    yield "mlp_regressor_multi", nn, "MLPRegressor", dict(mlp, activation="identity"), p, "ym"
    yield "kmeans", "cluster", "KMeans", {"n_clusters": 3, "random_state": 0, "n_init": 2}, p, None
    yield "mini_batch_kmeans", "cluster", "MiniBatchKMeans", {"n_clusters": 3, "random_state": 0, "n_init": 2}, p, None


def composed():
    """(name, estimator, data set, target); what this version lacks is left out."""
    from sklearn import linear_model, pipeline, preprocessing as pre, svm, decomposition
    lr = linear_model.LogisticRegression
    steps = [
        ("pipe_standard", lambda: [pre.StandardScaler(), lr()], "plain", "y3"),
        ("pipe_standard_no_mean", lambda: [pre.StandardScaler(with_mean=False), lr()], "plain", "y3"),
        ("pipe_minmax", lambda: [pre.MinMaxScaler((-1, 2)), svm.SVC(gamma="scale")], "plain", "y3"),
        ("pipe_minmax_clip", lambda: [pre.MinMaxScaler(clip=True), lr()], "plain", "y3"),
        ("pipe_maxabs", lambda: [pre.MaxAbsScaler(), lr()], "plain", "y3"),
        ("pipe_robust", lambda: [pre.RobustScaler(), lr()], "plain", "y3"),
        ("pipe_normalizer", lambda: [pre.Normalizer(), lr()], "plain", "y3"),
        ("pipe_normalizer_l1", lambda: [pre.Normalizer("l1"), lr()], "plain", "y3"),
        ("pipe_binarizer", lambda: [pre.Binarizer(threshold=0.2), lr()], "plain", "y3"),
        ("pipe_power", lambda: [pre.PowerTransformer(), lr()], "plain", "y3"),
        ("pipe_polynomial", lambda: [pre.PolynomialFeatures(2), linear_model.Ridge()], "plain", "yr"),
        ("pipe_polynomial_interaction", lambda: [pre.PolynomialFeatures(3, interaction_only=True, include_bias=False), linear_model.Ridge()], "plain", "yr"),
        ("pipe_pca", lambda: [decomposition.PCA(2), lr()], "plain", "y3"),
        ("pipe_pca_whiten", lambda: [decomposition.PCA(2, whiten=True), lr()], "plain", "y3"),
        ("pipe_none", lambda: [None if VERSION < (0, 21) else "passthrough", lr()], "plain", "y3"),
    ]

    def imputed(strategy):
        from sklearn.impute import SimpleImputer
        kw = {"fill_value": 9} if strategy == "constant" else {}
        return [SimpleImputer(strategy=strategy, **kw), lr()]

    for strategy in ("mean", "median", "most_frequent", "constant"):
        steps.append(("pipe_impute_" + strategy, lambda s=strategy: imputed(s), "nan", "y3"))

    def indicator():
        from sklearn.impute import SimpleImputer
        return [SimpleImputer(add_indicator=True), pre.StandardScaler(), lr()]

    steps.append(("pipe_impute_indicator", indicator, "nan", "y3"))
    for name, make, data, target in steps:
        try:
            parts = make()
        except (TypeError, ImportError, AttributeError):
            continue
        yield name, pipeline.Pipeline([("s%d" % i, s) for i, s in enumerate(parts)]), data, target

    def columns():
        from sklearn.compose import ColumnTransformer
        encoder = pre.OneHotEncoder(handle_unknown="ignore", **({"categories": "auto"}))
        return pipeline.Pipeline([
            ("columns", ColumnTransformer([("num", pre.StandardScaler(), [0, 2]), ("cat", encoder, [1, 3])])),
            ("model", lr())])

    def passthrough():
        from sklearn.compose import ColumnTransformer
        return pipeline.Pipeline([
            ("columns", ColumnTransformer([("cat", pre.OrdinalEncoder(), [3])], remainder="passthrough")),
            ("model", lr())])

    def voting(kind):
        from sklearn.ensemble import VotingClassifier, RandomForestClassifier
        return VotingClassifier([("a", lr()), ("b", RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0)),
                                 ("c", svm.SVC(gamma="scale", probability=True, random_state=0))], voting=kind)

    def voting_regressor():
        from sklearn.ensemble import VotingRegressor
        return VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso())])

    for name, make, data, target in (
            ("column_transformer", columns, "cat", "yc"), ("column_passthrough", passthrough, "cat", "yc"),
            ("voting_hard", lambda: voting("hard"), "plain", "ys"), ("voting_soft", lambda: voting("soft"), "plain", "ys"),
            ("voting_regressor", voting_regressor, "plain", "yr")):
        try:
            model = make()
        except (TypeError, ImportError, AttributeError):
            continue
        yield name, model, data, target


def writers():
    def pickled(protocol):
        def write(model, path):
            with open(path, "wb") as out:
                pickle.dump(model, out, protocol=protocol)
        return write, "pkl"

    def joblibbed(compress):
        return lambda model, path: joblib.dump(model, path, compress=compress), "joblib"

    kinds = [pickled(n) for n in range(pickle.HIGHEST_PROTOCOL + 1)]
    kinds += [joblibbed(0), joblibbed(3)]
    kinds += [joblibbed((name, 3)) for name in ("gzip", "bz2", "lzma", "xz")]
    try:
        joblib.dump(0, io.BytesIO(), compress=("lz4", 1))
        kinds.append(joblibbed(("lz4", 1)))
    except Exception:
        pass
    return kinds


def listed(array):
    """JSON has no NaN."""
    if isinstance(array, list):
        return [listed(a) for a in array]
    if isinstance(array, np.ndarray):
        return listed(array.tolist())
    return None if isinstance(array, float) and np.isnan(array) else array


def main(folder):
    folder = os.path.join(folder, sklearn.__version__)
    os.makedirs(folder, exist_ok=True)
    sets, targets = make_data()
    kinds = writers()
    records = []

    def add(name, model, data, target):
        x, xq = sets["plain" if data == "sparse" else data]
        y = None if target is None else targets[target]
        try:
            if data == "sparse":
                import scipy.sparse
                model.fit(scipy.sparse.csr_matrix(x), y)
            else:
                model.fit(x) if y is None else model.fit(x, y)
        except (TypeError, ValueError, IndexError) as error:
            print("left out:", name, str(error).splitlines()[0][:100])
            return
        record = {"name": name, "data": "plain" if data == "sparse" else data, "class": type(model).__name__}
        try:
            predicted = model.predict(xq)
        except ValueError as error:
            print("left out:", name, str(error).splitlines()[0][:100])
            return
        record["dtype"] = predicted.dtype.kind + str(predicted.dtype.itemsize)
        record["predict"] = listed(predicted)
        try:
            record["proba"] = listed(model.predict_proba(xq))
        except (AttributeError, NotImplementedError, RuntimeError, ValueError):
            record["proba"] = None
        index = len(records)
        write, ext = kinds[index % len(kinds)]
        path = os.path.join(folder, name + "." + ext)
        write(model, path)
        if os.path.getsize(path) > 2500 and index % 5 != 0:
            os.remove(path)
            path = os.path.join(folder, name + ".joblib")
            joblib.dump(model, path, compress=("xz", 6))
        record["file"] = os.path.basename(path)
        records.append(record)

    try:
        from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401
    except ImportError:
        pass
    for name, module, cls, params, data, target in cases():
        module = __import__("sklearn." + module, fromlist=[cls])
        if not hasattr(module, cls):
            continue
        params = dict(params)
        if params.get("init") in ("ridge", "logistic"):
            from sklearn.linear_model import LogisticRegression, Ridge
            params["init"] = Ridge() if params["init"] == "ridge" else LogisticRegression()
        try:
            model = getattr(module, cls)(**params)
        except TypeError:
            continue
        add(name, model, data, target)
    for name, model, data, target in composed():
        add(name, model, data, target)
    with open(os.path.join(folder, "expected.json"), "w") as out:
        json.dump({"version": sklearn.__version__, "python": sys.version.split()[0],
                   "data": {k: listed(v[1]) for k, v in sets.items()}, "models": records}, out,
                  separators=(",", ":"), sort_keys=True)
    print(sklearn.__version__, len(records), "models")


if __name__ == "__main__":
    main(sys.argv[1])
