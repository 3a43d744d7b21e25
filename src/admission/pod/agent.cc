#include "admission/pod/credentials.h"
#include "admission/pod/pod.h"
#include "api/constants.h"
#include "api/containers.h"
#include "api/v1beta1/inference_service.h"

namespace kinglet::admission {
namespace {

constexpr std::string_view kModelDirVolume = "model-dir";
constexpr std::string_view kModelConfigVolume = "model-config";
constexpr std::string_view kCaVolume = "agent-ca-bundle";
constexpr std::string_view kCaPath = "/etc/tls/logger";

struct Parts {
  bool puller, batcher, logger;
};

void Put(Json& args, std::string_view flag, std::string_view value) {
  args.Push(flag);
  args.Push(value);
}

void PutIfGiven(Json& args, std::string_view flag, const Json* annotation) {
  if (annotation) Put(args, flag, annotation->AsString());
}

void AddLoggerArguments(const Pod& pod, const api::LoggerConfig& config, Json& args) {
  const Json* url = pod.Annotation(api::annotation::kLoggerSinkUrl);
  Put(args, "--log-url", url ? url->AsString() : config.default_url);
  Put(args, "--source-uri", pod.metadata()["name"].AsString());
  Put(args, "--log-mode", pod.AnnotationOr(api::annotation::kLoggerMode, "all"));
  Put(args, "--inference-service", pod.Label(api::label::kInferenceService));
  Put(args, "--namespace", pod.ns);
  Put(args, "--endpoint", pod.Label(api::label::kEndpoint));
  Put(args, "--component", pod.Label(api::label::kComponent));
  PutIfGiven(args, "--metadata-headers", pod.Annotation(api::annotation::kLoggerMetadataHeaders));
  if (!config.ca_cert_file.empty()) Put(args, "--logger-ca-cert-file", config.ca_cert_file);
  Put(args, "--logger-tls-skip-verify", config.tls_skip_verify ? "true" : "false");
}

// The port of what the agent stands in front of.
int64_t ComponentPort(Pod& pod) {
  Json* container = pod.Container(api::kTransformerContainer);
  if (!container) container = pod.Container(api::kKserveContainer);
  if (!container || (*container)["ports"].empty()) return api::kHttpPort;
  return (*container)["ports"][0]["containerPort"].AsInt();
}

// As Kubernetes' clients write it: without what is empty or zero, but with every port.
Json WrittenProbe(const Json& probe) {
  Json out = Json::MakeObject();
  for (const auto& [name, value] : probe.AsObject()) {
    const bool zero = value.IsNull() || value == Json(0) || value == Json("") ||
                      (value.IsArray() && value.empty());
    if (value.IsObject()) {
      out.Set(name, WrittenProbe(value));
    } else if (!zero) {
      out.Set(name, value);
    }
  }
  for (auto name : {"httpGet", "tcpSocket"}) {
    Json* handler = out.Find(name);
    if (handler && !handler->Has("port")) handler->Set("port", 0);
  }
  return out;
}

void AddProbeEnv(Pod& pod, Json& agent) {
  if (Json* queue_proxy = pod.Container(api::kQueueProxy)) {
    if (queue_proxy->Has("env")) agent.Set("env", (*queue_proxy)["env"]);
    // Where it tells the proxy the server's port, that is the agent's now.
    for (Json& env : api::EnvsOf(*queue_proxy)) {
      if (env["name"].AsString() == "USER_PORT") env.Set("value", std::to_string(api::kAgentPort));
    }
    return;
  }
  const Json* container = pod.Container(api::kTransformerContainer);
  if (!container) container = &pod.spec()["containers"][0];
  const Json& probe = (*container)["readinessProbe"];
  // The agent runs no commands.
  if (!probe["httpGet"].IsObject() && !probe["tcpSocket"].IsObject()) return;
  api::SetEnv(agent, "SERVING_READINESS_PROBE", WrittenProbe(probe).Dump());
}

Json ReadinessProbe() {
  Json header = Json::MakeObject({{"name", "K-Network-Probe"}, {"value", "queue"}});
  return Json::MakeObject(
      {{"httpGet", Json::MakeObject({{"httpHeaders", Json::MakeArray({std::move(header)})},
                                     {"path", "/"},
                                     {"port", api::kAgentPort},
                                     {"scheme", "HTTP"}})}});
}

Json AgentContainer(Pod& pod, const Parts& parts, Json args) {
  const api::AgentConfig& config = *pod.config.agent;
  Json port = Json::MakeObject(
      {{"name", "agent-port"}, {"containerPort", api::kAgentPort}, {"protocol", "TCP"}});
  Json agent = Json::MakeObject({{"name", api::kAgentContainer},
                                 {"image", config.image},
                                 {"args", std::move(args)},
                                 {"resources", config.Resources()},
                                 {"ports", Json::MakeArray({std::move(port)})},
                                 {"readinessProbe", ReadinessProbe()}});
  const Json& security = pod.spec()["containers"][0]["securityContext"];
  if (!security.IsNull()) agent.Set("securityContext", security);
  AddProbeEnv(pod, agent);
  if (parts.logger && !pod.config.logger->ca_bundle.empty()) {
    api::AddVolumeMount(agent, api::VolumeMount(kCaVolume, kCaPath, true));
    pod.AppendVolume(Json::MakeObject(
        {{"name", kCaVolume},
         {"configMap",
          Json::MakeObject({{"name", pod.config.logger->ca_bundle}, {"optional", true}})}}));
  }
  return agent;
}

Status ShareModelDirectory(Pod& pod, Json& agent) {
  const Json* config_map = pod.Annotation(api::annotation::kConfigVolumeName);
  if (!config_map || !pod.Annotation(api::annotation::kModelDir)) {
    return Fail(Code::kInternal, "can not find {} label", api::annotation::kConfigVolumeName);
  }
  const Json mount = api::VolumeMount(kModelDirVolume, api::kModelMountPath);
  pod.AddVolume(api::EmptyDirVolume(kModelDirVolume));
  api::AddVolumeMount(agent, mount);
  if (Json* server = pod.Container(api::kKserveContainer)) api::AddVolumeMount(*server, mount);
  pod.AddVolume(Json::MakeObject(
      {{"name", kModelConfigVolume}, {"configMap", Json::MakeObject({{"name", *config_map}})}}));
  api::AddVolumeMount(agent, api::VolumeMount(kModelConfigVolume, api::kConfigMountPath));
  return {};
}

}  // namespace

Status InjectAgent(Pod& pod) {
  const Parts parts{pod.Annotation(api::annotation::kAgent) != nullptr,
                    pod.Annotation(api::annotation::kBatcher) != nullptr,
                    pod.Annotation(api::annotation::kLogger) != nullptr};
  if (!pod.config.logger) return Unexpected(pod.config.logger.error());
  if (!pod.config.agent) return Unexpected(pod.config.agent.error());
  if (!pod.config.batcher) return Unexpected(pod.config.batcher.error());
  if (!parts.puller && !parts.batcher && !parts.logger) return {};
  if (pod.Container(api::kAgentContainer)) return {};

  Json args = Json::MakeArray();
  if (parts.puller) {
    args.Push("--enable-puller");
    PutIfGiven(args, "--config-dir", pod.Annotation(api::annotation::kConfigMountPath));
    PutIfGiven(args, "--model-dir", pod.Annotation(api::annotation::kModelDir));
  }
  if (parts.batcher) {
    args.Push("--enable-batcher");
    PutIfGiven(args, "--max-batchsize", pod.Annotation(api::annotation::kBatcherMaxBatchSize));
    PutIfGiven(args, "--max-latency", pod.Annotation(api::annotation::kBatcherMaxLatency));
  }
  if (parts.logger) AddLoggerArguments(pod, *pod.config.logger, args);
  Put(args, "--component-port", std::to_string(ComponentPort(pod)));

  Json agent = AgentContainer(pod, parts, std::move(args));
  KINGLET_RETURN_IF_ERROR(AddServiceAccountCredentials(pod, agent));
  if (parts.puller) KINGLET_RETURN_IF_ERROR(ShareModelDirectory(pod, agent));
  pod.AddContainer(std::move(agent));
  return {};
}

}  // namespace kinglet::admission
