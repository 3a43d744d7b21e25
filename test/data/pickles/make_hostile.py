"""Writes pickles that must be refused: each would run code, exhaust memory or lead a careless reader
out of bounds. Nothing here is ever unpickled by Python.

Usage: python make_hostile.py [OUTPUT_FOLDER]   (default: the folder hostile/ beside this script)
"""
import os
import pickle
import struct
import sys
import zlib

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "hostile")
FILES = {}


def add(name, data):
    FILES[name + ".pkl"] = data


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def glob(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def call(module, name, argument="true"):
    return b"\x80\x02" + glob(module, name) + text(argument) + b"\x85R."


# --- Code that must not run -----------------------------------------------------------------------
for module, name in (
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("builtins", "eval"), ("builtins", "exec"),
        ("__builtin__", "eval"), ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "open"),
        ("builtins", "compile"), ("subprocess", "Popen"), ("subprocess", "check_output"), ("pty", "spawn"),
        ("runpy", "run_path"), ("importlib", "import_module"), ("operator", "attrgetter"), ("webbrowser", "open"),
        ("numpy.testing._private.utils", "runstring"), ("numpy", "load"), ("numpy.f2py.crackfortran", "myeval"),
        ("torch.storage", "_load_from_bytes"), ("pickle", "loads"), ("joblib", "load"), ("_pickle", "loads"),
        ("sklearn.utils", "os.system"), ("sklearn", "os.system"), ("sklearn.externals", "__builtins__"),
        ("joblib.numpy_pickle", "NDArrayWrapper"), ("os\r", "system"), ("", ""), ("sklearn.svm", "SVC.__class__"),
        ("scipy.sparse.linalg", "__loader__"), ("copyreg", "add_extension"), ("shutil", "rmtree")):
    add("call_%s_%s" % ("".join(c if c.isalnum() else "_" for c in module), "".join(c if c.isalnum() else "_" for c in name)),
        call(module, name))
