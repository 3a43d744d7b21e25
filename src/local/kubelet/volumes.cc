#include "local/kubelet/volumes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"
#include "kube/object.h"
#include "local/kubelet/host_path.h"
#include "local/kubelet/pod/open.h"
#include "local/kubelet/remove_tree.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSharedMounts = 100;  // their descriptors travel in one packet

struct FileToWrite {
  std::string path;  // relative to the volume
  std::string bytes;
  int mode = 0644;
};

// A relative path without "..": what the API allows in items[].path and subPath.
Status CheckRelative(std::string_view path) {
  fs::path parsed(path);
  bool climbs = std::any_of(parsed.begin(), parsed.end(), [](auto& part) { return part == ".."; });
  if (path.empty() || parsed.is_absolute() || climbs) {
    return Fail(Code::kInvalidArgument, "\"{}\" must be a relative path without \"..\"", path);
  }
  return {};
}

Status MakeFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return Fail(Code::kInternal, "cannot make the folder {}: {}", path.string(), error.message());
  }
  return {};
}

// With a mode of its own, whatever the umask says, if it does not exist yet.
Status MakeFolder(const fs::path& path, mode_t mode) {
  if (mkdir(path.c_str(), 0700) == 0) {
    chmod(path.c_str(), mode);
    return {};
  }
  if (errno == EEXIST) return {};
  return Unexpected(ErrnoError("cannot make the folder " + path.string(), errno));
}

// A folder of the data folder, in one that nobody but the kubelet enters.
Status MakeOwnFolder(const fs::path& path, mode_t mode) {
  KINGLET_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
  chmod(path.parent_path().c_str(), 0700);
  return MakeFolder(path, mode);
}

// Kubernetes leaves access modes to the driver of the volume, which is the kubelet here.
bool IsReadOnly(const Json& persistent_volume) {
  const auto& modes = persistent_volume["spec"]["accessModes"].AsArray();
  return !modes.empty() && std::all_of(modes.begin(), modes.end(), [](const Json& mode) {
    return mode.AsString() == "ReadOnlyMany";
  });
}

