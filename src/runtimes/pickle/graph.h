// What a pickle says, as data: an arena of nodes that refer to each other by index. Nothing of the
// pickle is ever called or imported. Cycles are possible, so nobody may walk a graph without a
// bound; destruction never recurses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet::runtimes::pickle {

enum class Kind : uint8_t {
  kMissing,  // what Value gives for an attribute or key that is not there
  kNone,
  kBool,
  kInt,
  kBigInt,  // does not fit 64 bits
  kFloat,
  kStr,
  kBytes,
  kList,
  kTuple,
  kDict,
  kSet,
  kGlobal,  // a class or function, by name only
  kObject,  // class, constructor arguments, state
  kArray,   // a numpy array whose bytes joblib put into the stream
};

using Ref = uint32_t;

struct Node {
  Kind kind = Kind::kNone;
  uint32_t index = 0;  // in the side table of the kind; 0: empty
  union {
    int64_t integer = 0;
    double number;
  };
};

struct ObjectRecord {
  Ref type;            // kGlobal
  Ref args;            // what the class was called with; kNone where there were none
  Ref state;           // what BUILD gave
  uint32_t items = 0;  // appended items, in `lists`
  uint32_t pairs = 0;  // set items, in `lists`: key, value, key, value
};

struct GlobalRecord {
  std::string_view module;
  std::string_view name;
};

struct ArrayRecord {
  Ref dtype;
  Ref shape;
  bool fortran;
  std::string_view bytes;
  Ref objects;  // for object arrays: a list or an ndarray; else kNone
};

class Graph;

// A reference to one node; cheap to copy; valid while its Graph lives. Every accessor is total: a
// wrong kind gives kMissing, zero or an empty view, so a chain of accessors needs one check at its
// end.
class Value {
 public:
  Value() = default;
  Value(const Graph* graph, Ref ref) : graph_(graph), ref_(ref) {}

  Kind kind() const;
  Ref ref() const { return ref_; }
  const Graph* graph() const { return graph_; }
  bool missing() const { return kind() == Kind::kMissing; }
  bool none() const { return kind() == Kind::kNone; }

  bool boolean() const;
  int64_t integer() const;        // kInt and kBool
  double number() const;          // kFloat, kInt and kBool
  std::string_view text() const;  // kStr and kBytes

  // Items of a list, tuple or set; entries of a dict.
  size_t size() const;
  // Looks at every entry, so a dict of more than kMaxMembers entries has none by name: objects
  // have a few dozen attributes, and a huge dict shared by many objects would be searched for each.
  static constexpr size_t kMaxMembers = 1024;
  Value operator[](size_t i) const;        // list, tuple, set
  Value key(size_t i) const;               // dict
  Value value(size_t i) const;             // dict
  Value Get(std::string_view name) const;  // dict, or an object that was filled like one

  // kObject: its class, and what it was made from. kGlobal: itself.
  std::string_view module() const;
  std::string_view name() const;
  Value args() const;
  Value state() const;
  // An attribute from the object's state: a dict, or a (dict, slots) pair.
  Value Attr(std::string_view name) const;

 private:
  const Graph* graph_ = nullptr;
  Ref ref_ = 0;
};

// Owns the nodes and the bytes that they point into. Immutable once read.
class Graph {
 public:
  explicit Graph(std::string bytes);
  Graph(const Graph&) = delete;  // Values and texts point into it
  Graph& operator=(const Graph&) = delete;

  Value root() const { return {this, root_}; }
  const ArrayRecord& array(Value value) const { return arrays_[nodes_[value.ref()].index]; }

 private:
  friend class Value;
  friend class Unpickler;

  static constexpr Ref kMissingRef = 0, kNoneRef = 1, kFalseRef = 2, kTrueRef = 3,
                       kEmptyTupleRef = 4, kFirstSmallInt = 5;

  std::string held_;
  std::string_view bytes_;  // all of held_
  Ref root_ = kMissingRef;
  std::vector<Node> nodes_;
  std::vector<std::string_view> texts_;
  std::vector<std::vector<Ref>> lists_;  // lists, sets, dicts (key, value, ...)
  struct Range {
    size_t begin;
    size_t count;
  };
  std::vector<Range> tuples_;
  std::vector<Ref> tuple_items_;
  std::vector<GlobalRecord> globals_;
  std::vector<ObjectRecord> objects_;
  std::vector<ArrayRecord> arrays_;
  std::deque<std::string> owned_;  // decoded texts that are not in bytes_ as they are
};

}  // namespace kinglet::runtimes::pickle
