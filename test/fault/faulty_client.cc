#include "test/fault/faulty_client.h"

#include <fmt/format.h>

#include <thread>

#include "kube/object.h"

namespace kinglet::fault {
namespace {

// So many watch events of the chosen kind get lost, each followed by a new list.
constexpr int kMissedEvents = 4;

Error Dead() { return Error(Code::kCancelled, "the process was killed"); }

std::string NameOf(const Json& object) {
  const std::string& name = kube::Name(object);
  // An Event's ends with what differs from run to run.
  if (kube::Kind(object) == "Event") return name.substr(0, name.find('.'));
  return name.empty() ? object["metadata"]["generateName"].AsString() : name;
}

}  // namespace

std::string_view FaultText(Fault fault) {
  switch (fault) {
    case Fault::kRefuse:
      return "refused";
    case Fault::kConflict:
      return "conflict";
    case Fault::kLoseReply:
      return "reply lost";
    case Fault::kCrash:
      return "crash after it";
  }
  return "";
}

std::string_view DeliveryText(Delivery delivery) {
  switch (delivery) {
    case Delivery::kPlain:
      return "plain";
    case Delivery::kTwice:
      return "twice";
    case Delivery::kLate:
      return "late";
    case Delivery::kMissed:
      return "missed";
  }
  return "";
}

std::string Place::ToString() const {
  return fmt::format("{} {} {}{}{} #{}", verb, kind, name, subresource.empty() ? "" : "/",
                     subresource, number);
}

void FaultyClient::Arm(Place place, Fault fault) { armed_.emplace(std::move(place), fault); }

void FaultyClient::Deliver(std::string kind, Delivery delivery) {
  delivered_kind_ = std::move(kind);
  delivery_ = delivery;
}

bool FaultyClient::crashed() const {
  std::lock_guard lock(mutex_);
  return crashed_;
}

bool FaultyClient::fired() const {
  std::lock_guard lock(mutex_);
  return fired_;
}

std::vector<Place> FaultyClient::places() const {
  std::lock_guard lock(mutex_);
  return places_;
}

template <class R>
R FaultyClient::At(Place place, const std::function<R()>& call) {
  std::optional<Fault> fault;
  {
    std::lock_guard lock(mutex_);
    if (crashed_) return Unexpected(Dead());
    Place counted = place;
    counted.number = 0;
    place.number = ++counts_[counted];
    places_.push_back(place);
    if (armed_ && armed_->first == place && !fired_) {
      fault = armed_->second;
      fired_ = true;
    }
  }
  if (!fault) return call();
  switch (*fault) {
    case Fault::kRefuse:
      return Unexpected(Error(Code::kUnavailable, "the server is restarting"));
    case Fault::kConflict:
      return Unexpected(Error(Code::kAborted, "the object has been modified"));
    case Fault::kLoseReply:
      (void)call();
      return Unexpected(Error(Code::kDeadlineExceeded, "no answer in time"));
    case Fault::kCrash:
      break;
  }
  (void)call();
  {
    std::lock_guard lock(mutex_);
    crashed_ = true;
  }
  return Unexpected(Dead());
}

Result<Json> FaultyClient::Get(const kube::ResourceType& type, const kube::ObjectKey& key,
                               const kube::GetOptions& options) {
  return At<Result<Json>>({"get", type.kind, key.name, options.subresource},
                          [&] { return server_.Get(type, key, options); });
}

Result<Json> FaultyClient::List(const kube::ResourceType& type, std::string_view ns,
                                const kube::ListOptions& options) {
  if (crashed()) return Unexpected(Dead());
  return server_.List(type, ns, options);
}

Result<Json> FaultyClient::Create(const kube::ResourceType& type, const Json& object,
                                  const kube::WriteOptions& options) {
  return At<Result<Json>>({"create", type.kind, NameOf(object), options.subresource},
                          [&] { return server_.Create(type, object, options); });
}

Result<Json> FaultyClient::Update(const kube::ResourceType& type, const Json& object,
                                  const kube::WriteOptions& options) {
  return At<Result<Json>>(
      {options.dry_run ? "try" : "update", type.kind, NameOf(object), options.subresource},
      [&] { return server_.Update(type, object, options); });
}

Result<Json> FaultyClient::Patch(const kube::ResourceType& type, const kube::ObjectKey& key,
                                 kube::PatchType patch_type, const Json& patch,
                                 const kube::WriteOptions& options) {
  return At<Result<Json>>({"patch", type.kind, key.name, options.subresource},
                          [&] { return server_.Patch(type, key, patch_type, patch, options); });
}

Status FaultyClient::Delete(const kube::ResourceType& type, const kube::ObjectKey& key,
                            const kube::DeleteOptions& options) {
  return At<Status>({"delete", type.kind, key.name, ""},
                    [&] { return server_.Delete(type, key, options); });
}

Status FaultyClient::DeleteCollection(const kube::ResourceType& type, std::string_view ns,
                                      const kube::ListOptions& which,
                                      const kube::DeleteOptions& options) {
  return At<Status>({"deletecollection", type.kind, "", ""},
                    [&] { return server_.DeleteCollection(type, ns, which, options); });
}

Status FaultyClient::WatchMissing(const kube::ResourceType& type, std::string_view ns,
                                  const kube::WatchOptions& options,
                                  const std::function<Status(kube::WatchEvent)>& on_event,
                                  std::stop_token stop) {
  return server_.Watch(
      type, ns, options,
      [&](kube::WatchEvent event) -> Status {
        {
          std::lock_guard lock(mutex_);
          if (missed_ >= kMissedEvents) return on_event(std::move(event));
          ++missed_;
        }
        // A bookmark from long ago shows that the connection lived.
        Json old = Json::MakeObject(
            {{"metadata", Json::MakeObject({{"resourceVersion", options.resource_version}})}});
        KINGLET_RETURN_IF_ERROR(on_event({kube::WatchEvent::Type::kBookmark, std::move(old)}));
        return Fail(Code::kOutOfRange, "too old resource version");
      },
      std::move(stop));
}

Status FaultyClient::Watch(const kube::ResourceType& type, std::string_view ns,
                           const kube::WatchOptions& options,
                           const std::function<Status(kube::WatchEvent)>& on_event,
                           std::stop_token stop) {
  if (crashed()) return Unexpected(Dead());
  if (type.kind != delivered_kind_ || delivery_ == Delivery::kPlain) {
    return server_.Watch(type, ns, options, on_event, std::move(stop));
  }
  if (delivery_ == Delivery::kMissed) return WatchMissing(type, ns, options, on_event, stop);
  return server_.Watch(
      type, ns, options,
      [&](kube::WatchEvent event) -> Status {
        if (delivery_ == Delivery::kLate) {
          // The controller works on with what it knew.
          std::this_thread::sleep_for(std::chrono::milliseconds(15));
          return on_event(std::move(event));
        }
        KINGLET_RETURN_IF_ERROR(on_event(event));
        return on_event(std::move(event));
      },
      std::move(stop));
}

Status FaultyClient::Logs(const kube::ObjectKey& pod, const kube::LogOptions& options,
                          const std::function<Status(std::string_view)>& on_bytes,
                          std::stop_token stop) {
  return server_.Logs(pod, options, on_bytes, std::move(stop));
}

Result<std::string> FaultyClient::Raw(const kube::RawRequest& request) {
  if (crashed()) return Unexpected(Dead());
  return server_.Raw(request);
}

}  // namespace kinglet::fault
