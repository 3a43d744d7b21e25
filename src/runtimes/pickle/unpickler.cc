#include "runtimes/pickle/unpickler.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "runtimes/pickle/allowlist.h"
#include "runtimes/pickle/ndarray.h"
#include "runtimes/pickle/opcodes.h"
#include "runtimes/pickle/text.h"

namespace kinglet::runtimes::pickle {

// One machine reads one file; a pickle inside it (joblib's object arrays) gets its own stack and
// memo on the same graph and position.
class Unpickler {
 public:
  Unpickler(Graph& graph, const UnpickleLimits& limits) : graph_(graph), limits_(limits) {}

  Status ReadAll() {
    size_t position = 0;
    KINGLET_TRY(graph_.root_, Run(&position, /*nested=*/false));
    return {};
  }

 private:
  // Runs from *position to STOP and moves *position behind it.
  Result<Ref> Run(size_t* position, bool nested);

  template <class... Args>
  Unexpected Bad(fmt::format_string<Args...> format, Args&&... args) const {
    return Fail(Code::kInvalidArgument, "the pickle is malformed at byte {}: {}", at_,
                fmt::format(format, std::forward<Args>(args)...));
  }

  // The stream.
  Result<std::string_view> Take(uint64_t count);
  Result<std::string_view> TakeLine();
  Result<uint64_t> TakeUint(size_t bytes);  // little-endian
  Result<std::string_view> TakeCounted(size_t length_bytes);

  // The stack.
  Status Push(Ref ref);
  Result<Ref> Pop();
  Result<Ref> Top() const;
  Result<size_t> PopMark();  // where the marked items begin; they stay on the stack
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }

  // The arena.
  Result<Ref> New(Kind kind, size_t index);
  Status PushInt(int64_t value);
  Status PushFloat(double value);
  Status PushText(Kind kind, std::string_view text);
  Status PushOwnedText(Kind kind, std::string text);
  Status PushTuple(size_t begin);
  Status PushList(Kind kind, size_t begin);
  Status PushObject(Ref type, Ref args);
  std::vector<Ref>* Items(Ref ref);  // what APPENDS fills; null where it cannot
  std::vector<Ref>* Pairs(Ref ref);

  Status Step(unsigned char op);
  Status Integer(unsigned char op);
  Status Long(std::string_view bytes);
  Status Text(unsigned char op);
  Status Memo(unsigned char op);
  Status Container(unsigned char op);
  Status Make(unsigned char op);
  Status PushGlobal(std::string_view module, std::string_view name);
  Status Reduce(Ref callable, Ref args);
  Status Encode(Ref args);
  Status Build();
  Status RawArray(Value wrapper);

  Value At(Ref ref) const { return {&graph_, ref}; }

  Graph& graph_;
  const UnpickleLimits& limits_;
  size_t position_ = 0;
  size_t at_ = 0;  // where the current opcode is, for messages
  bool nested_ = false;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::vector<Ref> memo_;
  std::unordered_map<Ref, Ref> encoded_;  // _codecs.encode's results, one a text
};

Result<std::string_view> Unpickler::Take(uint64_t count) {
  const size_t left = graph_.bytes_.size() - position_;
  if (count > left) {
    return Bad("it ends early ({} bytes are announced, {} are left)", count, left);
  }
  const std::string_view view(graph_.bytes_.data() + position_, count);
  position_ += count;
  return view;
}

