// Addresses of services: every service has one of its own. The kubelet routes by them inside pods.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <set>

#include "local/apiserver/api.h"

namespace kinglet::local {
namespace {

struct Range {
  uint32_t first = 0, count = 0;  // host order
};

Range ParseCidr(const std::string& cidr) {
  Range range;
  size_t slash = cidr.find('/');
  in_addr address{};
  if (slash == std::string::npos ||
      inet_pton(AF_INET, cidr.substr(0, slash).c_str(), &address) != 1) {
    return range;
  }
  int bits = 0;
  std::from_chars(cidr.data() + slash + 1, cidr.data() + cidr.size(), bits);
  if (bits < 8 || bits > 30) return range;
  range.count = uint32_t{1} << (32 - bits);
  range.first = ntohl(address.s_addr) & ~(range.count - 1);
  return range;
}

std::string Text(uint32_t address) {
  in_addr in{htonl(address)};
  char buffer[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &in, buffer, sizeof(buffer)) ? buffer : "";
}

void SetIp(Json& spec, const std::string& ip) {
  spec.Set("clusterIP", ip);
  spec.Set("clusterIPs", Json::MakeArray({ip}));
}

}  // namespace

Status CheckClusterIp(const Store& store, const ObjectRef& ref, const Json& service) {
  const std::string& ip = service.At({"spec", "clusterIP"}).AsString();
  if (ip.empty() || ip == "None") return {};
  for (const RecordPtr& record : store.List("services", "").records) {
    if (record->ref != ref && record->object.At({"spec", "clusterIP"}).AsString() == ip) {
      return Fail(Code::kAborted, "{} was allocated to service {}/{} meanwhile", ip,
                  record->ref.name_space, record->ref.name);
    }
  }
  return {};
}

// The choice follows the service's uid. Two creates at the same time may make the same one: the
// store asks CheckClusterIp before it takes the second.
ApiStatus AllocateClusterIp(Api& api, Json& service, const Json* old) {
  Json& spec = service.Ref("spec");
  ErrorTarget target{"services", "", "Service"};
  const std::string& name = service["metadata"]["name"].AsString();
  if (spec["type"].AsString() == "ExternalName") {
    spec.Erase("clusterIP");
    spec.Erase("clusterIPs");
    return {};
  }
  std::string given = spec["clusterIP"].AsString();
  std::string before = old ? old->At({"spec", "clusterIP"}).AsString() : "";
  if (!before.empty()) {
    if (given.empty()) given = before;
    if (given != before) {
      return ApiUnexpected(
          Invalid(target, name, {InvalidValue("spec.clusterIP", given, "field is immutable")}));
    }
  }
  if (given == "None" || !before.empty()) {
    SetIp(spec, given);
    return {};
  }
  std::set<std::string> used;
  for (const RecordPtr& record : api.store().List("services", "").records) {
    used.insert(record->object.At({"spec", "clusterIP"}).AsString());
  }
  if (!given.empty()) {
    in_addr address{};
    if (inet_pton(AF_INET, given.c_str(), &address) != 1) {
      return ApiUnexpected(
          Invalid(target, name,
                  {InvalidValue("spec.clusterIPs[0]", given,
                                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")}));
    }
    if (used.contains(given)) {
      return ApiUnexpected(Invalid(
          target, name,
          {InvalidValue(
              "spec.clusterIPs", Json::MakeArray({given}),
              fmt::format("failed to allocate IP {}: provided IP is already allocated", given))}));
    }
    SetIp(spec, given);
    return {};
  }
  Range range = ParseCidr(api.options().service_cidr);
  if (range.count < 4) return ApiUnexpected(Internal("the service address range is too small"));
  uint32_t usable = range.count - 3;  // without network, the API server's own .1 and broadcast
  size_t start = std::hash<std::string>()(service["metadata"]["uid"].AsString());
  for (uint32_t i = 0; i < usable; ++i) {
    std::string ip = Text(range.first + 2 + static_cast<uint32_t>((start + i) % usable));
    if (used.contains(ip)) continue;
    SetIp(spec, ip);
    return {};
  }
  return ApiUnexpected(Internal("no service address is free in " + api.options().service_cidr));
}

}  // namespace kinglet::local
