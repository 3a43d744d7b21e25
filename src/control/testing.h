// For tests of controllers against an API server in memory.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/yaml.h"
#include "kube/fake_client.h"
#include "kube/object.h"

namespace kinglet::control {

inline Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value) << value.error().message();
  return value.value_or(Json());
}

inline void Create(kube::FakeClient& client, std::string_view yaml) {
  Json object = Yaml(yaml);
  const kube::ResourceType* type =
      kube::FindKnownResource(kube::ApiVersion(object), kube::Kind(object));
  ASSERT_NE(type, nullptr) << yaml;
  auto created = client.Create(*type, object);
  ASSERT_TRUE(created) << created.error().message();
}

// Merges into the status of what is there.
inline void SetStatus(kube::FakeClient& client, const kube::ResourceType& type,
                      const std::string& name, std::string_view status) {
  auto patched =
      client.Patch(type, {.ns = "ns", .name = name}, kube::PatchType::kMerge,
                   Json::MakeObject({{"status", Yaml(status)}}), {.subresource = "status"});
  ASSERT_TRUE(patched) << patched.error().message();
}

// Looks at an object of a namespace (of any name where it is ""; null: it is not there) until
// `good` holds of it; false where that does not come about in 20 s.
inline bool AwaitState(kube::FakeClient& client, const kube::ResourceType& type,
                       const std::string& name, const std::function<bool(const Json*)>& good,
                       const std::string& ns = "ns") {
  std::stop_source done;
  std::jthread limit([&](std::stop_token ended) {
    std::mutex mutex;
    std::condition_variable_any timer;
    std::unique_lock lock(mutex);
    timer.wait_for(lock, ended, std::chrono::seconds(20), [] { return false; });
    done.request_stop();
  });
  auto named = [&](const Json& object) { return name.empty() || kube::Name(object) == name; };
  const Json list = *client.List(type, ns);
  bool present = false;
  for (const Json& object : list["items"].AsArray()) {
    if (!named(object)) continue;
    present = true;
    if (good(&object)) return true;
  }
  bool found = !present && !name.empty() && good(nullptr);
  if (found) return true;
  kube::WatchOptions from;
  from.resource_version = kube::ResourceVersion(list);
  (void)client.Watch(
      type, ns, from,
      [&](kube::WatchEvent event) -> Status {
        if (found || event.type == kube::WatchEvent::Type::kBookmark || !named(event.object)) {
          return {};
        }
        const bool gone = event.type == kube::WatchEvent::Type::kDeleted;
        found = good(gone ? nullptr : &event.object);
        if (found) done.request_stop();
        return {};
      },
      done.get_token());
  return found;
}

// The object once `good` holds of it; null where it does not come about.
inline Json Await(
    kube::FakeClient& client, const kube::ResourceType& type, const std::string& name,
    const std::function<bool(const Json&)>& good = [](const Json&) { return true; },
    const std::string& ns = "ns") {
  Json result;
  AwaitState(
      client, type, name,
      [&](const Json* object) {
        if (!object || !good(*object)) return false;
        result = *object;
        return true;
      },
      ns);
  return result;
}

inline bool AwaitGone(kube::FakeClient& client, const kube::ResourceType& type,
                      const std::string& name) {
  return AwaitState(client, type, name, [](const Json* object) { return !object; });
}

}  // namespace kinglet::control
