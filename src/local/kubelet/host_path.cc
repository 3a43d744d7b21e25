#include "local/kubelet/host_path.h"

#include <algorithm>
#include <cstdlib>

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

bool LiesIn(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

// The first folder of the path that programs keep their settings in; "" without.
std::string HiddenFolder(const fs::path& path) {
  for (const fs::path& part : path) {
    const std::string& name = part.native();
    const bool hidden = name.size() > 1 && name[0] == '.' && name[1] != '.';
    if (hidden && name != ".cache" && name != ".local") return name;
  }
  return "";
}

// "" if pods may have what a canonical path names, else why not.
std::string WhyNot(const fs::path& leads, const fs::path& data_dir) {
  static constexpr const char* kSystem[] = {"/boot", "/dev", "/etc",    "/proc",
                                            "/run",  "/sys", "/var/run"};
  if (LiesIn(leads, data_dir)) return "it lies in the folder of kinglet's own data";
  if (LiesIn(data_dir, leads)) return "it holds the folder of kinglet's own data";
  for (const char* system : kSystem) {
    if (LiesIn(leads, system)) {
      return fmt::format("{} belongs to this machine's system. Use a folder of your own", system);
    }
  }
  std::error_code error;
  const char* home = std::getenv("HOME");
  if (home && *home == '/' && LiesIn(fs::weakly_canonical(home, error), leads)) {
    return "it holds the home folder of the user who runs kinglet. Use a folder in it";
  }
  if (std::string hidden = HiddenFolder(leads); !hidden.empty()) {
    return fmt::format("hidden folders as {} hold settings and credentials", hidden);
  }
  return "";
}

// What kinglet itself keeps in its data folder, beside kinglet.db, kinglet.log and what belongs to
// them.
constexpr std::string_view kOwnEntries[] = {"claims", "kubeconfig", "lock",
                                            "pki",    "pods",       "state.json"};

}  // namespace

Result<fs::path> CheckDataPath(const fs::path& relative, const fs::path& data_dir) {
  const fs::path path = relative.lexically_normal();
  const std::string first = path.empty() ? "" : path.begin()->string();
  const bool own =
      std::find(std::begin(kOwnEntries), std::end(kOwnEntries), first) != std::end(kOwnEntries) ||
      first.starts_with("kinglet.");
  if (path.is_absolute() || first.empty() || first == "." || first == ".." || own) {
    return Fail(Code::kPermissionDenied,
                "\"{}\" is not given to pods: it is kinglet's own, not a volume's folder",
                relative.string());
  }
  fs::path whole = data_dir / path;
  if (!whole.has_filename()) whole = whole.parent_path();
  std::error_code error;
  if (fs::weakly_canonical(whole, error) != whole) {
    return Fail(Code::kPermissionDenied, "\"{}\" leads through a symbolic link", relative.string());
  }
  return whole;
}

Result<fs::path> CheckHostPath(const fs::path& path, const fs::path& data_dir) {
  if (std::find(path.begin(), path.end(), "..") != path.end()) {
    return Fail(Code::kInvalidArgument, "{} must not contain '..'", path.string());
  }
  std::error_code error;
  fs::path leads = fs::weakly_canonical(path, error);
  if (error) return Fail(Code::kNotFound, "{}: {}", path.string(), error.message());
  // A slash at the end would be an empty last part.
  if (!leads.has_filename() && leads.has_relative_path()) leads = leads.parent_path();
  if (std::string why = WhyNot(leads, data_dir); !why.empty()) {
    return Fail(Code::kPermissionDenied, "{} is not given to pods: {}", path.string(), why);
  }
  return leads;
}

}  // namespace kinglet::kubelet
