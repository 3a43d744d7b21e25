// An exchange that remembers the status it was answered with, for metrics.
#pragma once

#include "net/http/server.h"

namespace kinglet::gateway {

class RecordingExchange : public http::Exchange {
 public:
  explicit RecordingExchange(http::Exchange& inner) : inner_(inner) {}
  int status() const { return status_; }  // 0: not answered

  std::string_view method() const override { return inner_.method(); }
  std::string_view target() const override { return inner_.target(); }
  std::string_view path() const override { return inner_.path(); }
  std::string_view query() const override { return inner_.query(); }
  std::string_view Header(std::string_view name) const override { return inner_.Header(name); }
  http::Headers headers() const override { return inner_.headers(); }
  void ForEachHeader(
      const std::function<void(std::string_view, std::string_view)>& visit) const override {
    inner_.ForEachHeader(visit);
  }
  std::string peer() const override { return inner_.peer(); }
  std::string local() const override { return inner_.local(); }
  net::Loop& loop() override { return inner_.loop(); }
  std::stop_token stop() const override { return inner_.stop(); }
  net::Task<Result<std::string_view>> ReadBody(size_t limit) override {
    return inner_.ReadBody(limit);
  }
  bool BufferedBody(std::string_view* body) override { return inner_.BufferedBody(body); }
  net::Task<Result<std::string_view>> ReadSome() override { return inner_.ReadSome(); }
  void Send(int status, std::string_view content_type, std::string_view body,
            const http::Headers* extra) override {
    status_ = status;
    inner_.Send(status, content_type, body, extra);
  }
  void SendHead(int status, const http::Headers& headers) override {
    status_ = status;
    inner_.SendHead(status, headers);
  }
  net::Task<Status> Write(std::string_view bytes) override { return inner_.Write(bytes); }
  net::Task<Status> End() override { return inner_.End(); }
  bool responded() const override { return inner_.responded(); }

 private:
  http::Exchange& inner_;
  int status_ = 0;
};

}  // namespace kinglet::gateway