add("stack_global", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
add("stack_global_memo", b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94h\x00\x93\x8c\x04true\x85R.")
add("stack_global_numbers", b"\x80\x04K\x01K\x02\x93.")
add("inst", b"(S'true'\nios\nsystem\n.")
add("obj", b"(cos\nsystem\nS'true'\no.")
add("newobj", b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85\x81.")
add("newobj_ex", b"\x80\x04cos\nsystem\n)}\x92.")
add("nested_in_model", b"\x80\x02csklearn.svm._classes\nSVC\n)\x81}X\x06\x00\x00\x00kernelcos\nsystem\nX\x04\x00\x00\x00true\x85Rsb.")
add("hidden_after_pop", b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R0csklearn.svm._classes\nSVC\n)\x81.")
add("reconstructor_of_os", b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.")
add("reduce_a_string", b"\x80\x02X\x02\x00\x00\x00os)R.")
add("reduce_a_called_object", b"\x80\x02csklearn.svm._classes\nSVC\n)R)R.")
add("extension", b"\x80\x02\x82\x01.")
add("persistent_id", b"Pfile:///etc/passwd\n.")
add("binary_persistent_id", b"X\x01\x00\x00\x00aQ.")
add("out_of_band_buffer", b"\x80\x05\x97.")
add("readonly_buffer", b"\x80\x05C\x01a\x98.")

# --- Bombs ----------------------------------------------------------------------------------------
add("memo_doubling", b"\x80\x02(K\x01K\x02tq\x00" + b"".join(b"(" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"tq" + bytes([i + 1]) for i in range(200)) + b".")
add("list_in_itself", b"\x80\x02]q\x00h\x00a.")
add("dup_flood", b"\x80\x02N" + b"2" * 50000 + b".")
add("deep_lists", b"\x80\x02" + b"]" * 60000 + b"a" * 59999 + b".")
add("deep_lists_compressed", zlib.compress(b"\x80\x02" + b"]" * 1000000 + b"a" * 999999 + b".", 9))
add("deep_tuples", b"\x80\x02N" + b"\x85" * 60000 + b".")
add("deep_marks", b"(" * 60000 + b".")
add("huge_unicode", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"a.")
add("huge_bytes", b"\x80\x04\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"a.")
add("huge_bytearray", b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"a.")
add("huge_long", b"\x80\x02\x8b" + struct.pack("<I", 0xFFFFFFFF) + b"a.")
add("huge_binstring", b"T" + struct.pack("<I", 0x7FFFFFFF) + b"a.")
add("huge_frame", b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.")
add("far_memo", b"\x80\x02Nr" + struct.pack("<I", 0xFFFFFFF0) + b".")
add("far_text_memo", b"Np99999999999999999999\n.")
add("zlib_bomb", zlib.compress(b"\x80\x02B" + struct.pack("<I", 60 << 20) + b"\0" * (60 << 20) + b".", 9))
add("zlib_truncated", zlib.compress(b"\x80\x02]" + bytes(range(256)) * 20, 9)[:60])
add("old_joblib", b"ZF0x10              " + zlib.compress(b"N."))

# --- Broken structure -----------------------------------------------------------------------------
add("empty", b"")
add("no_stop", b"\x80\x02N")
add("only_stop", b".")
add("bad_opcode", b"\x80\x02\xff.")
add("protocol_9", b"\x80\x09N.")
add("bad_memo", b"\x80\x02h\x05.")
add("negative_memo", b"Np-1\n.")
add("pop_empty", b"0.")
add("append_to_number", b"\x80\x02K\x01K\x02a.")
add("setitem_on_list", b"\x80\x02]K\x01K\x02s.")
add("odd_dict", b"\x80\x02}(K\x01u.")
add("build_a_number", b"\x80\x02K\x01}b.")
add("build_twice", b"\x80\x02csklearn.svm._classes\nSVC\n)\x81}b}b.")
add("mark_crossing", b"\x80\x02K\x01(\x86.")
add("tuple3_of_one", b"\x80\x02K\x01\x87.")
add("not_utf8", b"\x80\x02X\x02\x00\x00\x00\xff\xfe.")
add("bad_escape", b"S'\\q'\n.")
add("unquoted", b"Sabc\n.")
add("bad_int", b"Iabc\n.")
add("bad_float", b"Fabc\n.")
add("encode_utf7", b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-7\x86R.")
add("not_a_model", b"\x80\x02]K\x01a.")
add("unfitted_model", b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81}b.")

# --- Arrays and trees that lie --------------------------------------------------------------------


def dtype(code, state=None):
    body = glob("numpy", "dtype") + text(code) + b"\x89\x88\x87R"
    return body + (state if state is not None else b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")


def integer(n):
    return b"J" + struct.pack("<i", n) if -(1 << 31) <= n < 1 << 31 else b"\x8a\x08" + struct.pack("<q", n)


def array(shape, code, data, state=None):
    return (glob("numpy.core.multiarray", "_reconstruct") + glob("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
            + b"(K\x01(" + b"".join(integer(n) for n in shape) + b"t" + dtype(code, state) + b"\x89"
            + b"B" + struct.pack("<I", len(data)) + data + b"tb")


def model(cls, **attributes):
    module, name = cls.rsplit(".", 1)
    body = b"\x80\x03" + glob(module, name) + b")\x81}("
    for key, value in attributes.items():
        body += text(key) + value
    return body + b"ub."


def ridge(coef):
    return model("sklearn.linear_model._ridge.Ridge", coef_=coef, intercept_=b"K\x00")


D = struct.pack("<4d", 1, 2, 3, 4)
add("array_short", ridge(array([5], "f8", D)))
add("array_long", ridge(array([3], "f8", D)))
add("array_negative", ridge(array([-4], "f8", D)))
add("array_two_negatives", ridge(array([-2, -2], "f8", D)))
add("array_overflow", ridge(array([1 << 62, 4], "f8", D)))
add("array_overflow_bytes", ridge(array([1 << 61], "f8", D)))
add("array_33_dims", ridge(array([1] * 33, "f8", D[:8])))
add("array_bad_dtype", ridge(array([4], "f16", D)))
add("array_dtype_number", ridge(array([4], "i999999999999", D)))
add("array_text_for_numbers", ridge(array([4], "S8", D)))
add("array_no_bytes", ridge(array([1 << 40], "V0", b"")))
add("joblib_short", model("sklearn.linear_model._ridge.Ridge", coef_=glob("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}("
    + text("shape") + integer(1 << 50) + b"\x85" + text("order") + text("C") + text("dtype") + dtype("f8") + b"ub" + D))
add("joblib_object_pickle", model("sklearn.linear_model._ridge.Ridge", coef_=glob("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}("
    + text("shape") + b"K\x01\x85" + text("order") + text("C") + text("dtype") + dtype("O8", b"") + b"ub" + b"cos\nsystem\nX\x04\x00\x00\x00true\x85R."))
add("dtype_in_itself", b"\x80\x03" + glob("numpy", "dtype") + text("V8") + b"\x89\x88\x87Rq\x00(K\x03" + text("|") + b"N" + text("a") + b"\x85}" + text("a") + b"h\x00K\x00\x86sK\x08K\x01K\x10tb.")

FIELDS = ["left_child", "right_child", "feature", "threshold", "impurity", "n_node_samples", "weighted_n_node_samples"]
CODES = ["i8", "i8", "i8", "f8", "f8", "i8", "f8"]


def node_state(offsets=None):
    offsets = offsets or [8 * i for i in range(7)]
    body = b"(K\x03" + text("|") + b"N(" + b"".join(text(f) for f in FIELDS) + b"t}("
    for field, code, offset in zip(FIELDS, CODES, offsets):
        body += text(field) + dtype(code) + integer(offset) + b"\x86"
    return body + b"uK8K\x01K\x10tb"


def tree(nodes, values=None, offsets=None, shape=None):
    data = b"".join(struct.pack("<qqqddqd", l, r, f, t, 0, 1, 1) for l, r, f, t in nodes)
    values = struct.pack("<%dd" % len(nodes), *range(len(nodes))) if values is None else values
    inner = (glob("sklearn.tree._tree", "Tree") + b"K\x02" + array([1], "i8", struct.pack("<q", 1)) + b"K\x01\x87R}("
             + text("max_depth") + b"K\x03" + text("node_count") + integer(len(nodes)) + text("nodes")
             + array([len(nodes)], "V56", data, node_state(offsets)) + text("values")
             + array(shape or [len(nodes), 1, 1], "f8", values) + b"ub")
    return model("sklearn.tree._classes.DecisionTreeRegressor", tree_=inner, n_outputs_=b"K\x01")


LEAF = (-1, -1, -2, -2.0)
add("tree_cycle", tree([(1, 2, 0, 0.5), (0, 2, 0, 0.5), LEAF]))
add("tree_self", tree([(0, 0, 0, 0.5)]))
add("tree_two_parents", tree([(1, 1, 0, 0.5), LEAF]))
add("tree_child_out_of_range", tree([(1, 1000000, 0, 0.5), LEAF]))
add("tree_child_negative", tree([(1, -7, 0, 0.5), LEAF]))
add("tree_child_huge", tree([(1, 1 << 33, 0, 0.5), LEAF, LEAF]))
add("tree_feature_out_of_range", tree([(1, 2, 7, 0.5), LEAF, LEAF]))
add("tree_feature_negative", tree([(1, 2, -3, 0.5), LEAF, LEAF]))
add("tree_nan_threshold", tree([(1, 2, 0, float("nan")), LEAF, LEAF]))
add("tree_few_values", tree([(1, 2, 0, 0.5), LEAF, LEAF], values=struct.pack("<d", 1), shape=[1, 1, 1]))
add("tree_field_outside", tree([LEAF], offsets=[0, 8, 16, 24, 32, 40, 1 << 20]))
add("tree_negative_offset", tree([LEAF], offsets=[0, 8, 16, 24, 32, 40, -8]))
add("tree_no_nodes", tree([], values=b""))
good = tree([(1, 2, 0, 0.5), LEAF, LEAF])
FILES["../good_tree.pkl"] = good

# Attributes for no columns, of an estimator that says it has two.
two = {"n_features_in_": integer(2)}
add("means_of_no_columns", model("sklearn.naive_bayes.GaussianNB", theta_=array([2, 0], "f8", b""), var_=array([2, 0], "f8", b""),
    class_prior_=array([2], "f8", D[:16]), classes_=array([2], "i8", D[:16]), **two))
last = glob("sklearn.dummy", "DummyRegressor") + b")\x81}" + text("constant_") + array([1, 1], "f8", D[:8]) + b"sb"
for name, step in (
        ("powers", model("sklearn.preprocessing._data.PowerTransformer", lambdas_=array([0], "f8", b""), standardize=b"\x89", **two)),
        ("categories", model("sklearn.preprocessing._encoders.OneHotEncoder", categories_=b"]", **two)),
        ("ordinals", model("sklearn.preprocessing._encoders.OrdinalEncoder", categories_=b"]", **two))):
    add(name + "_of_no_columns", model("sklearn.pipeline.Pipeline", steps=b"](" + text("a") + step[2:-1] + b"\x86" + text("b") + last + b"\x86e"))

# A forest that names one tree very often.
member = good[2:-1]
add("forest_of_one_tree", b"\x80\x03" + glob("sklearn.ensemble._forest", "RandomForestRegressor") + b")\x81}(" + text("estimators_")
    + b"](" + member + b"q\x01" + b"h\x01" * 60000 + b"eub.")
pipe = b"\x80\x03" + member + b"q\x00"
for level in range(11):
    pipe += (glob("sklearn.pipeline", "Pipeline") + b")\x81}" + text("steps") + b"](" + (text("a") + b"h" + bytes([level]) + b"\x86") * 40
             + b"esbq" + bytes([level + 1]))
add("pipelines_of_pipelines", pipe + b".")


def main():
    os.makedirs(OUT, exist_ok=True)
    for old in os.listdir(OUT):
        os.remove(os.path.join(OUT, old))
    for name, data in FILES.items():
        with open(os.path.join(OUT, name), "wb") as out:
            out.write(data)
    print(len(FILES), "files,", sum(len(d) for d in FILES.values()), "bytes")


main()