// Without the sync of WriteFileAtomic: these files are made again at every start.
Status WritePlain(const fs::path& path, const FileToWrite& file) {
  std::error_code error;
  fs::remove(path, error);
  Fd fd(open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (!fd) return Unexpected(ErrnoError("cannot make " + path.string(), errno));
  for (std::string_view left = file.bytes; !left.empty();) {
    ssize_t count = write(fd.get(), left.data(), left.size());
    if (count < 0 && errno != EINTR) {
      return Unexpected(ErrnoError("cannot write " + path.string(), errno));
    }
    if (count > 0) left.remove_prefix(static_cast<size_t>(count));
  }
  fchmod(fd.get(), static_cast<mode_t>(file.mode & 0777));
  return {};
}

Status WriteAll(const fs::path& folder, const std::vector<FileToWrite>& files) {
  for (const FileToWrite& file : files) {
    KINGLET_RETURN_IF_ERROR(CheckRelative(file.path));
    fs::path inner = folder;
    for (const fs::path& part : fs::path(file.path).parent_path()) {
      KINGLET_RETURN_IF_ERROR(MakeFolder(inner /= part, 0755));
    }
    KINGLET_RETURN_IF_ERROR(WritePlain(folder / file.path, file));
  }
  return {};
}

class Preparer {
 public:
  Preparer(const PodFacts& facts, const ObjectSource& objects, const VolumeFolders& folders)
      : facts_(facts), objects_(objects), folders_(folders) {}

  Result<Volume> Prepare(const Json& volume) {
    const fs::path own = folders_.pod_dir / "volumes" / volume["name"].AsString();
    if (volume.Has("hostPath")) return HostPath(volume["hostPath"]);
    if (volume.Has("persistentVolumeClaim")) return Claim(volume["persistentVolumeClaim"]);
    if (volume.Has("nfs") || volume.Has("csi") || volume.Has("iscsi") || volume.Has("ephemeral") ||
        volume.Has("image")) {
      return Fail(
          Code::kUnimplemented,
          "this kind of volume is not available in standalone mode; use emptyDir, hostPath, "
          "configMap, secret, projected, downwardAPI or a persistentVolumeClaim");
    }
    std::vector<FileToWrite> files;
    if (volume.Has("configMap")) {
      KINGLET_RETURN_IF_ERROR(AddObject(kube::kConfigMap, volume["configMap"], "name", files));
    } else if (volume.Has("secret")) {
      KINGLET_RETURN_IF_ERROR(AddObject(kube::kSecret, volume["secret"], "secretName", files));
    } else if (volume.Has("downwardAPI")) {
      KINGLET_RETURN_IF_ERROR(AddDownward(volume["downwardAPI"], files));
    } else if (volume.Has("projected")) {
      KINGLET_RETURN_IF_ERROR(AddProjected(volume["projected"], files));
    } else {  // emptyDir, also when no source is named
      KINGLET_RETURN_IF_ERROR(MakeOwnFolder(own, 0777));
      KINGLET_RETURN_IF_ERROR(Give(own));
      return Volume{.path = own};
    }
    // Made anew: nothing that was put there meanwhile leads the writes below elsewhere.
    KINGLET_RETURN_IF_ERROR(RemoveTree(own));
    KINGLET_RETURN_IF_ERROR(MakeOwnFolder(own, 0755));
    KINGLET_RETURN_IF_ERROR(WriteAll(own, files));
    KINGLET_RETURN_IF_ERROR(Give(own));
    return Volume{.path = own, .read_only = true};
  }

 private:
  // Gives a volume to the pod. Earlier versions left all of them to root.
  Status Give(const fs::path& own) {
    KINGLET_TRY(Fd fd, pod::OpenCanonical(own.string()));
    return GiveTree(fd.get(), folders_.pod_id);
  }

  Status AddObject(const kube::ResourceType& type, const Json& source, std::string_view name_key,
                   std::vector<FileToWrite>& files) {
    const std::string& name = source[name_key].AsString();
    auto object = objects_(type, name);
    if (!object) {
      if (object.error().code() != Code::kNotFound) return Unexpected(object.error());
      if (source["optional"].AsBool()) return {};
      return Fail(Code::kNotFound, "{} \"{}\" not found",
                  type.plural.substr(0, type.plural.size() - 1), name);
    }
    std::map<std::string, std::string> data;
    for (const auto& [key, value] : (*object)["data"].AsObject()) {
      if (type.kind == "Secret") {
        KINGLET_TRY(data[key], Base64Decode(value.AsString()));
      } else {
        data[key] = value.AsString();
      }
    }
    for (const auto& [key, value] : (*object)["binaryData"].AsObject()) {
      KINGLET_TRY(data[key], Base64Decode(value.AsString()));
    }
    int mode = static_cast<int>(source["defaultMode"].AsInt(0644));
    if (source["items"].empty()) {
      for (auto& [key, bytes] : data) files.push_back({key, std::move(bytes), mode});
      return {};
    }
    for (const Json& item : source["items"].AsArray()) {
      const std::string& key = item["key"].AsString();
      auto it = data.find(key);
      if (it == data.end()) {
        if (source["optional"].AsBool()) continue;
        return Fail(Code::kNotFound, "{} \"{}\" has no key \"{}\"",
                    type.plural.substr(0, type.plural.size() - 1), name, key);
      }
      files.push_back(
          {item["path"].AsString(), it->second, static_cast<int>(item["mode"].AsInt(mode))});
    }
    return {};
  }

  Status AddDownward(const Json& source, std::vector<FileToWrite>& files) {
    int mode = static_cast<int>(source["defaultMode"].AsInt(0644));
    for (const Json& item : source["items"].AsArray()) {
      std::string text;
      if (item.Has("fieldRef")) {
        KINGLET_TRY(text, ReadField(facts_, item["fieldRef"]["fieldPath"].AsString()));
      } else {
        KINGLET_TRY(text, ReadResource(facts_, item["resourceFieldRef"], Json()));
      }
      files.push_back(
          {item["path"].AsString(), std::move(text), static_cast<int>(item["mode"].AsInt(mode))});
    }
    return {};
  }

  Status AddProjected(const Json& projected, std::vector<FileToWrite>& files) {
    for (const Json& source : projected["sources"].AsArray()) {
      if (source.Has("configMap")) {
        KINGLET_RETURN_IF_ERROR(AddObject(kube::kConfigMap, source["configMap"], "name", files));
      } else if (source.Has("secret")) {
        KINGLET_RETURN_IF_ERROR(AddObject(kube::kSecret, source["secret"], "name", files));
      } else if (source.Has("downwardAPI")) {
        KINGLET_RETURN_IF_ERROR(AddDownward(source["downwardAPI"], files));
      } else if (source.Has("serviceAccountToken")) {
        const Json& token = source["serviceAccountToken"];
        files.push_back({token["path"].StringOr("token"), Token(token), 0600});
      } else {
        return Fail(Code::kUnimplemented, "a projected source of an unknown kind");
      }
    }
    return {};
  }

  // An unsigned JWT that names the service account: standalone mode issues no credentials, and
  // programs only need the file to be there and to parse.
  std::string Token(const Json& source) {
    const Json& pod = *facts_.pod;
    std::string account = pod["spec"]["serviceAccountName"].StringOr("default");
    Json claims = Json::MakeObject(
        {{"sub", fmt::format("system:serviceaccount:{}:{}", kube::Namespace(pod), account)},
         {"aud", source["audience"].StringOr("kinglet")}});
    auto part = [](const std::string& text) {
      std::string encoded = Base64Encode(text);
      std::erase(encoded, '=');
      std::replace(encoded.begin(), encoded.end(), '+', '-');
      std::replace(encoded.begin(), encoded.end(), '/', '_');
      return encoded;
    };
    return part(R"({"alg":"none","typ":"JWT"})") + "." + part(claims.Dump()) + ".";
  }

  Result<Volume> HostPath(const Json& source) {
    const fs::path path = source["path"].AsString();
    if (!path.is_absolute()) {
      return Fail(Code::kInvalidArgument, "hostPath {} is not absolute", path.string());
    }
    KINGLET_TRY(fs::path leads, CheckHostPath(path, folders_.data_dir));
    KINGLET_RETURN_IF_ERROR(FindOrMake(leads, source["type"].AsString()));
    return Volume{.path = std::move(leads)};
  }

  // `path` is canonical as far as it exists.

  Status FindOrMake(const fs::path& path, const std::string& type) {
    std::error_code error;
    if (!fs::exists(path, error)) {
      if (type == "DirectoryOrCreate") {
        KINGLET_RETURN_IF_ERROR(MakeBeneath(path));
      } else if (type == "FileOrCreate") {
        KINGLET_TRY(Fd folder, pod::OpenCanonical(path.parent_path().string()));
        Fd file(openat(folder.get(), path.filename().c_str(),
                       O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644));
        if (!file) return Unexpected(ErrnoError("cannot make " + path.string(), errno));
      } else {
        return Fail(Code::kNotFound, "hostPath {} does not exist on this machine", path.string());
      }
    }
    if ((type == "Directory" && !fs::is_directory(path, error)) ||
        (type == "File" && !fs::is_regular_file(path, error))) {
      return Fail(Code::kFailedPrecondition, "hostPath {} is not a {}", path.string(), type);
    }
    return {};
  }

  // Makes a folder where others may rename what lies on the way.
  Status MakeBeneath(const fs::path& path) {
    fs::path base = path;
    std::error_code error;
    while (!fs::exists(base, error) && base.has_relative_path()) base = base.parent_path();
    KINGLET_TRY(Fd made, pod::OpenSource({.source = base.string(),
                                          .target = "",
                                          .sub = path.lexically_relative(base).string()}));
    return {};
  }

  // A volume whose path is not absolute: the data folder may be moved.
  Result<Volume> DataPath(const Json& source) {
    const fs::path& relative = source["path"].AsString();
    if (auto checked = CheckRelative(relative.string()); !checked) {
      return Unexpected(checked.error().WithContext("path"));
    }
    KINGLET_TRY(fs::path path, CheckDataPath(relative, folders_.data_dir));
    KINGLET_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
    KINGLET_RETURN_IF_ERROR(FindOrMake(path, source["type"].AsString()));
    KINGLET_TRY(Fd opened, pod::OpenCanonical(path.string()));
    return Volume{.path = path, .shared = true};
  }

  Result<Volume> Claim(const Json& source) {
    const std::string& name = source["claimName"].AsString();
    KINGLET_TRY(Json claim, objects_(kube::kPersistentVolumeClaim, name));
    if (claim["status"]["phase"].AsString() != "Bound") {
      return Fail(Code::kFailedPrecondition, "PersistentVolumeClaim {} is not bound", name);
    }
    const std::string& volume_name = claim["spec"]["volumeName"].AsString();
    if (volume_name.empty()) {
      // Provisioned on the spot: a folder that lives as long as the data folder.
      KINGLET_RETURN_IF_ERROR(kube::CheckDnsSubdomain(name));
      fs::path folder = folders_.claims_dir / name;
      KINGLET_RETURN_IF_ERROR(MakeOwnFolder(folder, 0755));
      return Volume{
          .path = std::move(folder), .read_only = source["readOnly"].AsBool(), .shared = true};
    }
    KINGLET_TRY(Json volume, objects_(kube::kPersistentVolume, volume_name));
    const Json& bound = volume["spec"]["claimRef"];
    if (bound.IsObject() && (bound["namespace"].AsString() != kube::Namespace(claim) ||
                             bound["name"].AsString() != kube::Name(claim))) {
      return Fail(
          Code::kPermissionDenied,
          "PersistentVolumeClaim {} names the volume \"{}\", which is bound to the claim {} of "
          "namespace {}",
          name, volume_name, bound["name"].AsString(), bound["namespace"].AsString());
    }
    for (const char* kind : {"hostPath", "local"}) {
      if (!volume["spec"].Has(kind)) continue;
      const Json& place = volume["spec"][kind];
      KINGLET_TRY(Volume found,
                  place["path"].AsString().starts_with('/') ? HostPath(place) : DataPath(place));
      found.read_only = source["readOnly"].AsBool() || IsReadOnly(volume);
      return found;
    }
    return Fail(
        Code::kUnimplemented,
        "persistent volume {} is neither hostPath nor local: standalone mode cannot mount it",
        volume_name);
  }

  const PodFacts& facts_;
  const ObjectSource& objects_;
  const VolumeFolders& folders_;
};

}  // namespace

