#include "net/grpc/unary.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include <curl/curl.h>

#include "base/text.h"

namespace kinglet::grpc {
namespace {

constexpr size_t kPrefixBytes = 5;  // flag for compression, then the length in four bytes

struct Answer {
  std::string body;
  std::string status, message;  // grpc-status and grpc-message, of head or trailers
  size_t limit = 0;
  bool over_limit = false;
};

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  if (answer.body.size() + size * count > answer.limit) {
    answer.over_limit = true;
    return 0;
  }
  answer.body.append(data, size * count);
  return size * count;
}

// The value of a header line with that name; nothing where it is another.
bool TakeHeader(std::string_view line, std::string_view name, std::string& value) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || AsciiLower(line.substr(0, colon)) != name) return false;
  line.remove_prefix(colon + 1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  value = line;
  return true;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  const std::string_view line(data, size * count);
  if (!TakeHeader(line, "grpc-status", answer.status)) {
    TakeHeader(line, "grpc-message", answer.message);
  }
  return size * count;
}

std::string Frame(const std::string& message) {
  std::string frame(kPrefixBytes, '\0');
  for (size_t i = 0; i < 4; ++i) {
    frame[1 + i] = static_cast<char>(message.size() >> (8 * (3 - i)) & 0xff);
  }
  return frame + message;
}

Result<std::string> Unframe(std::string_view body) {
  if (body.size() < kPrefixBytes) return Fail(Code::kInternal, "the answer has no message");
  if (body[0] != 0) return Fail(Code::kUnimplemented, "the answer is compressed");
  size_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(body[i]);
  if (body.size() - kPrefixBytes != length) {
    return Fail(Code::kInternal, "the answer is not one message");
  }
  return std::string(body.substr(kPrefixBytes));
}

Code CodeOf(CURLcode result) {
  return result == CURLE_OPERATION_TIMEDOUT ? Code::kDeadlineExceeded : Code::kUnavailable;
}

Status CheckStatus(const Answer& answer, long http_status) {
  if (answer.status.empty()) {
    return Fail(Code::kUnavailable, "no gRPC answer (HTTP status {})", http_status);
  }
  int status = -1;
  std::from_chars(answer.status.data(), answer.status.data() + answer.status.size(), status);
  if (status == 0) return {};
  const bool known = status > 0 && status <= static_cast<int>(Code::kUnauthenticated);
  return Fail(known ? static_cast<Code>(status) : Code::kUnknown, "{}",
              answer.message.empty() ? "grpc-status " + answer.status : answer.message);
}

}  // namespace

Result<std::string> CallUnary(const UnaryCall& call) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(), curl_easy_cleanup);
  if (global != CURLE_OK || !easy) return Fail(Code::kInternal, "cannot start libcurl");
  curl_slist* list = nullptr;
  for (auto line : {"content-type: application/grpc", "te: trailers", "expect:"}) {
    list = curl_slist_append(list, line);
  }
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list, curl_slist_free_all);

  const std::string url = "http://" + call.target + call.method;
  const std::string body = Frame(call.request);
  Answer answer{.limit = call.reply_limit};
  char detail[CURL_ERROR_SIZE] = "";
  auto set = [&](CURLoption option, auto value) { curl_easy_setopt(easy.get(), option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDS, body.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_WRITEFUNCTION, OnBody);
  set(CURLOPT_WRITEDATA, &answer);
  set(CURLOPT_HEADERFUNCTION, OnHeader);
  set(CURLOPT_HEADERDATA, &answer);
  set(CURLOPT_ERRORBUFFER, detail);
  if (!call.deadline.IsNever()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(call.deadline.Remaining()).count();
    if (left <= 0) return Fail(Code::kDeadlineExceeded, "the deadline is over");
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(left));
  }
  const CURLcode result = curl_easy_perform(easy.get());
  if (answer.over_limit) {
    return Fail(Code::kResourceExhausted, "the answer is over {} bytes", answer.limit);
  }
  if (result != CURLE_OK) {
    return Fail(CodeOf(result), "{}: {}", call.target,
                *detail ? detail : curl_easy_strerror(result));
  }
  long http_status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &http_status);
  KINGLET_RETURN_IF_ERROR(CheckStatus(answer, http_status));
  return Unframe(answer.body);
}

}  // namespace kinglet::grpc
