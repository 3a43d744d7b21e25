#include "kube/credentials.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/guarded.h"

namespace kinglet::kube {
namespace {

class Fixed : public Credentials {
 public:
  explicit Fixed(std::string authorization) : credential_{std::move(authorization), "", ""} {}
  Result<Credential> Get(bool, std::stop_token) override { return credential_; }

 private:
  Credential credential_;
};

// Kubelets replace a pod's token about every hour; reading it once a minute is what client-go does.
class TokenFile : public Credentials {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}

  Result<Credential> Get(bool rejected, std::stop_token) override {
    auto state = state_.Acquire();
    auto now = std::chrono::steady_clock::now();
    if (!state->token.empty() && !rejected && now < state->read + std::chrono::minutes(1)) {
      return Credential{"Bearer " + state->token, "", ""};
    }
    auto token = ReadFile(path_, size_t{1} << 20);
    if (!token) {
      // The old one may still be good while the volume is being switched over.
      if (!state->token.empty()) return Credential{"Bearer " + state->token, "", ""};
      return Unexpected(token.error().WithContext("cannot read the token of the API server"));
    }
    while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
    state->token = std::move(*token);
    state->read = now;
    return Credential{"Bearer " + state->token, "", ""};
  }

 private:
  struct State {
    std::string token;
    SteadyTime read;
  };
  std::string path_;
  Guarded<State> state_;
};

class ExecPlugin : public Credentials {
 public:
  explicit ExecPlugin(ClientConfig config) : config_(std::move(config)) {}

  Result<Credential> Get(bool rejected, std::stop_token stop) override {
    auto state = state_.Acquire();  // one run at a time: plugins may ask a person
    auto now = std::chrono::system_clock::now();
    if (state->valid && !rejected && now < state->expires) return state->credential;
    KINGLET_TRY(Json status, RunExecPlugin(*config_.exec, config_, stop));
    Credential credential;
    if (const std::string& token = status["token"].AsString(); !token.empty()) {
      credential.authorization = "Bearer " + token;
    }
    credential.cert_pem = status["clientCertificateData"].AsString();
    credential.key_pem = status["clientKeyData"].AsString();
    if (credential == Credential()) {
      return Fail(Code::kUnauthenticated,
                  "the exec plugin {} gave neither a token nor a certificate",
                  config_.exec->command);
    }
    state->expires = WallTime::max();
    if (const std::string& text = status["expirationTimestamp"].AsString(); !text.empty()) {
      KINGLET_TRY(state->expires, ParseRfc3339(text));
    }
    state->credential = credential;
    state->valid = true;
    return credential;
  }

 private:
  struct State {
    bool valid = false;
    Credential credential;
    WallTime expires;
  };
  ClientConfig config_;
  Guarded<State> state_;
};

}  // namespace

std::unique_ptr<Credentials> MakeCredentials(const ClientConfig& config) {
  if (config.exec) return std::make_unique<ExecPlugin>(config);
  if (!config.token_file.empty()) return std::make_unique<TokenFile>(config.token_file);
  if (!config.bearer_token.empty()) {
    return std::make_unique<Fixed>("Bearer " + config.bearer_token);
  }
  if (!config.username.empty()) {
    return std::make_unique<Fixed>("Basic " +
                                   Base64Encode(config.username + ":" + config.password));
  }
  return std::make_unique<Fixed>("");
}

}  // namespace kinglet::kube
