// Columns of built-in kinds, as kubectl's users know them.
#include <fmt/format.h>

#include "kube/selector.h"
#include "local/apiserver/printers.h"

namespace kinglet::local {
namespace {

using namespace printers;

std::string MapText(const Json& map) {
  std::string out;
  for (const auto& [key, value] : map.AsObject()) {
    if (!out.empty()) out += ",";
    out += key + "=" + value.AsString();
  }
  return Or(out, "<none>");
}

std::string SelectorText(const Json& selector) {
  auto parsed = kube::LabelSelector::FromJson(selector);
  return parsed ? Or(parsed->ToString(), "<none>") : "<invalid>";
}

// A container's reason for not running, or "".
std::string StateReason(const Json& status, bool init) {
  if (const Json* waiting = status["state"].Find("waiting")) {
    const std::string& reason = (*waiting)["reason"].AsString();
    if (!reason.empty() && !(init && reason == "PodInitializing")) return reason;
  }
  if (const Json* terminated = status["state"].Find("terminated")) {
    if (init && (*terminated)["exitCode"].AsInt() == 0) return "";
    const std::string& reason = (*terminated)["reason"].AsString();
    if (!reason.empty()) return reason;
    int64_t signal = (*terminated)["signal"].AsInt();
    if (signal) return fmt::format("Signal:{}", signal);
    return fmt::format("ExitCode:{}", (*terminated)["exitCode"].AsInt());
  }
  return "";
}

struct PodSummary {
  std::string status;
  int64_t restarts = 0, ready = 0, total = 0;
  std::string last_restart;
};

// Follows kubectl: waiting and failed containers say more than the phase.
PodSummary Summarize(const Json& pod) {
  PodSummary out;
  const Json& status = pod["status"];
  out.total = static_cast<int64_t>(pod.At({"spec", "containers"}).size());
  out.status = Or(status["reason"].AsString(), status["phase"].AsString());
  bool initializing = false;
  size_t done = 0, inits = pod.At({"spec", "initContainers"}).size();
  auto count_restart = [&](const Json& container) {
    out.restarts += container["restartCount"].AsInt();
    const std::string& at = container.At({"lastState", "terminated", "finishedAt"}).AsString();
    if (at > out.last_restart) out.last_restart = at;
  };
  for (const Json& container : status["initContainerStatuses"].AsArray()) {
    count_restart(container);
    const Json& terminated = container.At({"state", "terminated"});
    bool sidecar = container["started"].AsBool() && container.At({"state", "running"}).IsObject();
    if ((!terminated.IsNull() && terminated["exitCode"].AsInt() == 0) || sidecar) {
      ++done;
      continue;
    }
    std::string reason = StateReason(container, true);
    out.status = reason.empty() ? fmt::format("Init:{}/{}", done, inits) : "Init:" + reason;
    initializing = true;
    break;
  }
  if (!initializing) {
    out.restarts = 0;
    bool running = false;
    const Json::Array& statuses = status["containerStatuses"].AsArray();
    for (size_t i = statuses.size(); i-- > 0;) {
      count_restart(statuses[i]);
      std::string reason = StateReason(statuses[i], false);
      if (!reason.empty()) {
        out.status = reason;
      } else if (statuses[i]["ready"].AsBool() && statuses[i]["state"].Has("running")) {
        running = true;
        ++out.ready;
      }
    }
    if (out.status == "Completed" && running) out.status = "Running";
  }
  if (pod["metadata"].Has("deletionTimestamp")) {
    bool ended =
        status["phase"].AsString() == "Failed" || status["phase"].AsString() == "Succeeded";
    if (!ended) out.status = "Terminating";
  }
  return out;
}

void PodCells(const Json& pod, WallTime now, Json& cells) {
  PodSummary summary = Summarize(pod);
  PushName(pod, cells);
  cells.Push(fmt::format("{}/{}", summary.ready, summary.total));
  cells.Push(summary.status);
  std::string restarts = std::to_string(summary.restarts);
  if (summary.restarts > 0 && !summary.last_restart.empty()) {
    restarts += fmt::format(" ({} ago)", AgeText(summary.last_restart, now));
  }
  cells.Push(restarts);
  PushAge(pod, now, cells);
  cells.Push(Or(pod.At({"status", "podIP"}).AsString(), "<none>"));
  cells.Push(Or(pod.At({"spec", "nodeName"}).AsString(), "<none>"));
  cells.Push(Or(pod.At({"status", "nominatedNodeName"}).AsString(), "<none>"));
  std::string gates = "<none>";
  if (size_t n = pod.At({"spec", "readinessGates"}).size()) gates = fmt::format("0/{}", n);
  cells.Push(gates);
}

std::string Containers(const Json& template_spec) {
  return Joined(template_spec["containers"], [](const Json& c) { return c["name"].AsString(); });
}
std::string Images(const Json& template_spec) {
  return Joined(template_spec["containers"], [](const Json& c) { return c["image"].AsString(); });
}

void DeploymentCells(const Json& object, WallTime now, Json& cells) {
  const Json& status = object["status"];
  PushName(object, cells);
  cells.Push(fmt::format("{}/{}", status["readyReplicas"].AsInt(),
                         object.At({"spec", "replicas"}).AsInt()));
  cells.Push(status["updatedReplicas"].AsInt());
  cells.Push(status["availableReplicas"].AsInt());
  PushAge(object, now, cells);
  const Json& pod = object.At({"spec", "template", "spec"});
  cells.Push(Containers(pod));
  cells.Push(Images(pod));
  cells.Push(SelectorText(object.At({"spec", "selector"})));
}

void ReplicaSetCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(object.At({"spec", "replicas"}).AsInt());
  cells.Push(object.At({"status", "replicas"}).AsInt());
  cells.Push(object.At({"status", "readyReplicas"}).AsInt());
  PushAge(object, now, cells);
  const Json& pod = object.At({"spec", "template", "spec"});
  cells.Push(Containers(pod));
  cells.Push(Images(pod));
  cells.Push(SelectorText(object.At({"spec", "selector"})));
}

std::string ExternalAddress(const Json& service) {
  const Json& spec = service["spec"];
  const std::string& type = spec["type"].AsString();
  if (type == "ExternalName") return spec["externalName"].AsString();
  std::string ips = Joined(spec["externalIPs"], [](const Json& ip) { return ip.AsString(); }, "");
  if (type == "LoadBalancer") {
    std::string out = Joined(
        service.At({"status", "loadBalancer", "ingress"}),
        [](const Json& i) { return Or(i["ip"].AsString(), i["hostname"].AsString()); }, "");
    return Or(out.empty() ? ips : out, "<pending>");
  }
  return Or(ips, "<none>");
}

void ServiceCells(const Json& object, WallTime now, Json& cells) {
  const Json& spec = object["spec"];
  PushName(object, cells);
  cells.Push(Or(spec["type"].AsString(), "ClusterIP"));
  cells.Push(Or(spec["clusterIP"].AsString(), "<none>"));
  cells.Push(ExternalAddress(object));
  cells.Push(Joined(spec["ports"], [](const Json& port) {
    std::string text = std::to_string(port["port"].AsInt());
    if (int64_t node = port["nodePort"].AsInt()) text += fmt::format(":{}", node);
    return text + "/" + port["protocol"].StringOr("TCP");
  }));
  PushAge(object, now, cells);
  cells.Push(MapText(spec["selector"]));
}

void EventCells(const Json& event, WallTime now, Json& cells) {
  const Json& object = event["involvedObject"];
  const Json* last = event.Find("lastTimestamp");
  const Json& seen = last                     ? *last
                     : event.Has("eventTime") ? event["eventTime"]
                                              : event.At({"metadata", "creationTimestamp"});
  const Json& first = event.Has("firstTimestamp") ? event["firstTimestamp"] : seen;
  std::string kind = object["kind"].AsString();
  for (char& c : kind) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  cells.Push(AgeText(seen, now));
  cells.Push(event["type"].AsString());
  cells.Push(event["reason"].AsString());
  cells.Push(kind + "/" + object["name"].AsString());
  cells.Push(object["fieldPath"].AsString());
  std::string source = event.At({"source", "component"}).AsString();
  if (source.empty()) source = event["reportingComponent"].AsString();
  cells.Push(source);
  cells.Push(event["message"].AsString());
  cells.Push(AgeText(first, now));
  cells.Push(std::max<int64_t>(event["count"].AsInt(1), 1));
  PushName(event, cells);
}

// The same, of the events.k8s.io form.
void EventV1Cells(const Json& event, WallTime now, Json& cells) {
  Json core = event;
  core.Set("involvedObject", event["regarding"]);
  core.Set("message", event["note"]);
  core.Set("source", event["deprecatedSource"]);
  core.Set("reportingComponent", event["reportingController"]);
  for (auto [from, to] : {std::pair{"deprecatedLastTimestamp", "lastTimestamp"},
                          std::pair{"deprecatedFirstTimestamp", "firstTimestamp"},
                          std::pair{"deprecatedCount", "count"}}) {
    if (const Json* value = event.Find(from)) core.Set(to, *value);
  }
  EventCells(core, now, cells);
}

void NodeCells(const Json& node, WallTime now, Json& cells) {
  std::string ready = "Unknown";
  for (const Json& condition : node.At({"status", "conditions"}).AsArray()) {
    if (condition["type"].AsString() != "Ready") continue;
    ready = condition["status"].AsString() == "True" ? "Ready" : "NotReady";
  }
  if (node.At({"spec", "unschedulable"}).AsBool()) ready += ",SchedulingDisabled";
  std::string roles;
  for (const auto& [key, value] : node.At({"metadata", "labels"}).AsObject()) {
    constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
    if (!key.starts_with(kPrefix)) continue;
    if (!roles.empty()) roles += ",";
    roles += key.substr(kPrefix.size());
  }
  auto address = [&](std::string_view type) {
    for (const Json& a : node.At({"status", "addresses"}).AsArray()) {
      if (a["type"].AsString() == type) return a["address"].AsString();
    }
    return std::string("<none>");
  };
  const Json& info = node.At({"status", "nodeInfo"});
  PushName(node, cells);
  cells.Push(ready);
  cells.Push(Or(roles, "<none>"));
  PushAge(node, now, cells);
  cells.Push(info["kubeletVersion"].AsString());
  cells.Push(address("InternalIP"));
  cells.Push(address("ExternalIP"));
  cells.Push(Or(info["osImage"].AsString(), "<unknown>"));
  cells.Push(Or(info["kernelVersion"].AsString(), "<unknown>"));
  cells.Push(Or(info["containerRuntimeVersion"].AsString(), "<unknown>"));
}

void JobCells(const Json& job, WallTime now, Json& cells) {
  const Json& status = job["status"];
  std::string state = "Running";
  for (const Json& condition : status["conditions"].AsArray()) {
    if (condition["status"].AsString() != "True") continue;
    const std::string& type = condition["type"].AsString();
    if (type == "Complete" || type == "Failed" || type == "Suspended") state = type;
  }
  if (job["metadata"].Has("deletionTimestamp")) state = "Terminating";
  std::string duration;
  if (auto start = ParseRfc3339(status["startTime"].AsString())) {
    auto end = ParseRfc3339(status["completionTime"].AsString());
    duration = HumanDuration((end ? *end : now) - *start);
  }
  PushName(job, cells);
  cells.Push(state);
  cells.Push(
      fmt::format("{}/{}", status["succeeded"].AsInt(), job.At({"spec", "completions"}).AsInt(1)));
  cells.Push(duration);
  PushAge(job, now, cells);
  const Json& pod = job.At({"spec", "template", "spec"});
  cells.Push(Containers(pod));
  cells.Push(Images(pod));
  cells.Push(SelectorText(job.At({"spec", "selector"})));
}

std::string MetricText(const Json& metric, const Json& status) {
  const Json& resource = metric["resource"];
  std::string name = resource["name"].AsString();
  if (name.empty()) return metric["type"].AsString();
  std::string current = "<unknown>";
  for (const Json& m : status["currentMetrics"].AsArray()) {
    if (m.At({"resource", "name"}).AsString() != name) continue;
    const Json& c = m.At({"resource", "current"});
    current = c.Has("averageUtilization") ? fmt::format("{}%", c["averageUtilization"].AsInt())
                                          : c["averageValue"].AsString();
  }
  const Json& target = resource["target"];
  std::string wanted = target.Has("averageUtilization")
                           ? fmt::format("{}%", target["averageUtilization"].AsInt())
                           : Or(target["averageValue"].AsString(), "<auto>");
  return fmt::format("{}: {}/{}", name, current, wanted);
}

void HpaCells(const Json& hpa, WallTime now, Json& cells) {
  const Json& spec = hpa["spec"];
  PushName(hpa, cells);
  cells.Push(spec.At({"scaleTargetRef", "kind"}).AsString() + "/" +
             spec.At({"scaleTargetRef", "name"}).AsString());
  cells.Push(Joined(spec["metrics"], [&](const Json& m) { return MetricText(m, hpa["status"]); }));
  cells.Push(spec.Has("minReplicas") ? std::to_string(spec["minReplicas"].AsInt()) : "<unset>");
  cells.Push(spec["maxReplicas"].AsInt());
  cells.Push(hpa.At({"status", "currentReplicas"}).AsInt());
  PushAge(hpa, now, cells);
}

}  // namespace

