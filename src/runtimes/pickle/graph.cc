#include "runtimes/pickle/graph.h"

namespace kinglet::runtimes::pickle {

Graph::Graph(std::string bytes) : held_(std::move(bytes)), bytes_(held_) {
  nodes_.resize(kFirstSmallInt + 256);
  nodes_[kMissingRef].kind = Kind::kMissing;
  nodes_[kNoneRef].kind = Kind::kNone;
  nodes_[kFalseRef].kind = Kind::kBool;
  nodes_[kTrueRef].kind = Kind::kBool;
  nodes_[kTrueRef].integer = 1;
  nodes_[kEmptyTupleRef].kind = Kind::kTuple;
  // One node for each of the integers that one byte of a pickle can say.
  for (int i = 0; i < 256; ++i) {
    nodes_[kFirstSmallInt + i].kind = Kind::kInt;
    nodes_[kFirstSmallInt + i].integer = i;
  }
  // Index 0 of each side table means "empty".
  texts_.emplace_back();
  lists_.emplace_back();
  tuples_.push_back({0, 0});
  globals_.emplace_back();
  objects_.push_back({kMissingRef, kMissingRef, kMissingRef});
  arrays_.push_back({kMissingRef, kMissingRef, false, {}, kMissingRef});
}

Kind Value::kind() const { return graph_ ? graph_->nodes_[ref_].kind : Kind::kMissing; }

bool Value::boolean() const { return integer() != 0; }

int64_t Value::integer() const {
  const Kind k = kind();
  return k == Kind::kInt || k == Kind::kBool ? graph_->nodes_[ref_].integer : 0;
}

double Value::number() const {
  return kind() == Kind::kFloat ? graph_->nodes_[ref_].number : static_cast<double>(integer());
}

std::string_view Value::text() const {
  const Kind k = kind();
  if (k != Kind::kStr && k != Kind::kBytes) return {};
  return graph_->texts_[graph_->nodes_[ref_].index];
}

size_t Value::size() const {
  switch (kind()) {
    case Kind::kList:
    case Kind::kSet:
      return graph_->lists_[graph_->nodes_[ref_].index].size();
    case Kind::kDict:
      return graph_->lists_[graph_->nodes_[ref_].index].size() / 2;
    case Kind::kTuple:
      return graph_->tuples_[graph_->nodes_[ref_].index].count;
    default:
      return 0;
  }
}

Value Value::operator[](size_t i) const {
  if (i >= size() || kind() == Kind::kDict) return {};
  const uint32_t index = graph_->nodes_[ref_].index;
  if (kind() == Kind::kTuple) {
    return {graph_, graph_->tuple_items_[graph_->tuples_[index].begin + i]};
  }
  return {graph_, graph_->lists_[index][i]};
}

Value Value::key(size_t i) const {
  if (kind() != Kind::kDict || i >= size()) return {};
  return {graph_, graph_->lists_[graph_->nodes_[ref_].index][2 * i]};
}

Value Value::value(size_t i) const {
  if (kind() != Kind::kDict || i >= size()) return {};
  return {graph_, graph_->lists_[graph_->nodes_[ref_].index][2 * i + 1]};
}

Value Value::Get(std::string_view name) const {
  uint32_t index = 0;
  if (kind() == Kind::kDict) {
    index = graph_->nodes_[ref_].index;
  } else if (kind() == Kind::kObject) {
    index = graph_->objects_[graph_->nodes_[ref_].index].pairs;
  } else {
    return {};
  }
  const std::vector<Ref>& entries = graph_->lists_[index];
  if (entries.size() / 2 > kMaxMembers) return {};
  // From the back: a key that is set twice has its last value.
  for (size_t i = entries.size(); i >= 2; i -= 2) {
    const Value key(graph_, entries[i - 2]);
    if (key.kind() == Kind::kStr && key.text() == name) return {graph_, entries[i - 1]};
  }
  return {};
}

std::string_view Value::module() const {
  if (kind() == Kind::kObject) {
    return Value(graph_, graph_->objects_[graph_->nodes_[ref_].index].type).module();
  }
  return kind() == Kind::kGlobal ? graph_->globals_[graph_->nodes_[ref_].index].module
                                 : std::string_view();
}

std::string_view Value::name() const {
  if (kind() == Kind::kObject) {
    return Value(graph_, graph_->objects_[graph_->nodes_[ref_].index].type).name();
  }
  return kind() == Kind::kGlobal ? graph_->globals_[graph_->nodes_[ref_].index].name
                                 : std::string_view();
}

Value Value::args() const {
  if (kind() != Kind::kObject) return {};
  return {graph_, graph_->objects_[graph_->nodes_[ref_].index].args};
}

Value Value::state() const {
  if (kind() != Kind::kObject) return {};
  return {graph_, graph_->objects_[graph_->nodes_[ref_].index].state};
}

Value Value::Attr(std::string_view name) const {
  const Value whole = state();
  if (whole.kind() == Kind::kTuple && whole.size() == 2) {
    const Value found = whole[0].Get(name);
    return found.missing() ? whole[1].Get(name) : found;
  }
  return whole.kind() == Kind::kDict ? whole.Get(name) : Value();
}

}  // namespace kinglet::runtimes::pickle
