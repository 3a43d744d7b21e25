#include "local/kubelet/volumes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"
#include "kube/object.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

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
  KINGLET_RETURN_IF_ERROR(MakeFolder(folder));
  for (const FileToWrite& file : files) {
    KINGLET_RETURN_IF_ERROR(CheckRelative(file.path));
    fs::path path = folder / file.path;
    KINGLET_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
    KINGLET_RETURN_IF_ERROR(WritePlain(path, file));
  }
  return {};
}

class Preparer {
 public:
  Preparer(const PodFacts& facts, const ObjectSource& objects, const VolumeFolders& folders)
      : facts_(facts), objects_(objects), folders_(folders) {}

  Result<fs::path> Prepare(const Json& volume) {
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
      KINGLET_RETURN_IF_ERROR(MakeFolder(own));
      chmod(own.c_str(), 0777);
      return own;
    }
    KINGLET_RETURN_IF_ERROR(WriteAll(own, files));
    return own;
  }

 private:
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

  Result<fs::path> HostPath(const Json& source) {
    const fs::path path = source["path"].AsString();
    const std::string& type = source["type"].AsString();
    if (!path.is_absolute()) {
      return Fail(Code::kInvalidArgument, "hostPath {} is not absolute", path.string());
    }
    std::error_code error;
    if (!fs::exists(path, error)) {
      if (type == "DirectoryOrCreate") {
        KINGLET_RETURN_IF_ERROR(MakeFolder(path));
      } else if (type == "FileOrCreate") {
        KINGLET_RETURN_IF_ERROR(WriteFileAtomic(path, ""));
      } else {
        return Fail(Code::kNotFound, "hostPath {} does not exist on this machine", path.string());
      }
    }
    if ((type == "Directory" && !fs::is_directory(path, error)) ||
        (type == "File" && !fs::is_regular_file(path, error))) {
      return Fail(Code::kFailedPrecondition, "hostPath {} is not a {}", path.string(), type);
    }
    return path;
  }

  Result<fs::path> Claim(const Json& source) {
    const std::string& name = source["claimName"].AsString();
    KINGLET_TRY(Json claim, objects_(kube::kPersistentVolumeClaim, name));
    if (claim["status"]["phase"].AsString() != "Bound") {
      return Fail(Code::kFailedPrecondition, "PersistentVolumeClaim {} is not bound", name);
    }
    const std::string& volume_name = claim["spec"]["volumeName"].AsString();
    if (volume_name.empty()) {
      // Provisioned on the spot: a folder that lives as long as the data folder.
      fs::path folder = folders_.claims_dir / name;
      KINGLET_RETURN_IF_ERROR(MakeFolder(folder));
      return folder;
    }
    KINGLET_TRY(Json volume, objects_(kube::kPersistentVolume, volume_name));
    for (const char* kind : {"hostPath", "local"}) {
      if (!volume["spec"].Has(kind)) continue;
      Json source = volume["spec"][kind];
      // Folders of ours: the data folder may be moved.
      source.Set("path", (folders_.data_dir / source["path"].AsString()).string());
      return HostPath(source);
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

Result<std::map<std::string, fs::path>> PrepareVolumes(const PodFacts& facts,
                                                       const ObjectSource& objects,
                                                       const VolumeFolders& folders) {
  Preparer preparer(facts, objects, folders);
  std::map<std::string, fs::path> volumes;
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
                                              const std::map<std::string, fs::path>& volumes,
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
    fs::path source = volume->second;
    std::string sub = mount["subPath"].AsString();
    if (const std::string& pattern = mount["subPathExpr"].AsString(); !pattern.empty()) {
      sub = ExpandVariables(pattern, environment);
    }
    if (!sub.empty()) {
      KINGLET_RETURN_IF_ERROR(CheckRelative(sub));
      std::error_code error;
      if (!fs::exists(source / sub, error)) KINGLET_RETURN_IF_ERROR(MakeFolder(source / sub));
      // A link inside the volume must not lead out of it.
      fs::path base = fs::canonical(source, error);
      fs::path inner = fs::canonical(source / sub, error);
      auto [end, at] = std::mismatch(base.begin(), base.end(), inner.begin(), inner.end());
      if (error || end != base.end()) {
        return Fail(Code::kInvalidArgument, "subPath \"{}\" leads out of volume {}", sub, name);
      }
      source = inner;
    }
    mounts.push_back({source.string(), target, mount["readOnly"].AsBool()});
  }
  std::stable_sort(mounts.begin(), mounts.end(),
                   [](const auto& a, const auto& b) { return a.target.size() < b.target.size(); });
  return mounts;
}

}  // namespace kinglet::kubelet
