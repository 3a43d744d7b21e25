#include "local/kubelet/dns_message.h"

#include <arpa/inet.h>

namespace kinglet::kubelet::dns {
namespace {

constexpr size_t kHeader = 12, kMaxName = 253;
// What fits into 512 bytes beside the longest name: more would need TCP.
constexpr size_t kMaxRecords = 14;
constexpr uint32_t kTimeToLive = 5;

uint16_t Read16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>((static_cast<uint8_t>(bytes[at]) << 8) |
                               static_cast<uint8_t>(bytes[at + 1]));
}

void Append16(std::string& out, uint32_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

}  // namespace

std::optional<Question> ParseQuery(std::string_view message) {
  if (message.size() < kHeader || message.size() > kMaxMessage) return std::nullopt;
  const auto flags = static_cast<uint8_t>(message[2]);
  if ((flags & 0x80) || (flags & 0x78) || Read16(message, 4) != 1) return std::nullopt;
  Question question;
  question.id = Read16(message, 0);
  size_t at = kHeader;
  for (;;) {
    if (at >= message.size()) return std::nullopt;
    const auto length = static_cast<uint8_t>(message[at]);
    if (length == 0) break;
    if (length > 63 || at + 1 + length > message.size()) return std::nullopt;
    if (!question.name.empty()) question.name += '.';
    question.name += message.substr(at + 1, length);
    if (question.name.size() > kMaxName) return std::nullopt;
    at += 1 + length;
  }
  if (at + 5 > message.size()) return std::nullopt;
  question.type = Read16(message, at + 1);
  question.class_ = Read16(message, at + 3);
  question.end = at + 5;
  return question;
}

std::string MakeAnswer(std::string_view query, const Question& question, int code,
                       const std::vector<std::string>& ipv4) {
  std::string out(query.substr(0, question.end));
  const auto asked_recursion = static_cast<uint8_t>(static_cast<uint8_t>(query[2]) & 1);
  out[2] = static_cast<char>(0x84 | asked_recursion);  // an answer, authoritative
  out[3] = static_cast<char>(0x80 | code);             // recursion is available
  std::string records;
  uint32_t count = 0;
  for (const std::string& text : ipv4) {
    in_addr address{};
    if (count == kMaxRecords || inet_pton(AF_INET, text.c_str(), &address) != 1) continue;
    ++count;
    Append16(records, 0xC00C);  // the question's name
    Append16(records, kTypeA);
    Append16(records, kClassIn);
    Append16(records, 0);
    Append16(records, kTimeToLive);
    Append16(records, 4);
    records.append(reinterpret_cast<const char*>(&address), 4);
  }
  out.resize(6);
  Append16(out, count);
  Append16(out, 0);
  Append16(out, 0);
  out += query.substr(kHeader, question.end - kHeader);
  return out + records;
}

uint16_t ReadId(std::string_view message) { return Read16(message, 0); }

void WriteId(std::string& message, uint16_t id) {
  message[0] = static_cast<char>(id >> 8);
  message[1] = static_cast<char>(id);
}

}  // namespace kinglet::kubelet::dns
