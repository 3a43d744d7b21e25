#include "server/access_log.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "base/text.h"

namespace kinglet::server {
namespace {

constexpr std::string_view kAtoms[] = {"h",  "l", "u", "t", "r", "m", "U", "q", "H", "s",
                                       "st", "b", "B", "f", "a", "T", "M", "D", "L", "p"};

std::string_view HostOf(std::string_view peer) { return peer.substr(0, peer.rfind(':')); }

std::string_view OrDash(std::string_view text) { return text.empty() ? "-" : text; }

}  // namespace

Result<AccessLog> AccessLog::Parse(std::string_view format) {
  AccessLog log;
  if (format.empty()) return log;
  log.uvicorn_ = false;
  std::string literal;
  while (!format.empty()) {
    size_t percent = format.find('%');
    literal += format.substr(0, percent);
    if (percent == std::string_view::npos) break;
    format.remove_prefix(percent + 1);
    if (format.starts_with('%')) {
      literal += '%';
      format.remove_prefix(1);
      continue;
    }
    size_t end = format.find(')');
    if (!format.starts_with('(') || end == std::string_view::npos || end + 1 >= format.size()) {
      return Fail(Code::kInvalidArgument, "--access_log_format: expected %(name)s after \"{}\"",
                  literal);
    }
    std::string atom(format.substr(1, end - 1));
    bool header = atom.starts_with('{') && atom.ends_with("}i");
    if (!header && std::ranges::find(kAtoms, atom) == std::end(kAtoms)) {
      return Fail(Code::kInvalidArgument, "--access_log_format: unknown field %({})s", atom);
    }
    if (header) atom = atom.substr(0, atom.size() - 1);  // "{name}"
    log.pieces_.push_back({std::move(literal), std::move(atom)});
    literal.clear();
    format.remove_prefix(end + 2);  // the conversion, "s" or "d"
  }
  log.pieces_.push_back({std::move(literal), ""});
  return log;
}

void AccessLog::AppendAtom(std::string_view atom, const http::Exchange& exchange, int status,
                           size_t bytes, Duration took, std::string* line) {
  auto out = std::back_inserter(*line);
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  if (atom.starts_with('{')) {
    AppendEscaped(*line, OrDash(exchange.Header(atom.substr(1, atom.size() - 2))));
  } else if (atom == "h") {
    *line += HostOf(exchange.peer());
  } else if (atom == "t") {
    time_t now = time(nullptr);
    tm local{};
    localtime_r(&now, &local);
    fmt::format_to(out, "[{:%d/%b/%Y:%H:%M:%S %z}]", local);
  } else if (atom == "r") {
    *line += exchange.method();
    *line += ' ';
    AppendEscaped(*line, exchange.target());
    *line += " HTTP/1.1";
  } else if (atom == "m") {
    *line += exchange.method();
  } else if (atom == "U") {
    AppendEscaped(*line, exchange.path());
  } else if (atom == "q") {
    AppendEscaped(*line, exchange.query());
  } else if (atom == "H") {
    *line += "HTTP/1.1";
  } else if (atom == "s" || atom == "st") {
    fmt::format_to(out, "{}", status);
  } else if (atom == "b" || atom == "B") {
    fmt::format_to(out, "{}", bytes);
  } else if (atom == "f") {
    AppendEscaped(*line, OrDash(exchange.Header("referer")));
  } else if (atom == "a") {
    AppendEscaped(*line, OrDash(exchange.Header("user-agent")));
  } else if (atom == "T") {
    fmt::format_to(out, "{}", micros / 1'000'000);
  } else if (atom == "M") {
    fmt::format_to(out, "{}", micros / 1000);
  } else if (atom == "D") {
    fmt::format_to(out, "{}", micros);
  } else if (atom == "L") {
    fmt::format_to(out, "{:.6f}", static_cast<double>(micros) / 1e6);
  } else if (atom == "p") {
    fmt::format_to(out, "<{}>", getpid());
  } else {
    *line += '-';
  }
}

void AccessLog::Append(const http::Exchange& exchange, int status, size_t bytes, Duration took,
                       LineLog* log) const {
  std::string& line = log->buffer();
  if (uvicorn_) {
    log->AppendTime();
    fmt::format_to(std::back_inserter(line), "uvicorn.access INFO:     {} {} - \"{} ",
                   exchange.peer(), getpid(), exchange.method());
    AppendEscaped(line, exchange.target());
    fmt::format_to(std::back_inserter(line), " HTTP/1.1\" {} {}\n", status,
                   http::ReasonPhrase(status));
  } else {
    for (const Piece& piece : pieces_) {
      line += piece.literal;
      if (!piece.atom.empty()) AppendAtom(piece.atom, exchange, status, bytes, took, &line);
    }
    line += '\n';
  }
  log->Commit();
}

}  // namespace kinglet::server