Result<std::map<std::string, Volume>> PrepareVolumes(const PodFacts& facts,
                                                     const ObjectSource& objects,
                                                     const VolumeFolders& folders) {
  Preparer preparer(facts, objects, folders);
  std::map<std::string, Volume> volumes;
  for (const Json& volume : (*facts.pod)["spec"]["volumes"].AsArray()) {
    const std::string& name = volume["name"].AsString();
    KINGLET_RETURN_IF_ERROR(kube::CheckDnsLabel(name));
    auto path = preparer.Prepare(volume);
    if (!path) {
      return Unexpected(path.error().WithContext(
          fmt::format("MountVolume.SetUp failed for volume \"{}\"", name)));
    }
    volumes[name] = std::move(*path);
  }
  return volumes;
}

Result<std::vector<pod::Mount>> ResolveMounts(const Json& container,
                                              const std::map<std::string, Volume>& volumes,
                                              const Environment& environment) {
  std::vector<pod::Mount> mounts;
  for (const Json& mount : container["volumeMounts"].AsArray()) {
    const std::string& name = mount["name"].AsString();
    std::string target = fs::path(mount["mountPath"].AsString()).lexically_normal().string();
    if (target.size() > 1 && target.ends_with('/')) target.pop_back();
    if (!target.starts_with('/')) target = "/" + target;
    auto volume = volumes.find(name);
    if (volume == volumes.end()) {
      return Fail(Code::kInvalidArgument, "volumeMount {} names no volume of the pod", name);
    }
    std::string sub = mount["subPath"].AsString();
    if (const std::string& pattern = mount["subPathExpr"].AsString(); !pattern.empty()) {
      sub = ExpandVariables(pattern, environment);
    }
    if (!sub.empty()) KINGLET_RETURN_IF_ERROR(CheckRelative(sub));
    mounts.push_back({.source = volume->second.path.string(),
                      .target = std::move(target),
                      .read_only = mount["readOnly"].AsBool() || volume->second.read_only,
                      .sub = std::move(sub),
                      .make_sub = !volume->second.read_only});
  }
  std::stable_sort(mounts.begin(), mounts.end(),
                   [](const auto& a, const auto& b) { return a.target.size() < b.target.size(); });
  return mounts;
}

