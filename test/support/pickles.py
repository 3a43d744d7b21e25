"""Writes pickles of scikit-learn models opcode by opcode, for tests: also such as no pickler would write.

Every function returns the opcodes that push one value. Protocol 3. `Pickle` numbers the memo, so that a value can be
written once and referred to any number of times.
"""

import struct

NONE, TRUE, FALSE, EMPTY_TUPLE = b"N", b"\x88", b"\x89", b")"
PROTO, STOP = b"\x80\x03", b"."


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def raw(value):
    return b"B" + struct.pack("<I", len(value)) + value


def number(value):
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    return b"J" + struct.pack("<i", value)


def items(*values):
    return b"(" + b"".join(values) + b"t"


def sequence(values):
    return b"](" + b"".join(values) + b"e"


def mapping(members):
    return b"}(" + b"".join(text(key) + value for key, value in members.items()) + b"u"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def instance(module, attribute, members):
    """An object of a class, with its attributes."""
    return name(module, attribute) + b")\x81" + mapping(members) + b"b"


def dtype(code, fields=None, size=None):
    """`fields`: {name: (opcodes of a dtype, offset)}."""
    made = name("numpy", "dtype") + text(code) + FALSE + TRUE + b"\x87R"
    if fields is None:
        return made + items(number(3), text("<"), NONE, NONE, NONE, number(-1), number(-1), number(0)) + b"b"
    names = items(*(text(field) for field in fields))
    described = b"}(" + b"".join(text(field) + kind + number(offset) + b"\x86"
                                 for field, (kind, offset) in fields.items()) + b"u"
    return made + items(number(3), text("|"), NONE, names, described, number(size), number(1), number(16)) + b"b"


def array(kind, shape, data):
    """`data`: bytes, or opcodes of a list for arrays of objects."""
    made = (name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray") + items(number(0)) + raw(b"b")
            + b"\x87R")
    content = raw(data) if isinstance(data, bytes) else data.opcodes
    return made + items(number(1), items(*map(number, shape)), kind, FALSE, content) + b"b"


class Objects:
    """The data of an array of objects."""

    def __init__(self, opcodes):
        self.opcodes = opcodes


def doubles(values, shape=None):
    return array(dtype("f8"), shape or (len(values),), struct.pack(f"<{len(values)}d", *values))


class Memo:
    """Numbers shared values: memo.share(opcodes) pushes and remembers, and returns how to push it again."""

    def __init__(self):
        self.used = 0

    def share(self, opcodes):
        self.used += 1
        index = struct.pack("<I", self.used - 1)
        return opcodes + b"r" + index, b"j" + index


def model(opcodes):
    return PROTO + opcodes + STOP


def dummy_regressor(**members):
    return instance("sklearn.dummy", "DummyRegressor",
                    {"_sklearn_version": text("1.3.0"), "constant_": doubles([1.0], (1, 1)), "n_outputs_": number(1),
                     **members})


def pipeline(*steps):
    return instance("sklearn.pipeline", "Pipeline",
                    {"_sklearn_version": text("1.3.0"),
                     "steps": sequence(items(text(f"step{i}"), step) for i, step in enumerate(steps))})
