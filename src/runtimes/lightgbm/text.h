// Lines "key=value" of LightGBM's text format.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/result.h"

namespace kinglet::runtimes::lightgbm {

// Walks over the lines of a text.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool AtEnd() const { return rest_.empty(); }
  // The next line, without its end; does not move.
  std::string_view Peek() const;
  std::string_view Next();

 private:
  std::string_view rest_;
};

// The lines up to an empty one, a heading or the end, as keys and values; views of the text.
class Section {
 public:
  static Result<Section> Read(Lines& lines, Budget& budget);
  bool Has(std::string_view key) const;
  // Empty where there is none.
  std::string_view operator[](std::string_view key) const;

  Result<int64_t> Integer(std::string_view key) const;
  // Numbers between spaces; exactly `count`. Replaces what is in `out`. T: double, int32_t,
  // uint32_t.
  template <class T>
  Status Numbers(std::string_view key, size_t count, std::vector<T>& out) const;
  // As many as there are.
  template <class T>
  Status Numbers(std::string_view key, std::vector<T>& out) const;

 private:
  std::vector<std::pair<std::string_view, std::string_view>> entries_;
};

std::vector<std::string_view> Words(std::string_view text);

}  // namespace kinglet::runtimes::lightgbm
