#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/clock.h"
#include "base/text.h"

namespace kinglet {
namespace {

// Set once before threads start; logging is the one facility every layer shares.
std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<LogFormat> g_format{LogFormat::kText};

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarning:
      return "WARNING";
    case LogLevel::kError:
      return "ERROR";
  }
  return "";
}

bool NeedsQuotes(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           return c <= ' ' || c == '"' || c == '=' || static_cast<unsigned char>(c) >= 0x7f;
         });
}

}  // namespace

void ConfigureLog(LogLevel level, LogFormat format) {
  g_level = level;
  g_format = format;
}

Result<LogLevel> ParseLogLevel(std::string_view text) {
  std::string lower = AsciiLower(text);
  if (lower == "debug") return LogLevel::kDebug;
  if (lower == "info") return LogLevel::kInfo;
  if (lower == "warning" || lower == "warn") return LogLevel::kWarning;
  if (lower == "error" || lower == "critical") return LogLevel::kError;
  return Fail(Code::kInvalidArgument, "unknown log level \"{}\": debug, info, warning or error",
              text);
}

Result<LogFormat> ParseLogFormat(std::string_view text) {
  std::string lower = AsciiLower(text);
  if (lower == "text") return LogFormat::kText;
  if (lower == "json") return LogFormat::kJson;
  return Fail(Code::kInvalidArgument, "unknown log format \"{}\": text or json", text);
}

bool LogEnabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view message, LogFields fields) {
  if (!LogEnabled(level)) return;
  std::string line;
  std::string time = FormatRfc3339Micro(Clock::System().Wall());
  if (g_format.load(std::memory_order_relaxed) == LogFormat::kJson) {
    line = "{\"time\":\"" + time + "\",\"level\":\"" + std::string(LevelName(level)) +
           "\",\"message\":";
    AppendJsonString(line, message);
    for (const auto& [key, value] : fields) {
      line += ',';
      AppendJsonString(line, key);
      line += ':';
      value.DumpTo(line);
    }
    line += '}';
  } else {
    line = time + " " + std::string(LevelName(level)) + " " + std::string(message);
    for (const auto& [key, value] : fields) {
      line += ' ';
      line += key;
      line += '=';
      if (value.IsString() && !NeedsQuotes(value.AsString())) {
        line += value.AsString();
      } else {
        value.DumpTo(line);
      }
    }
  }
  // Requests, peers and files supply much of the text: it must neither end the line nor reach a
  // terminal as a control sequence. In JSON the escapes stand for the same characters.
  line = EscapeControls(line);
  line += '\n';
  // A log that cannot be written must not stop the program.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace kinglet
