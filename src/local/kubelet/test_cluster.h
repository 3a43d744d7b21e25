// For tests: a kubelet over a fake API, waiting for a pod to be as wanted without polling.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "base/encoding.h"
#include "kube/fake_client.h"
#include "kube/informer.h"
#include "kube/object.h"
#include "local/kubelet/kubelet.h"

namespace kinglet::kubelet {

class TestCluster {
 public:
  explicit TestCluster(IsolationChoice isolation)
      : dir_(std::filesystem::temp_directory_path() / ("kubelet-test-" + RandomSuffix(10))),
        pods_(client, kube::kPod) {
    std::filesystem::create_directories(dir_);
    options.data_dir = dir_;
    options.bin_dir = KINGLET_BIN_DIR;
    options.isolation = isolation;
    options.extra_images = {{"test/sh", {"/bin/sh", "-c"}}, {"test/host", {"/bin/sh", "-c"}, true}};
    pods_.AddHandler({.on_add = [this](const auto&, bool) { Changed(); },
                      .on_update = [this](const auto&, const auto&) { Changed(); },
                      .on_delete = [this](const auto&) { Changed(); }});
    pods_.Start(stop_.get_token());
  }

  ~TestCluster() {
    kubelet.reset();
    stop_.request_stop();
    std::error_code error;
    std::filesystem::remove_all(dir_, error);
  }

  void Start() {
    kubelet = Kubelet::Make(client, options);
    Status started = kubelet->Start();
    ASSERT_TRUE(started.has_value()) << started.error().ToString();
  }

  Json Run(std::string_view name, std::string_view spec) {
    auto parsed = Json::Parse(spec);
    EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
    Json pod = kube::MakeObjectMeta("v1", "Pod", {"default", std::string(name)});
    pod.Set("spec", *parsed);
    auto made = client.Create(kube::kPod, pod);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? *made : Json();
  }

  // The pod once `wanted` holds (null: once it is gone); fails the test after half a minute.
  Json Await(std::string_view name, const std::function<bool(const Json&)>& wanted) {
    std::unique_lock lock(mutex_);
    kube::ObjectPtr found;
    bool came = condition_.wait_for(lock, std::chrono::seconds(30), [&] {
      found = pods_.Get({"default", std::string(name)});
      return found ? wanted && wanted(*found) : !wanted;
    });
    EXPECT_TRUE(came) << name << ": " << (found ? (*found)["status"].DumpPretty() : "gone");
    return found ? *found : Json();
  }
  void AwaitGone(std::string_view name) { Await(name, nullptr); }

  std::string Logs(std::string_view pod, LogOptions log_options = {}, std::string container = "") {
    std::string text;
    Status read = kubelet->ReadLogs("default", std::string(pod), container, log_options,
                                    [&](std::string_view bytes) {
                                      text += bytes;
                                      return Status{};
                                    },
                                    {});
    EXPECT_TRUE(read.has_value()) << read.error().message();
    return text;
  }

  const std::filesystem::path& dir() const { return dir_; }

  kube::FakeClient client;
  Options options;
  std::unique_ptr<Kubelet> kubelet;

 private:
  void Changed() {
    std::lock_guard lock(mutex_);
    condition_.notify_all();
  }

  std::filesystem::path dir_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable condition_;
  kube::Informer pods_;
};

inline bool HasPhase(const Json& pod, std::string_view phase) {
  return pod["status"]["phase"].AsString() == phase;
}

}  // namespace kinglet::kubelet
