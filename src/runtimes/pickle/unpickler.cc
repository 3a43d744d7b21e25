#include "runtimes/pickle/unpickler.h"

#include <cstring>

#include "runtimes/pickle/machine.h"
#include "runtimes/pickle/opcodes.h"

namespace kinglet::runtimes::pickle {
namespace {

// Refs and the indices of the side tables have 32 bits; an object takes up to two lists.
constexpr size_t kMaxNodes = size_t{1} << 30;

// What the arena's strings and lists take beside their contents.
constexpr size_t kStringBytes = sizeof(std::string) + 16;

}  // namespace

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
  if (end == std::string_view::npos) return Bad("it ends within a line");
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

Status Unpickler::MoveItems(size_t begin, std::vector<Ref>& to) {
  const size_t count = stack_.size() - begin;
  if (count > to.capacity() - to.size()) {
    KINGLET_RETURN_IF_ERROR(PayForGrowth<Ref>(to.capacity(), count));
  }
  to.insert(to.end(), stack_.begin() + begin, stack_.end());
  stack_.resize(begin);
  return {};
}

Status Unpickler::Push(Ref ref) { return Append(stack_, ref); }

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
  if (graph_.nodes_.size() >= kMaxNodes) {
    return Fail(Code::kInvalidArgument, "the pickle has more than {} values", kMaxNodes);
  }
  KINGLET_RETURN_IF_ERROR(
      Append(graph_.nodes_, Node{.kind = kind, .index = static_cast<uint32_t>(index)}));
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
  KINGLET_RETURN_IF_ERROR(Append(graph_.texts_, text));
  return Push(ref);
}

Status Unpickler::PushOwnedText(Kind kind, std::string text) {
  KINGLET_RETURN_IF_ERROR(budget_.Allocate(kStringBytes + text.size()));
  return PushText(kind, graph_.owned_.emplace_back(std::move(text)));
}

Status Unpickler::PushTuple(size_t begin) {
  const size_t count = stack_.size() - begin;
  if (count == 0) return Push(Graph::kEmptyTupleRef);
  KINGLET_TRY(const Ref ref, New(Kind::kTuple, graph_.tuples_.size()));
  KINGLET_RETURN_IF_ERROR(Append(graph_.tuples_, Graph::Range{graph_.tuple_items_.size(), count}));
  KINGLET_RETURN_IF_ERROR(MoveItems(begin, graph_.tuple_items_));
  return Push(ref);
}

Status Unpickler::PushList(Kind kind, size_t begin) {
  if (kind == Kind::kDict && (stack_.size() - begin) % 2 != 0) {
    return Bad("a dict has a key without a value");
  }
  KINGLET_TRY(const Ref ref, New(kind, graph_.lists_.size()));
  KINGLET_RETURN_IF_ERROR(Append(graph_.lists_, std::vector<Ref>()));
  if (begin < stack_.size()) KINGLET_RETURN_IF_ERROR(MoveItems(begin, graph_.lists_.back()));
  return Push(ref);
}

Status Unpickler::PushObject(Ref type, Ref args) {
  KINGLET_TRY(const Ref ref, New(Kind::kObject, graph_.objects_.size()));
  KINGLET_RETURN_IF_ERROR(Append(graph_.objects_, ObjectRecord{type, args, Graph::kNoneRef}));
  return Push(ref);
}

Result<std::vector<Ref>*> Unpickler::Container(Ref ref, bool pairs) {
  const Node& node = graph_.nodes_[ref];
  const bool plain =
      pairs ? node.kind == Kind::kDict : node.kind == Kind::kList || node.kind == Kind::kSet;
  if (plain) return &graph_.lists_[node.index];
  if (node.kind != Kind::kObject) return Bad("it adds items to what is no container");
  ObjectRecord& object = graph_.objects_[node.index];
  uint32_t& list = pairs ? object.pairs : object.items;
  if (list == 0) {
    list = static_cast<uint32_t>(graph_.lists_.size());
    KINGLET_RETURN_IF_ERROR(Append(graph_.lists_, std::vector<Ref>()));
  }
  return &graph_.lists_[list];
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
      return Append(marks_, stack_.size());
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
      return FillContainer(op);
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

Result<std::unique_ptr<const Graph>> Unpickle(std::string bytes, Budget& budget) {
  auto graph = std::make_unique<Graph>(std::move(bytes));
  KINGLET_RETURN_IF_ERROR(Unpickler(*graph, budget).ReadAll());
  return std::unique_ptr<const Graph>(std::move(graph));
}

}  // namespace kinglet::runtimes::pickle
