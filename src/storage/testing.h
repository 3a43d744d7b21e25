// For tests of schemes: downloads into a folder that goes with the test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/file.h"
#include "storage/destination.h"
#include "storage/downloader.h"

namespace kinglet::storage {

using Files = std::map<std::string, std::string>;  // contents by name

class DownloadFixture : public testing::Test {
 protected:
  void SetUp() override {
    options_.fetch.first_backoff = std::chrono::milliseconds(1);
    options_.fetch.chunk_bytes = 1000;
    options_.environment.Set("HOME", root_.string());
  }

  // Files of the model by name, or the error's text as "error".
  Files Get(std::string_view uri) {
    const std::filesystem::path to = root_ / fmt::format("model-{}", count_++);
    auto result = Download(uri, to, options_);
    if (!result) return {{"error", result.error().message()}};
    Files files;
    for (auto& entry : std::filesystem::recursive_directory_iterator(to)) {
      std::string name = entry.path().lexically_relative(to);
      if (entry.is_regular_file() && name != kCompleteMarker) files[name] = *ReadFile(entry.path());
    }
    return files;
  }

 private:
  const TemporaryFolder folder_ = *TemporaryFolder::Make("kinglet-storage");

 protected:
  const std::filesystem::path root_ = folder_.path();
  DownloadOptions options_;

 private:
  int count_ = 0;
};

}  // namespace kinglet::storage
