// https://[user@]host/....git: the files of a repository's default branch, by a clone of depth one
// over Git's smart HTTP protocol, version 2. https://git-scm.com/docs/protocol-v2
#include <fcntl.h>

#include "base/encoding.h"
#include "base/uri.h"
#include "storage/git_pack.h"
#include "storage/plugin.h"
#include "storage/scheme.h"
#include "storage/web.h"

namespace kinglet::storage {

namespace {

constexpr size_t kMaxAnswer = size_t{4} << 20;
constexpr std::string_view kAnswer = "answer";  // the only object: what the server says to a fetch

class GitSource final : public Source {
 public:
  GitSource(std::string uri, std::string url, std::string authorization,
            std::unique_ptr<http::Client> client)
      : uri_(std::move(uri)),
        url_(std::move(url)),
        authorization_(std::move(authorization)),
        client_(std::move(client)) {}

  Result<Listing> List(const Context& context) override {
    context_ = context;
    KINGLET_RETURN_IF_ERROR(Greet());
    KINGLET_TRY(commit_, FindHead());
    Listing listing;
    listing.archive = false;
    listing.objects.push_back(
        {.path = std::string(kAnswer), .locator = uri_, .etag = commit_, .ranges = false});
    return listing;
  }

  Result<http::ClientRequest> Read(const Object&, uint64_t, uint64_t, bool) override {
    return Command("fetch", {"want " + commit_ + "\n", "deepen 1\n", "no-progress\n", "ofs-delta\n",
                             "done\n"});
  }

  http::Client& client() override { return *client_; }
  bool assembles() const override { return true; }

  Result<std::vector<StagedFile>> Assemble(int raw, int folder, const ArchiveLimits& limits,
                                           std::stop_token stop) override {
    KINGLET_TRY(Fd answer, CreateBeneath(raw, std::string(kAnswer), O_RDONLY));
    KINGLET_TRY(Fd pack, CreateBeneath(raw, "pack", O_RDWR | O_CREAT | O_TRUNC));
    KINGLET_RETURN_IF_ERROR(DemultiplexPack(answer.get(), pack.get()));
    KINGLET_TRY(auto files, CheckOut(pack.get(), commit_, folder, limits, std::move(stop)));
    if (files.empty()) {
      return Fail(Code::kNotFound, "Failed to fetch model. No model found in {}.", uri_);
    }
    return files;
  }

  Error StatusError(const Object&, const http::ClientResponse& head) const override {
    std::string why = DescribeStatus(head);
    if (head.status == 401 || head.status == 403 || head.status == 404) {
      why += authorization_.empty() ? " (a private repository needs GIT_USERNAME and GIT_PASSWORD)"
                                    : " (with the given GIT_PASSWORD)";
    }
    return Error(CodeFromHttpStatus(head.status), fmt::format("Git: {}: {}", uri_, why));
  }

 private:
  void Prepare(http::ClientRequest& request) const {
    request.headers.Add("Git-Protocol", "version=2");
    request.headers.Add("Accept-Encoding", "identity");
    if (!authorization_.empty()) request.headers.Add("Authorization", authorization_);
    request.stop = context_.stop;
    request.deadline = context_.deadline;
    request.stall_timeout = context_.stall_timeout;
  }

  http::ClientRequest Command(std::string_view command, std::vector<std::string> arguments) const {
    http::ClientRequest request;
    request.method = "POST";
    request.url = url_ + "/git-upload-pack";
    Prepare(request);
    request.headers.Add("Content-Type", "application/x-git-upload-pack-request");
    request.headers.Add("Accept", "application/x-git-upload-pack-result");
    request.body = PktLine(fmt::format("command={}\n", command));
    request.body += PktLine("object-format=sha1");
    request.body += kPktDelimiter;
    for (const std::string& argument : arguments) request.body += PktLine(argument);
    request.body += kPktFlush;
    return request;
  }

  // Learns that the server speaks version 2, and where it lies after redirects.
  Status Greet() {
    http::ClientRequest request;
    constexpr std::string_view kService = "/info/refs?service=git-upload-pack";
    request.url = fmt::format("{}{}", url_, kService);
    Prepare(request);
    KINGLET_TRY(auto response, client_->Do(request, kMaxAnswer));
    if (response.status != 200) return Unexpected(StatusError({}, response));
    if (response.final_url.ends_with(kService)) {
      std::string moved = response.final_url.substr(0, response.final_url.size() - kService.size());
      // Credentials are for the host they were given for.
      auto from = Uri::Parse(url_), to = Uri::Parse(moved);
      bool same = from && to && from->Origin() == to->Origin();
      if (!same) authorization_.clear();
      url_ = std::move(moved);
    }
    std::string_view body = response.body;
    for (int lines = 0; !body.empty() && lines < 4; ++lines) {
      int mark = 0;
      KINGLET_TRY(std::string_view line, TakePktLine(body, &mark));
      if (line == "version 2\n" || line == "version 2") return {};
    }
    return Fail(Code::kUnimplemented, "Git: {} does not speak version 2 of Git's protocol", uri_);
  }

  Result<std::string> FindHead() {
    KINGLET_TRY(auto response, client_->Do(Command("ls-refs", {"ref-prefix HEAD\n"}), kMaxAnswer));
    if (response.status != 200) return Unexpected(StatusError({}, response));
    std::string_view body = response.body;
    while (!body.empty()) {
      int mark = 0;
      KINGLET_TRY(std::string_view line, TakePktLine(body, &mark));
      if (mark == 0) break;
      if (line.ends_with('\n')) line.remove_suffix(1);
      std::string_view name = line.substr(0, 40);
      if (line.substr(name.size()) == " HEAD" && HexDecode(name)) return std::string(name);
    }
    return Fail(Code::kNotFound, "Git: {} has no default branch", uri_);
  }

  std::string uri_, url_, authorization_, commit_;
  std::unique_ptr<http::Client> client_;
  Context context_;  // List's
};

bool Recognises(std::string_view uri) {
  return (uri.starts_with("https://") || uri.starts_with("http://")) && uri.ends_with(".git");
}

Result<std::unique_ptr<Source>> Open(std::string_view uri, const Environment& environment) {
  KINGLET_TRY(Uri parsed, Uri::Parse(uri));
  std::string user = environment.Get("GIT_USERNAME"), password = environment.Get("GIT_PASSWORD");
  if (!parsed.userinfo.empty()) {
    // A password in the URI would lie in logs and specs: only the user's name is taken.
    KINGLET_TRY(user, UrlDecode(parsed.userinfo.substr(0, parsed.userinfo.find(':'))));
  }
  parsed.userinfo.clear();
  std::string authorization;
  if (!password.empty()) {
    authorization = "Basic " + Base64Encode(fmt::format("{}:{}", user, password));
  }
  KINGLET_TRY(auto options, WebOptions(environment));
  RestrictToPublic(options, environment);
  options.max_redirects = 5;
  options.user_agent = "git/kinglet";
  return std::make_unique<GitSource>(RedactUri(uri), parsed.ToString(), std::move(authorization),
                                     http::Client::Make(std::move(options)));
}

}  // namespace

Plugin Plugin_git() {
  return {.order = 40,
          .prefixes = {},
          .form = "https://{}.git",
          .recognises = Recognises,
          .open = Open};
}

}  // namespace kinglet::storage
