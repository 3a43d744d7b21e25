#include "runtimes/lightgbm/text.h"

#include <algorithm>
#include <charconv>

namespace kinglet::runtimes::lightgbm {

std::string_view Lines::Peek() const {
  std::string_view line = rest_.substr(0, rest_.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view Lines::Next() {
  const std::string_view line = Peek();
  const size_t end = rest_.find('\n');
  rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
  return line;
}

Result<Section> Section::Read(Lines& lines, Budget& budget) {
  Section section;
  while (!lines.AtEnd() && !lines.Peek().empty() && !lines.Peek().starts_with("end of ")) {
    const std::string_view line = lines.Next();
    KINGLET_RETURN_IF_ERROR(budget.Allocate(2 * sizeof(section.entries_[0])));
    const size_t equals = line.find('=');
    if (equals == line.npos) {
      section.entries_.emplace_back(line, std::string_view());  // a flag: "average_output"
    } else {
      section.entries_.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  return section;
}

bool Section::Has(std::string_view key) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const auto& entry) { return entry.first == key; });
}

std::string_view Section::operator[](std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return {};
}

Result<int64_t> Section::Integer(std::string_view key) const {
  const std::string_view text = (*this)[key];
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Fail(Code::kInvalidArgument, "{}={} is not a whole number", key, text.substr(0, 40));
  }
  return value;
}

template <class T>
Status Section::Numbers(std::string_view key, std::vector<T>& out) const {
  out.clear();
  const std::string_view text = (*this)[key];
  const char* at = text.data();
  const char* end = at + text.size();
  for (;;) {
    while (at != end && *at == ' ') ++at;
    if (at == end) return {};
    T value;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr != ' ')) {
      return Fail(Code::kInvalidArgument, "{} has \"{}\" where a number was expected", key,
                  std::string_view(at, std::min<size_t>(end - at, 24)));
    }
    out.push_back(value);
    at = parsed.ptr;
  }
}

template <class T>
Status Section::Numbers(std::string_view key, size_t count, std::vector<T>& out) const {
  KINGLET_RETURN_IF_ERROR(Numbers(key, out));
  if (out.size() != count) {
    return Fail(Code::kInvalidArgument, "{} has {} values where {} were expected", key, out.size(),
                count);
  }
  return {};
}

template Status Section::Numbers(std::string_view, std::vector<double>&) const;
template Status Section::Numbers(std::string_view, std::vector<int32_t>&) const;
template Status Section::Numbers(std::string_view, std::vector<uint32_t>&) const;
template Status Section::Numbers(std::string_view, size_t, std::vector<double>&) const;
template Status Section::Numbers(std::string_view, size_t, std::vector<int32_t>&) const;
template Status Section::Numbers(std::string_view, size_t, std::vector<uint32_t>&) const;

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t at = 0;
  while ((at = text.find_first_not_of(' ', at)) != text.npos) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace kinglet::runtimes::lightgbm
