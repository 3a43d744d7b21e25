// As much of DNS messages (RFC 1035) as a resolver between stub and server reads and writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet::kubelet::dns {

inline constexpr uint16_t kTypeA = 1, kClassIn = 1;
inline constexpr int kNoError = 0, kNameError = 3, kServerFailure = 2, kNotImplemented = 4;
inline constexpr size_t kMaxMessage = 4096;

struct Question {
  uint16_t id = 0;
  std::string name;  // without the last dot, as asked
  uint16_t type = 0, class_ = 0;
  size_t end = 0;  // where the question ends in the message
};

// The one question of a standard query; nothing for anything else (answers, several questions,
// names over 253 bytes or with compression, which no question needs).
std::optional<Question> ParseQuery(std::string_view message);

// An answer to `query` with A records (TTL 5 s), from us as the authority.
std::string MakeAnswer(std::string_view query, const Question& question, int code,
                       const std::vector<std::string>& ipv4 = {});

// The first two bytes; the message has at least 12.
uint16_t ReadId(std::string_view message);
void WriteId(std::string& message, uint16_t id);

}  // namespace kinglet::kubelet::dns