Result<std::string_view> Unpickler::TakeLine() {
  const size_t end = graph_.bytes_.find('\n', position_);
  if (end == std::string::npos) return Bad("it ends within a line");
  std::string_view line(graph_.bytes_.data() + position_, end - position_);
  position_ = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Result<uint64_t> Unpickler::TakeUint(size_t bytes) {
  KINGLET_TRY(const std::string_view raw, Take(bytes));
  uint64_t value = 0;
  std::memcpy(&value, raw.data(), bytes);
  return value;
}

Result<std::string_view> Unpickler::TakeCounted(size_t length_bytes) {
  KINGLET_TRY(const uint64_t length, TakeUint(length_bytes));
  return Take(length);
}

Status Unpickler::Push(Ref ref) {
  if (stack_.size() >= limits_.max_stack) return Bad("its stack is too deep");
  stack_.push_back(ref);
  return {};
}

Result<Ref> Unpickler::Pop() {
  if (stack_.size() <= Floor()) return Bad("its stack is empty");
  const Ref ref = stack_.back();
  stack_.pop_back();
  return ref;
}

Result<Ref> Unpickler::Top() const {
  if (stack_.size() <= Floor()) return Bad("its stack is empty");
  return stack_.back();
}

Result<size_t> Unpickler::PopMark() {
  if (marks_.empty()) return Bad("it has no mark");
  const size_t begin = marks_.back();
  marks_.pop_back();
  return begin;
}

Result<Ref> Unpickler::New(Kind kind, size_t index) {
  if (graph_.nodes_.size() >= limits_.max_nodes) {
    return Fail(Code::kInvalidArgument, "the pickle has more than {} values", limits_.max_nodes);
  }
  Node& node = graph_.nodes_.emplace_back();
  node.kind = kind;
  node.index = static_cast<uint32_t>(index);
  return static_cast<Ref>(graph_.nodes_.size() - 1);
}

Status Unpickler::PushInt(int64_t value) {
  if (value >= 0 && value < 256) return Push(Graph::kFirstSmallInt + static_cast<Ref>(value));
  KINGLET_TRY(const Ref ref, New(Kind::kInt, 0));
  graph_.nodes_[ref].integer = value;
  return Push(ref);
}

Status Unpickler::PushFloat(double value) {
  KINGLET_TRY(const Ref ref, New(Kind::kFloat, 0));
  graph_.nodes_[ref].number = value;
  return Push(ref);
}

Status Unpickler::PushText(Kind kind, std::string_view text) {
  if (text.empty()) {
    KINGLET_TRY(const Ref ref, New(kind, 0));
    return Push(ref);
  }
  KINGLET_TRY(const Ref ref, New(kind, graph_.texts_.size()));
  graph_.texts_.push_back(text);
  return Push(ref);
}

Status Unpickler::PushOwnedText(Kind kind, std::string text) {
  return PushText(kind, graph_.owned_.emplace_back(std::move(text)));
}

Status Unpickler::PushTuple(size_t begin) {
  const size_t count = stack_.size() - begin;
  if (count == 0) return Push(Graph::kEmptyTupleRef);
  KINGLET_TRY(const Ref ref, New(Kind::kTuple, graph_.tuples_.size()));
  graph_.tuples_.push_back({graph_.tuple_items_.size(), count});
  graph_.tuple_items_.insert(graph_.tuple_items_.end(), stack_.begin() + begin, stack_.end());
  stack_.resize(begin);
  return Push(ref);
}

Status Unpickler::PushList(Kind kind, size_t begin) {
  if (kind == Kind::kDict && (stack_.size() - begin) % 2 != 0) {
    return Bad("a dict has a key without a value");
  }
  KINGLET_TRY(const Ref ref, New(kind, graph_.lists_.size()));
  graph_.lists_.emplace_back(stack_.begin() + begin, stack_.end());
  stack_.resize(begin);
  return Push(ref);
}

Status Unpickler::PushObject(Ref type, Ref args) {
  KINGLET_TRY(const Ref ref, New(Kind::kObject, graph_.objects_.size()));
  graph_.objects_.push_back({type, args, Graph::kNoneRef});
  return Push(ref);
}

std::vector<Ref>* Unpickler::Items(Ref ref) {
  const Node& node = graph_.nodes_[ref];
  if (node.kind == Kind::kList || node.kind == Kind::kSet) return &graph_.lists_[node.index];
  if (node.kind != Kind::kObject) return nullptr;
  if (graph_.objects_[node.index].items == 0) {
    graph_.objects_[node.index].items = static_cast<uint32_t>(graph_.lists_.size());
    graph_.lists_.emplace_back();
  }
  return &graph_.lists_[graph_.objects_[node.index].items];
}

std::vector<Ref>* Unpickler::Pairs(Ref ref) {
  const Node& node = graph_.nodes_[ref];
  if (node.kind == Kind::kDict) return &graph_.lists_[node.index];
  if (node.kind != Kind::kObject) return nullptr;
  if (graph_.objects_[node.index].pairs == 0) {
    graph_.objects_[node.index].pairs = static_cast<uint32_t>(graph_.lists_.size());
    graph_.lists_.emplace_back();
  }
  return &graph_.lists_[graph_.objects_[node.index].pairs];
}

Result<Ref> Unpickler::Run(size_t* position, bool nested) {
  position_ = *position;
  nested_ = nested;
  while (true) {
    at_ = position_;
    KINGLET_TRY(const std::string_view op, Take(1));
    if (op[0] == kOpStop) break;
    KINGLET_RETURN_IF_ERROR(Step(static_cast<unsigned char>(op[0])));
  }
  if (!marks_.empty()) return Bad("it stops within a mark");
  KINGLET_TRY(const Ref root, Pop());
  *position = position_;
  return root;
}

Status Unpickler::Step(unsigned char op) {
  switch (op) {
    case kOpProto: {
      KINGLET_TRY(const uint64_t protocol, TakeUint(1));
      if (protocol > 5) return Bad("its protocol is {}, and the newest known one is 5", protocol);
      return {};
    }
    case kOpFrame: {
      KINGLET_TRY(const uint64_t length, TakeUint(8));
      if (length > graph_.bytes_.size() - position_) {
        return Bad("it ends early (a frame of {} bytes, {} are left)", length,
                   graph_.bytes_.size() - position_);
      }
      return {};
    }
    case kOpNone:
      return Push(Graph::kNoneRef);
    case kOpNewTrue:
      return Push(Graph::kTrueRef);
    case kOpNewFalse:
      return Push(Graph::kFalseRef);
    case kOpMark:
      if (marks_.size() >= limits_.max_stack) return Bad("it has too many marks");
      marks_.push_back(stack_.size());
      return {};
    case kOpPop:
      if (stack_.size() == Floor() && !marks_.empty()) {
        marks_.pop_back();
        return {};
      }
      KINGLET_RETURN_IF_ERROR(Pop());
      return {};
    case kOpPopMark: {
      KINGLET_TRY(const size_t begin, PopMark());
      stack_.resize(begin);
      return {};
    }
    case kOpDup: {
      KINGLET_TRY(const Ref top, Top());
      return Push(top);
    }
    case kOpInt:
    case kOpBinInt:
    case kOpBinInt1:
    case kOpBinInt2:
    case kOpLong:
    case kOpLong1:
    case kOpLong4:
    case kOpFloat:
    case kOpBinFloat:
      return Integer(op);
    case kOpString:
    case kOpBinString:
    case kOpShortBinString:
    case kOpUnicode:
    case kOpBinUnicode:
    case kOpShortBinUnicode:
    case kOpBinUnicode8:
    case kOpBinBytes:
    case kOpShortBinBytes:
    case kOpBinBytes8:
    case kOpByteArray8:
      return Text(op);
    case kOpPut:
    case kOpBinPut:
    case kOpLongBinPut:
    case kOpMemoize:
    case kOpGet:
    case kOpBinGet:
    case kOpLongBinGet:
      return Memo(op);
    case kOpEmptyList:
    case kOpEmptyDict:
    case kOpEmptySet:
    case kOpEmptyTuple:
    case kOpList:
    case kOpDict:
    case kOpTuple:
    case kOpTuple1:
    case kOpTuple2:
    case kOpTuple3:
    case kOpFrozenSet:
    case kOpAppend:
    case kOpAppends:
    case kOpAddItems:
    case kOpSetItem:
    case kOpSetItems:
      return Container(op);
    case kOpGlobal:
    case kOpStackGlobal:
    case kOpInst:
    case kOpObj:
    case kOpReduce:
    case kOpNewObj:
    case kOpNewObjEx:
      return Make(op);
    case kOpBuild:
      return Build();
    case kOpPersId:
    case kOpBinPersId:
      return Bad("it refers to an object outside the file (persistent id)");
    case kOpExt1:
    case kOpExt2:
    case kOpExt4:
      return Bad("it refers to the writer's extension registry");
    case kOpNextBuffer:
    case kOpReadonlyBuffer:
      return Bad("its array data is out of band, in buffers that are not in the file");
    default:
      return Bad("{:#04x} is no opcode", op);
  }
}

Status Unpickler::Integer(unsigned char op) {
  switch (op) {
    case kOpBinInt1: {
      KINGLET_TRY(const uint64_t value, TakeUint(1));
      return PushInt(static_cast<int64_t>(value));
    }
    case kOpBinInt2: {
      KINGLET_TRY(const uint64_t value, TakeUint(2));
      return PushInt(static_cast<int64_t>(value));
    }
    case kOpBinInt: {
      KINGLET_TRY(const uint64_t value, TakeUint(4));
      return PushInt(static_cast<int32_t>(static_cast<uint32_t>(value)));
    }
    case kOpInt:
    case kOpLong: {
      KINGLET_TRY(std::string_view line, TakeLine());
      if (op == kOpInt && line == "00") return Push(Graph::kFalseRef);
      if (op == kOpInt && line == "01") return Push(Graph::kTrueRef);
      if (line.ends_with('L')) line.remove_suffix(1);
      bool fits = false;
      const auto value = ParseDecimal(line, &fits);
      if (!value) return Bad("an integer is no integer");
      if (fits) return PushInt(*value);
      KINGLET_TRY(const Ref ref, New(Kind::kBigInt, 0));
      return Push(ref);
    }
    case kOpLong1: {
      KINGLET_TRY(const std::string_view bytes, TakeCounted(1));
      return Long(bytes);
    }
    case kOpLong4: {
      KINGLET_TRY(const std::string_view bytes, TakeCounted(4));
      return Long(bytes);
    }
    case kOpFloat: {
      KINGLET_TRY(const std::string_view line, TakeLine());
      const auto value = ParseFloat(line);
      if (!value) return Bad("a float is no float");
      return PushFloat(*value);
    }
    default: {  // kOpBinFloat: big-endian
      KINGLET_TRY(const uint64_t raw, TakeUint(8));
      return PushFloat(std::bit_cast<double>(__builtin_bswap64(raw)));
    }
  }
}

// Little-endian two's complement of any length.
Status Unpickler::Long(std::string_view bytes) {
  if (bytes.size() > 8) {
    KINGLET_TRY(const Ref ref, New(Kind::kBigInt, 0));
    return Push(ref);
  }
  if (bytes.empty()) return PushInt(0);
  uint64_t value = bytes.back() < 0 ? ~uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return PushInt(static_cast<int64_t>(value));
}

Status Unpickler::Text(unsigned char op) {
  size_t length_bytes = 0;
  switch (op) {
    case kOpString:
    case kOpUnicode: {
      KINGLET_TRY(const std::string_view line, TakeLine());
      auto decoded = op == kOpString ? DecodeQuoted(line) : DecodeRawUnicodeEscape(line);
      if (!decoded) return Bad("a string has a bad escape");
      return PushOwnedText(Kind::kStr, std::move(*decoded));
    }
    case kOpShortBinString:
    case kOpShortBinUnicode:
    case kOpShortBinBytes:
      length_bytes = 1;
      break;
    case kOpBinString:
    case kOpBinUnicode:
    case kOpBinBytes:
      length_bytes = 4;
      break;
    default:
      length_bytes = 8;
      break;
  }
  KINGLET_TRY(const std::string_view text, TakeCounted(length_bytes));
  if (op == kOpBinUnicode || op == kOpShortBinUnicode || op == kOpBinUnicode8) {
    if (!IsUtf8(text)) return Bad("a string is not UTF-8");
    return PushText(Kind::kStr, text);
  }
  // Python 2's str is bytes and text at once; readers of either kind take it.
  const bool python2 = op == kOpBinString || op == kOpShortBinString;
  return PushText(python2 ? Kind::kStr : Kind::kBytes, text);
}

Status Unpickler::Memo(unsigned char op) {
  uint64_t index = 0;
  if (op == kOpPut || op == kOpGet) {
    KINGLET_TRY(const std::string_view line, TakeLine());
    bool fits = false;
    const auto value = ParseDecimal(line, &fits);
    if (!value || !fits || *value < 0) return Bad("a memo index is no index");
    index = static_cast<uint64_t>(*value);
  } else if (op == kOpMemoize) {
    index = memo_.size();
  } else {
    KINGLET_TRY(index, TakeUint(op == kOpBinPut || op == kOpBinGet ? 1 : 4));
  }
  if (op == kOpGet || op == kOpBinGet || op == kOpLongBinGet) {
    if (index >= memo_.size() || memo_[index] == Graph::kMissingRef) {
      return Bad("it refers to memo {}, which is not set", index);
    }
    return Push(memo_[index]);
  }
  KINGLET_TRY(const Ref top, Top());
  // Picklers number the memo in order; a far index would only serve to make it huge.
  if (index > 2 * memo_.size() + 1024) return Bad("memo index {} is out of order", index);
  if (index >= memo_.size()) memo_.resize(index + 1, Graph::kMissingRef);
  memo_[index] = top;
  return {};
}

Status Unpickler::Container(unsigned char op) {
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
  std::vector<Ref>* items = pairs ? Pairs(target) : Items(target);
  if (items == nullptr) return Bad("it adds items to what is no container");
  items->insert(items->end(), stack_.begin() + begin, stack_.end());
  stack_.resize(begin);
  return {};
}

Status Unpickler::PushGlobal(std::string_view module, std::string_view name) {
  KINGLET_RETURN_IF_ERROR(CheckGlobal(module, name));
  KINGLET_TRY(const Ref ref, New(Kind::kGlobal, graph_.globals_.size()));
  graph_.globals_.push_back({module, name});
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
  KINGLET_TRY(const DType dtype, ReadDType(wrapper.Attr("dtype")));
  ArrayRecord record{wrapper.Attr("dtype").ref(),
                     wrapper.Attr("shape").ref(),
                     order.text() == "F",
                     {},
                     Graph::kNoneRef};
  if (dtype.kind == 'O') {
    Unpickler inner(graph_, limits_);
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
  graph_.arrays_.push_back(record);
  return Push(ref);
}

Result<std::unique_ptr<const Graph>> Unpickle(std::string bytes, const UnpickleLimits& limits) {
  auto graph = std::make_unique<Graph>(std::move(bytes));
  KINGLET_RETURN_IF_ERROR(Unpickler(*graph, limits).ReadAll());
  return std::unique_ptr<const Graph>(std::move(graph));
}

}  // namespace kinglet::runtimes::pickle
