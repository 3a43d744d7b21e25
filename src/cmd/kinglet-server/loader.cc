#include "cmd/kinglet-server/loader.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "server/model_files.h"

namespace kinglet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHeadBytes = 4096;

std::vector<runtimes::Plugin> AllFormats() {
  std::vector<runtimes::Plugin> formats;
  for (const auto& entry : runtimes::Plugins()) formats.push_back(entry.make());
  return formats;
}

bool HasExtension(const runtimes::Plugin& format, const fs::path& file) {
  std::string name = file.filename().string();
  return std::ranges::any_of(format.extensions,
                             [&](std::string_view extension) { return name.ends_with(extension); });
}

// The format of a file: by its extension, and by its contents where several share that.
Result<const runtimes::Plugin*> FormatOf(const std::vector<runtimes::Plugin>& formats,
                                         const fs::path& file) {
  std::string head(kHeadBytes, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  std::vector<const runtimes::Plugin*> candidates;
  for (const auto& format : formats) {
    if (HasExtension(format, file)) candidates.push_back(&format);
  }
  if (candidates.size() == 1) return candidates[0];
  for (const auto* format : candidates) {
    if (format->matches(head)) return format;
  }
  return Fail(Code::kInvalidArgument,
              "{} looks like no known model format: name it with --model_format", file.string());
}

Result<std::unique_ptr<server::Model>> LoadAny(const std::vector<runtimes::Plugin>& formats,
                                               const runtimes::LoadOptions& options,
                                               const fs::path& model_dir) {
  std::vector<std::string_view> extensions;
  for (const auto& format : formats) {
    for (std::string_view extension : format.extensions) {
      if (std::ranges::find(extensions, extension) == extensions.end()) {
        extensions.push_back(extension);
      }
    }
  }
  KINGLET_TRY(auto file, server::FindModelFile(model_dir, extensions));
  KINGLET_TRY(const runtimes::Plugin* format, FormatOf(formats, file));
  return runtimes::LoadModelFile(*format, file, options);
}

}  // namespace

Result<server::ModelLoader> MakeLoader(const std::string& format,
                                       const runtimes::LoadOptions& options) {
  auto formats = AllFormats();
  if (format.empty()) {
    return [formats = std::move(formats), options](const fs::path& model_dir) {
      return LoadAny(formats, options, model_dir);
    };
  }
  std::string known;
  for (const auto& candidate : formats) {
    if (candidate.format == format) {
      return [candidate,
              options](const fs::path& model_dir) -> Result<std::unique_ptr<server::Model>> {
        KINGLET_TRY(auto file, server::FindModelFile(model_dir, candidate.extensions));
        return runtimes::LoadModelFile(candidate, file, options);
      };
    }
    known += known.empty() ? "" : ", ";
    known += candidate.format;
  }
  return Fail(Code::kInvalidArgument, "--model_format: unknown format \"{}\" (known: {})", format,
              known);
}

}  // namespace kinglet
