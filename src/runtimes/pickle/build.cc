// Opcodes that make something of what lies on the stack: containers, objects, arrays.
#include "runtimes/pickle/allowlist.h"
#include "runtimes/pickle/machine.h"
#include "runtimes/pickle/ndarray.h"
#include "runtimes/pickle/opcodes.h"
#include "runtimes/pickle/text.h"

namespace kinglet::runtimes::pickle {
namespace {

constexpr size_t kEncodedBytes = 48;  // an entry of encoded_

}  // namespace

Status Unpickler::FillContainer(unsigned char op) {
  switch (op) {
    case kOpEmptyTuple:
      return Push(Graph::kEmptyTupleRef);
    case kOpEmptyList:
      return PushList(Kind::kList, stack_.size());
    case kOpEmptyDict:
      return PushList(Kind::kDict, stack_.size());
    case kOpEmptySet:
      return PushList(Kind::kSet, stack_.size());
    case kOpTuple1:
    case kOpTuple2:
    case kOpTuple3: {
      const size_t count = op - kOpTuple1 + 1;
      if (stack_.size() - Floor() < count) return Bad("its stack is empty");
      return PushTuple(stack_.size() - count);
    }
    case kOpTuple:
    case kOpList:
    case kOpDict:
    case kOpFrozenSet: {
      KINGLET_TRY(const size_t begin, PopMark());
      if (op == kOpTuple) return PushTuple(begin);
      const Kind kind = op == kOpList ? Kind::kList : op == kOpDict ? Kind::kDict : Kind::kSet;
      return PushList(kind, begin);
    }
    default:
      break;
  }
  const bool one = op == kOpAppend || op == kOpSetItem;
  const bool pairs = op == kOpSetItem || op == kOpSetItems;
  size_t begin = 0;
  if (one) {
    const size_t count = pairs ? 2 : 1;
    if (stack_.size() - Floor() < count + 1) return Bad("its stack is empty");
    begin = stack_.size() - count;
  } else {
    KINGLET_TRY(begin, PopMark());
    if (begin <= Floor()) return Bad("its stack is empty");
  }
  if (pairs && (stack_.size() - begin) % 2 != 0) return Bad("a dict has a key without a value");
  const Ref target = stack_[begin - 1];
  KINGLET_TRY(std::vector<Ref> * items, Container(target, pairs));
  return MoveItems(begin, *items);
}

Status Unpickler::PushGlobal(std::string_view module, std::string_view name) {
  KINGLET_RETURN_IF_ERROR(CheckGlobal(module, name));
  KINGLET_TRY(const Ref ref, New(Kind::kGlobal, graph_.globals_.size()));
  KINGLET_RETURN_IF_ERROR(Append(graph_.globals_, GlobalRecord{module, name}));
  return Push(ref);
}

Status Unpickler::Make(unsigned char op) {
  switch (op) {
    case kOpGlobal:
    case kOpInst: {
      KINGLET_TRY(const std::string_view module, TakeLine());
      KINGLET_TRY(const std::string_view name, TakeLine());
      if (op == kOpGlobal) return PushGlobal(module, name);
      KINGLET_TRY(const size_t begin, PopMark());
      KINGLET_RETURN_IF_ERROR(PushTuple(begin));
      KINGLET_TRY(const Ref args, Pop());
      KINGLET_RETURN_IF_ERROR(PushGlobal(module, name));
      KINGLET_TRY(const Ref type, Pop());
      return Reduce(type, args);
    }
    case kOpStackGlobal: {
      KINGLET_TRY(const Ref name, Pop());
      KINGLET_TRY(const Ref module, Pop());
      if (At(name).kind() != Kind::kStr || At(module).kind() != Kind::kStr) {
        return Bad("a class is not named by strings");
      }
      return PushGlobal(At(module).text(), At(name).text());
    }
    case kOpObj: {
      KINGLET_TRY(const size_t begin, PopMark());
      if (stack_.size() <= begin) return Bad("its stack is empty");
      const Ref type = stack_[begin];
      KINGLET_RETURN_IF_ERROR(PushTuple(begin + 1));
      KINGLET_TRY(const Ref args, Pop());
      KINGLET_RETURN_IF_ERROR(Pop());
      return Reduce(type, args);
    }
    case kOpNewObjEx: {
      // Keyword arguments: no class that models are made of needs them to be read.
      KINGLET_RETURN_IF_ERROR(Pop());
      [[fallthrough]];
    }
    default: {  // REDUCE, NEWOBJ
      KINGLET_TRY(const Ref args, Pop());
      KINGLET_TRY(const Ref callable, Pop());
      return Reduce(callable, args);
    }
  }
}

// Notes what would be called, and gives the few pure helpers of pickling their meaning.
Status Unpickler::Reduce(Ref callable, Ref args) {
  const Value function = At(callable);
  const Value arguments = At(args);
  if (function.kind() != Kind::kGlobal) return Bad("it calls what is no class");
  if (arguments.kind() != Kind::kTuple) return Bad("a call's arguments are no tuple");
  const std::string_view module = function.module();
  const std::string_view name = function.name();
  if (name == "encode" && module == "_codecs") return Encode(args);
  if (name == "_reconstructor" || name == "__newobj__" || name == "__newobj_ex__") {
    const Value type = arguments[0];
    if (type.kind() != Kind::kGlobal) return Bad("it makes an object of what is no class");
    return PushObject(type.ref(), Graph::kEmptyTupleRef);
  }
  if (module == "builtins" || module == "__builtin__") {
    if (arguments.size() == 0 && name == "bytes") return PushText(Kind::kBytes, {});
    if (arguments.size() == 0 && name == "set") return PushList(Kind::kSet, stack_.size());
    // A dict subclass's or set's items stay an object with args; readers take it as it is.
  }
  return PushObject(callable, args);
}

// _codecs.encode(text, "latin1") is how protocols 0 to 2 write Python 3's bytes.
Status Unpickler::Encode(Ref args) {
  const Value text = At(args)[0];
  if (text.kind() != Kind::kStr) return Bad("it encodes what is no string");
  if (const auto found = encoded_.find(text.ref()); found != encoded_.end()) {
    return Push(found->second);
  }
  const std::string_view codec = At(args)[1].text();
  if (codec != "latin1" && codec != "latin-1") return Bad("bytes are written in another codec");
  auto bytes = Utf8ToLatin1(text.text());
  if (!bytes) return Bad("bytes hold characters over U+00FF");
  KINGLET_RETURN_IF_ERROR(PushOwnedText(Kind::kBytes, std::move(*bytes)));
  KINGLET_RETURN_IF_ERROR(budget_.Allocate(kEncodedBytes));
  encoded_[text.ref()] = stack_.back();
  return {};
}

Status Unpickler::Build() {
  KINGLET_TRY(const Ref state, Pop());
  KINGLET_TRY(const Ref target, Top());
  const Node& node = graph_.nodes_[target];
  if (node.kind != Kind::kObject) return Bad("it sets the state of what is no object");
  ObjectRecord& object = graph_.objects_[node.index];
  if (object.state != Graph::kNoneRef) return Bad("it sets an object's state twice");
  if (At(state).kind() == Kind::kDict && At(state).size() > Value::kMaxMembers) {
    return Bad("an object has {} attributes (the limit is {})", At(state).size(),
               Value::kMaxMembers);
  }
  object.state = state;
  if (!nested_ && At(target).name() == "NumpyArrayWrapper") {
    stack_.pop_back();
    return RawArray(At(target));
  }
  return {};
}

// joblib: the array's bytes follow the wrapper; object arrays follow as a pickle of their own.
Status Unpickler::RawArray(Value wrapper) {
  const Value order = wrapper.Attr("order");
  KINGLET_TRY(const std::vector<int64_t> shape, ReadShape(wrapper.Attr("shape")));
  KINGLET_TRY(const DType dtype, ReadDType(wrapper.Attr("dtype"), budget_));
  ArrayRecord record{wrapper.Attr("dtype").ref(),
                     wrapper.Attr("shape").ref(),
                     order.text() == "F",
                     {},
                     Graph::kNoneRef};
  if (dtype.kind == 'O') {
    Unpickler inner(graph_, budget_);
    KINGLET_TRY(record.objects, inner.Run(&position_, /*nested=*/true));
  } else {
    KINGLET_TRY(const size_t count, CheckedCount(shape, dtype.size));
    const Value alignment = wrapper.Attr("numpy_array_alignment_bytes");
    if (!alignment.missing() && !alignment.none()) {
      KINGLET_TRY(const uint64_t padding, TakeUint(1));
      KINGLET_RETURN_IF_ERROR(Take(padding));
    }
    KINGLET_TRY(record.bytes, Take(count * dtype.size));
  }
  KINGLET_TRY(const Ref ref, New(Kind::kArray, graph_.arrays_.size()));
  KINGLET_RETURN_IF_ERROR(Append(graph_.arrays_, record));
  return Push(ref);
}

}  // namespace kinglet::runtimes::pickle
