#include "api/v1alpha1/serving_runtime.h"

#include <algorithm>

#include "api/pod_fields.h"

namespace kinglet::api {

const Struct<SupportedModelFormat>& SupportedModelFormat::Describe() {
  static const auto d =
      Struct<SupportedModelFormat>("A model format that the runtime serves.")
          .Field("name", &SupportedModelFormat::name, "Such as sklearn.",
                 {.required = true, .always_encode = true})
          .Field("version", &SupportedModelFormat::version, "Of the format.")
          .Field("autoSelect", &SupportedModelFormat::auto_select,
                 "Whether models that name no runtime may get this one.")
          .Field("priority", &SupportedModelFormat::priority,
                 "Among the runtimes that may be chosen, the highest wins.", {.minimum = 1});
  return d;
}

const Struct<StorageHelper>& StorageHelper::Describe() {
  static const auto d = Struct<StorageHelper>("ModelMesh's helper.")
                            .Field("disabled", &StorageHelper::disabled, "Whether it is left out.");
  return d;
}

const Struct<BuiltInAdapter>& BuiltInAdapter::Describe() {
  static const auto d =
      Struct<BuiltInAdapter>("ModelMesh's adapter.")
          .Field("serverType", &BuiltInAdapter::server_type, "The kind of model server.")
          .Field("runtimeManagementPort", &BuiltInAdapter::runtime_management_port, "Its port.")
          .Field("memBufferBytes", &BuiltInAdapter::mem_buffer_bytes, "Memory to keep free.")
          .Field("modelLoadingTimeoutMillis", &BuiltInAdapter::model_loading_timeout_millis,
                 "Time in which a model must load.")
          .Field("env", &BuiltInAdapter::env, "Environment variables.");
  return d;
}

const Struct<ServingRuntimeSpec>& ServingRuntimeSpec::Describe() {
  using S = ServingRuntimeSpec;
  static const auto d =
      Struct<S>("How models of some formats are served.")
          .Rest(&S::pod, RuntimePodFields())
          .Field("supportedModelFormats", &S::supported_model_formats, "The formats.")
          .Field("multiModel", &S::multi_model, "Whether it serves many models at once.")
          .Field("disabled", &S::disabled, "Whether it is out of use.")
          .Field("protocolVersions", &S::protocol_versions,
                 "Protocols it speaks: v1, v2, grpc-v1, grpc-v2. None: any.")
          .Field("workerSpec", &S::worker_spec, "Workers on other nodes.")
          .Field("grpcEndpoint", &S::grpc_endpoint, "For ModelMesh: port:N or unix:/path.")
          .Field("grpcDataEndpoint", &S::grpc_data_endpoint, "For ModelMesh.")
          .Field("httpDataEndpoint", &S::http_data_endpoint, "For ModelMesh.")
          .Field("replicas", &S::replicas, "For ModelMesh.", {.minimum = 0})
          .Field("storageHelper", &S::storage_helper, "For ModelMesh.")
          .Field("builtInAdapter", &S::built_in_adapter, "For ModelMesh.");
  return d;
}

const Struct<ServingRuntime>& ServingRuntime::Describe() {
  static const auto d = Struct<ServingRuntime>("How models of some formats are served.")
                            .Field("metadata", &ServingRuntime::metadata, "")
                            .Field("spec", &ServingRuntime::spec, "How they are served.")
                            .Field("status", &ServingRuntime::status, "Empty.")
                            .PreserveUnknown();
  return d;
}

bool ServingRuntimeSpec::SupportsProtocol(std::string_view protocol) const {
  return protocol.empty() || protocol_versions.empty() ||
         std::ranges::find(protocol_versions, protocol) != protocol_versions.end();
}

std::optional<int32_t> ServingRuntimeSpec::PriorityOf(std::string_view format) const {
  auto entry = std::ranges::find(supported_model_formats, format, &SupportedModelFormat::name);
  return entry == supported_model_formats.end() ? std::nullopt : entry->priority;
}

int ProtocolRank(std::string_view protocol) {
  static constexpr std::string_view kOrder[] = {"v1", "v2", "grpc-v1", "grpc-v2"};
  return static_cast<int>(std::ranges::find(kOrder, protocol) - std::begin(kOrder)) + 1;
}

}  // namespace kinglet::api
