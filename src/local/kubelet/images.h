// Which program an image name stands for. Pure.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kinglet::kubelet {

// An image that is one of our programs. `repository` is matched against the last path parts of the
// image's name, without registry, tag and digest: "kserve/sklearnserver" matches
// "docker.io/kserve/sklearnserver:v0.15.0".
struct ImageRule {
  std::string repository;
  // The image's ENTRYPOINT. A first word without "/" is looked up in the folder of binaries. The
  // container's `command` replaces it, its `args` follow it. $(NAME) is expanded; KINGLET_HOST is
  // the address to listen on.
  std::vector<std::string> entrypoint;
  // The program fetches models for the pod: it uses the host's network, and sees the paths of the
  // file:// URIs among its arguments. Holds for the entry point only, not for another `command`.
  bool downloads = false;
};

struct ResolvedImage {
  std::vector<std::string> entrypoint;  // absolute program and its first arguments
  bool downloads = false;
};

// The images this installation knows.
std::vector<ImageRule> BuiltInImages();

// "docker.io/kserve/sklearnserver:v1@sha256:..." -> "kserve/sklearnserver" (registry host, tag and
// digest removed).
std::string ImageRepository(std::string_view image);

class ImageTable {
 public:
  ImageTable(std::filesystem::path bin_dir, std::vector<ImageRule> extra);

  // kFailedPrecondition for an image that is not ours: the message says why it is refused and
  // what to do; kNotFound when the program is missing from the folder of binaries.
  Result<ResolvedImage> Resolve(std::string_view image) const;

 private:
  std::filesystem::path bin_dir_;
  std::vector<ImageRule> rules_;
};

}  // namespace kinglet::kubelet