const std::vector<Printer>& Printers() {
  static const std::vector<Printer> all = [] {
    // Events of both groups print alike.
    const std::vector<Column> event_columns = {Text("Last Seen"),
                                               Text("Type"),
                                               Text("Reason"),
                                               Text("Object"),
                                               Text("Subobject", 1),
                                               Text("Source", 1),
                                               Text("Message"),
                                               Text("First Seen", 1),
                                               Number("Count", 1),
                                               {"Name", "string", "name", 1, "Name"}};
    std::vector<Printer> list = {
        {"",
         "Pod",
         {kName, Text("Ready"), Text("Status"), Text("Restarts"), kAge, Text("IP", 1),
          Text("Node", 1), Text("Nominated Node", 1), Text("Readiness Gates", 1)},
         PodCells},
        {"apps",
         "Deployment",
         {kName, Text("Ready"), Number("Up-to-date"), Number("Available"), kAge,
          Text("Containers", 1), Text("Images", 1), Text("Selector", 1)},
         DeploymentCells},
        {"apps",
         "ReplicaSet",
         {kName, Number("Desired"), Number("Current"), Number("Ready"), kAge, Text("Containers", 1),
          Text("Images", 1), Text("Selector", 1)},
         ReplicaSetCells},
        {"",
         "Service",
         {kName, Text("Type"), Text("Cluster-IP"), Text("External-IP"), Text("Port(s)"), kAge,
          Text("Selector", 1)},
         ServiceCells},
        {"",
         "Event",
         event_columns,
         EventCells},
        {"events.k8s.io",
         "Event",
         event_columns,
         EventV1Cells},
        {"",
         "Node",
         {kName, Text("Status"), Text("Roles"), kAge, Text("Version"), Text("Internal-IP", 1),
          Text("External-IP", 1), Text("OS-Image", 1), Text("Kernel-Version", 1),
          Text("Container-Runtime", 1)},
         NodeCells},
        {"batch",
         "Job",
         {kName, Text("Status"), Text("Completions"), Text("Duration"), kAge, Text("Containers", 1),
          Text("Images", 1), Text("Selector", 1)},
         JobCells},
        {"autoscaling",
         "HorizontalPodAutoscaler",
         {kName, Text("Reference"), Text("Targets"), Text("MinPods"), Number("MaxPods"),
          Number("Replicas"), kAge},
         HpaCells},
    };
    for (Printer& printer : printers::ConfigPrinters()) list.push_back(std::move(printer));
    return list;
  }();
  return all;
}

}  // namespace kinglet::local