Status ResolveSources(std::vector<pod::Mount>& mounts) {
  for (pod::Mount& mount : mounts) {
    KINGLET_TRY(Fd source, pod::OpenSource(mount));
    std::error_code error;
    mount.source = fs::read_symlink(fmt::format("/proc/self/fd/{}", source.get()), error).string();
    if (error) return Fail(Code::kInternal, "{}: {}", mount.target, error.message());
    mount.sub.clear();
  }
  return {};
}

Result<std::vector<Fd>> OpenShared(std::vector<pod::Mount>& mounts,
                                   const std::map<std::string, Volume>& volumes, const HostIds& ids,
                                   int64_t pod_id, Fd& map) {
  std::vector<Fd> trees;
  auto is_shared = [&](const pod::Mount& mount) {
    return std::any_of(volumes.begin(), volumes.end(), [&](const auto& entry) {
      return entry.second.shared && entry.second.path == mount.source;
    });
  };
  for (pod::Mount& mount : mounts) {
    if (ids.shared < 0 || !is_shared(mount)) continue;
    if (trees.size() == kMaxSharedMounts) {
      return Fail(Code::kResourceExhausted, "more than {} mounts of claims in one container",
                  kMaxSharedMounts);
    }
    KINGLET_TRY(Fd source, pod::OpenSource(mount));
    KINGLET_RETURN_IF_ERROR(GiveTree(source.get(), ids.shared));
    if (pod_id == ids.shared) continue;
    KINGLET_TRY(Fd tree, pod::CloneTree(source.get()));
    if (!map) {
      KINGLET_TRY(map, MakeIdMap(ids.shared, pod_id));
    }
    KINGLET_RETURN_IF_ERROR(MapTree(tree.get(), map.get()));
    mount.tree = static_cast<int>(trees.size());
    trees.push_back(std::move(tree));
  }
  return trees;
}

}  // namespace kinglet::kubelet
