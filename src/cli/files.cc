#include "cli/files.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/yaml.h"

namespace kinglet::cli {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxFile = size_t{64} << 20;

bool IsManifest(const fs::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml" || path.extension() == ".json";
}

Result<std::vector<std::string>> FilesOf(const std::string& path, bool recursive) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector{path};
  std::vector<std::string> files;
  auto add = [&](const fs::directory_entry& entry) {
    if (entry.is_regular_file(error) && IsManifest(entry.path())) {
      files.push_back(entry.path().string());
    }
  };
  if (recursive) {
    for (auto it = fs::recursive_directory_iterator(path, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      add(*it);
    }
  } else {
    for (auto it = fs::directory_iterator(path, error); !error && it != fs::directory_iterator();
         it.increment(error)) {
      add(*it);
    }
  }
  if (error) return Fail(Code::kNotFound, "cannot read {}: {}", path, error.message());
  if (files.empty()) {
    return Fail(Code::kNotFound, "{} holds no .yaml, .yml or .json files", path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status AddText(std::string_view text, const std::string& source, std::vector<Document>& out) {
  auto parsed = ParseYamlDocuments(text);
  if (!parsed) return Unexpected(parsed.error().WithContext(source));
  for (Json& document : *parsed) {
    if (document.IsNull()) continue;
    if (!document.IsObject()) {
      return Fail(Code::kInvalidArgument, "{}: a document is {}, not an object", source,
                  document.TypeName());
    }
    const Json* items = document.Find("items");
    if (items && items->IsArray() && document["kind"].AsString().ends_with("List")) {
      for (const Json& item : items->AsArray()) out.push_back({item, source});
    } else {
      out.push_back({std::move(document), source});
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Document>> ReadDocuments(Context& context, const std::vector<std::string>& paths,
                                            bool recursive) {
  std::vector<Document> out;
  for (const std::string& path : paths) {
    if (path == "-") {
      KINGLET_TRY(std::string text, context.read_stdin());
      KINGLET_RETURN_IF_ERROR(AddText(text, "stdin", out));
      continue;
    }
    if (path.starts_with("http://") || path.starts_with("https://")) {
      return Fail(Code::kInvalidArgument, "{}: download it first, URLs are not read", path);
    }
    KINGLET_TRY(std::vector<std::string> files, FilesOf(path, recursive));
    for (const std::string& file : files) {
      KINGLET_TRY(std::string text, ReadFile(file, kMaxFile));
      KINGLET_RETURN_IF_ERROR(AddText(text, file, out));
    }
  }
  if (out.empty()) return Fail(Code::kInvalidArgument, "no objects given");
  return out;
}

}  // namespace kinglet::cli
