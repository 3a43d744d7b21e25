// The pickle machine: a stack, marks, a memo, and a graph that it fills. Internal to pickle/.
// unpickler.cc has the machine itself, push.cc the opcodes that push values and build.cc those that
// make something of what lies on the stack.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtimes/pickle/unpickler.h"

namespace kinglet::runtimes::pickle {

// One machine reads one file; a pickle inside it (joblib's object arrays) gets its own stack and
// memo on the same graph and position.
class Unpickler {
 public:
  Unpickler(Graph& graph, Budget& budget) : graph_(graph), budget_(budget) {}

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

  // push_back, with the growth of the vector paid for.
  template <class T>
  Status Append(std::vector<T>& to, const T& value) {
    if (to.size() == to.capacity()) [[unlikely]]
      KINGLET_RETURN_IF_ERROR(PayForGrowth<T>(to.capacity(), 1));
    to.push_back(value);
    return {};
  }
  // Moves the stack from `begin` to the end of `to`, likewise.
  Status MoveItems(size_t begin, std::vector<Ref>& to);
  // A vector doubles, or grows to what is inserted.
  template <class T>
  Status PayForGrowth(size_t capacity, size_t added) {
    return budget_.Allocate(std::max({capacity, added, size_t{4}}), sizeof(T));
  }

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
  // What APPENDS (or with `pairs` SETITEMS) fills.
  Result<std::vector<Ref>*> Container(Ref ref, bool pairs);

  Status Step(unsigned char op);
  Status Integer(unsigned char op);
  Status Long(std::string_view bytes);
  Status Text(unsigned char op);
  Status Memo(unsigned char op);
  Status FillContainer(unsigned char op);
  Status Make(unsigned char op);
  Status PushGlobal(std::string_view module, std::string_view name);
  Status Reduce(Ref callable, Ref args);
  Status Encode(Ref args);
  Status Build();
  Status RawArray(Value wrapper);

  Value At(Ref ref) const { return {&graph_, ref}; }

  Graph& graph_;
  Budget& budget_;
  size_t position_ = 0;
  size_t at_ = 0;  // where the current opcode is, for messages
  bool nested_ = false;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::vector<Ref> memo_;
  std::unordered_map<Ref, Ref> encoded_;  // _codecs.encode's results, one a text
};

}  // namespace kinglet::runtimes::pickle
