// Credential plugins: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
// #client-go-credential-plugins
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "kube/credentials.h"

extern char** environ;

namespace kinglet::kube {
namespace {

constexpr auto kPatience = std::chrono::minutes(2);  // a plugin may open a browser
constexpr size_t kMaxOutput = size_t{1} << 20;

std::vector<std::string> PluginEnvironment(const ExecCredentialPlugin& plugin,
                                           const ClientConfig& config) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry; ++entry) {
    std::string_view text = *entry;
    bool replaced = text.starts_with("KUBERNETES_EXEC_INFO=");
    for (const auto& [name, value] : plugin.env) replaced |= text.starts_with(name + "=");
    if (!replaced) out.emplace_back(text);
  }
  for (const auto& [name, value] : plugin.env) out.push_back(name + "=" + value);
  Json spec = Json::MakeObject({{"interactive", isatty(STDIN_FILENO) == 1}});
  if (plugin.provide_cluster_info) {
    Json cluster = Json::MakeObject({{"server", config.server}});
    if (!config.http.tls_server_name.empty()) {
      cluster.Set("tls-server-name", config.http.tls_server_name);
    }
    if (config.http.insecure_skip_verify) cluster.Set("insecure-skip-tls-verify", true);
    std::string ca = config.http.ca_pem;
    if (ca.empty() && !config.http.ca_file.empty()) {
      if (auto text = ReadFile(config.http.ca_file, kMaxOutput)) ca = *text;
    }
    if (!ca.empty()) cluster.Set("certificate-authority-data", Base64Encode(ca));
    spec.Set("cluster", std::move(cluster));
  }
  Json info = Json::MakeObject(
      {{"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", std::move(spec)}});
  out.push_back("KUBERNETES_EXEC_INFO=" + info.Dump());
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// A child process that is killed and reaped when it goes out of scope.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  int Wait() {
    int status = -1;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

Result<std::string> ReadToEnd(int fd, std::stop_token stop) {
  Deadline deadline = Deadline::After(kPatience);
  std::string output;
  while (true) {
    if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    if (deadline.Expired()) return Fail(Code::kDeadlineExceeded, "it did not end in time");
    pollfd item{fd, POLLIN, 0};
    int ready = poll(&item, 1, 100);
    if (ready < 0 && errno != EINTR) return Unexpected(ErrnoError("poll", errno));
    if (ready <= 0) continue;
    char buffer[4096];
    ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unexpected(ErrnoError("read", errno));
    if (count == 0) return output;
    output.append(buffer, static_cast<size_t>(count));
    if (output.size() > kMaxOutput) {
      return Fail(Code::kResourceExhausted, "it printed more than {} bytes", kMaxOutput);
    }
  }
}

Result<std::string> Capture(const ExecCredentialPlugin& plugin, const ClientConfig& config,
                            std::stop_token stop) {
  std::vector<std::string> words = {plugin.command};
  words.insert(words.end(), plugin.args.begin(), plugin.args.end());
  std::vector<std::string> environment = PluginEnvironment(plugin, config);
  std::vector<char*> argv = Pointers(words), envp = Pointers(environment);

  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return Unexpected(ErrnoError("pipe", errno));
  Fd out(pipe_fds[0]), in(pipe_fds[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
  pid_t pid = -1;
  int error =
      posix_spawnp(&pid, plugin.command.c_str(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error) return Unexpected(ErrnoError("cannot run it", error));
  Child child(pid);
  in.Reset();
  KINGLET_TRY(std::string output, ReadToEnd(out.get(), stop));
  int status = child.Wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Fail(Code::kUnauthenticated, "it failed with exit status {}",
                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  return output;
}

Result<Json> Run(const ExecCredentialPlugin& plugin, const ClientConfig& config,
                 std::stop_token stop) {
  KINGLET_TRY(std::string output, Capture(plugin, config, stop));
  KINGLET_TRY(Json credential, Json::Parse(output));
  if (credential["kind"].AsString() != "ExecCredential" ||
      credential["apiVersion"].AsString() != plugin.api_version) {
    return Fail(Code::kInvalidArgument, "it did not print an ExecCredential of {}",
                plugin.api_version);
  }
  return credential["status"];
}

}  // namespace

Result<Json> RunExecPlugin(const ExecCredentialPlugin& plugin, const ClientConfig& config,
                           std::stop_token stop) {
  auto status = Run(plugin, config, stop);
  if (status) return status;
  Error error = status.error().WithContext(fmt::format("credential plugin {}", plugin.command));
  if (!plugin.install_hint.empty()) {
    error = Error(error.code(), error.message() + "\n\n" + plugin.install_hint);
  }
  return Unexpected(std::move(error));
}

}  // namespace kinglet::kube
