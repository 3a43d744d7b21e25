#include "base/clock.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace kinglet {
namespace {

class SystemClock : public Clock {
 public:
  SteadyTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime Wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace

const Clock& Clock::System() {
  static const SystemClock clock;
  return clock;
}

WallTime FakeClock::Wall() const {
  // 2026-01-01T00:00:00Z when the offset is one hour.
  return WallTime(std::chrono::seconds(1767225600 - 3600)) +
         std::chrono::duration_cast<WallTime::duration>(Duration(offset_.load()));
}

Duration Deadline::Remaining() const {
  if (IsNever()) return std::chrono::hours(24 * 365);
  auto left = at_ - std::chrono::steady_clock::now();
  return left < Duration::zero() ? Duration::zero() : std::chrono::duration_cast<Duration>(left);
}

std::string FormatRfc3339(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string FormatRfc3339Micro(WallTime time) {
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch());
  auto rest = micros.count() % 1'000'000;
  if (rest < 0) rest += 1'000'000;
  auto whole = WallTime(std::chrono::microseconds(micros.count() - rest));
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06d}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), rest);
}

Result<WallTime> ParseRfc3339(std::string_view text) {
  auto bad = [&] { return Fail(Code::kInvalidArgument, "not an RFC 3339 time: \"{}\"", text); };
  std::tm tm{};
  auto number = [&](size_t at, size_t length, int& out) {
    if (at + length > text.size()) return false;
    auto end = text.data() + at + length;
    auto [ptr, error] = std::from_chars(text.data() + at, end, out);
    return error == std::errc() && ptr == end;
  };
  auto is = [&](size_t at, char c) { return at < text.size() && text[at] == c; };
  if (!number(0, 4, tm.tm_year) || !is(4, '-') || !number(5, 2, tm.tm_mon) || !is(7, '-') ||
      !number(8, 2, tm.tm_mday) || !(is(10, 'T') || is(10, 't') || is(10, ' ')) ||
      !number(11, 2, tm.tm_hour) || !is(13, ':') || !number(14, 2, tm.tm_min) || !is(16, ':') ||
      !number(17, 2, tm.tm_sec)) {
    return bad();
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  size_t at = 19;
  double fraction = 0;
  if (is(at, '.')) {
    double scale = 0.1;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
      fraction += scale * (text[at] - '0');
    }
  }
  int offset = 0;
  if (is(at, 'Z') || is(at, 'z')) {
    if (at + 1 != text.size()) return bad();
  } else if (is(at, '+') || is(at, '-')) {
    int hours = 0, minutes = 0;
    if (!number(at + 1, 2, hours) || !is(at + 3, ':') || !number(at + 4, 2, minutes) ||
        at + 6 != text.size()) {
      return bad();
    }
    offset = (hours * 60 + minutes) * 60 * (text[at] == '-' ? -1 : 1);
  } else {
    return bad();
  }
  // Nanoseconds in 64 bits end in the year 2262; "never" is often written as a later one.
  constexpr std::time_t kMost = std::numeric_limits<int64_t>::max() / 1'000'000'000 - 1;
  std::time_t seconds = std::clamp<std::time_t>(timegm(&tm) - offset, -kMost, kMost);
  return WallTime(std::chrono::seconds(seconds)) +
         std::chrono::microseconds(static_cast<int64_t>(std::llround(fraction * 1e6)));
}

Result<Duration> ParseDuration(std::string_view text) {
  auto bad = [&] { return Fail(Code::kInvalidArgument, "not a duration: \"{}\"", text); };
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return Duration::zero();
  if (rest.empty()) return bad();
  double total = 0;
  while (!rest.empty()) {
    double value = 0;
    auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    if (error != std::errc() || value < 0) return bad();
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    struct Unit {
      std::string_view name;
      double nanos;
    };
    static constexpr Unit kUnits[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                                      {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    bool found = false;
    for (const Unit& unit : kUnits) {
      if (rest.starts_with(unit.name) && !(unit.name == "m" && rest.starts_with("ms"))) {
        total += value * unit.nanos;
        rest.remove_prefix(unit.name.size());
        found = true;
        break;
      }
    }
    if (!found || total > 9e18) return bad();
  }
  return Duration(static_cast<int64_t>(negative ? -total : total));
}

std::string HumanDuration(Duration duration) {
  int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < 0) return "<invalid>";
  if (seconds < 120) return fmt::format("{}s", seconds);
  int64_t minutes = seconds / 60;
  if (minutes < 10) {
    return seconds % 60 ? fmt::format("{}m{}s", minutes, seconds % 60)
                        : fmt::format("{}m", minutes);
  }
  if (minutes < 180) return fmt::format("{}m", minutes);
  int64_t hours = minutes / 60;
  if (hours < 8) {
    return minutes % 60 ? fmt::format("{}h{}m", hours, minutes % 60) : fmt::format("{}h", hours);
  }
  if (hours < 48) return fmt::format("{}h", hours);
  int64_t days = hours / 24;
  if (days < 8) {
    return hours % 24 ? fmt::format("{}d{}h", days, hours % 24) : fmt::format("{}d", days);
  }
  if (days < 730) return fmt::format("{}d", days);
  return fmt::format("{}y{}d", days / 365, days % 365);
}

}  // namespace kinglet
