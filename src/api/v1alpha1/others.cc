#include "api/v1alpha1/others.h"

#include <re2/re2.h>

namespace kinglet::api {

const Struct<SupportedUriFormat>& SupportedUriFormat::Describe() {
  using S = SupportedUriFormat;
  static const auto d = Struct<S>("URIs by prefix or by regular expression.")
                            .Field("prefix", &S::prefix, "How they begin.")
                            .Field("regex", &S::regex, "What they contain.");
  return d;
}

const Struct<StorageContainerSpec>& StorageContainerSpec::Describe() {
  using S = StorageContainerSpec;
  static const auto d = Struct<S>("A container that brings models.")
                            .Field("container", &S::container, "The container.", {.required = true})
                            .Field("supportedUriFormats", &S::supported_uri_formats,
                                   "What it can bring.", {.required = true})
                            .Field("workloadType", &S::workload_type, "Where it runs.",
                                   {.one_of = {"initContainer", "localModelDownloadJob"},
                                    .default_value = "initContainer"})
                            .Field("supportsMultiModelDownload", &S::supports_multi_model_download,
                                   "Whether it takes several pairs of URI and path.");
  return d;
}

Result<bool> StorageContainerSpec::Supports(std::string_view uri) const {
  for (const auto& format : supported_uri_formats) {
    if (!format.prefix.empty()) {
      if (uri.starts_with(format.prefix)) return true;
    } else if (!format.regex.empty()) {
      RE2 expression(format.regex, RE2::Quiet);
      if (!expression.ok()) {
        return Fail(Code::kInvalidArgument, "failed to compile regex {}: {}", format.regex,
                    expression.error());
      }
      if (RE2::PartialMatch(uri, expression)) return true;
    }
  }
  return false;
}

const Struct<ClusterStorageContainer>& ClusterStorageContainer::Describe() {
  using S = ClusterStorageContainer;
  static const auto d = Struct<S>("A container that brings models of some URIs.")
                            .Field("metadata", &S::metadata, "")
                            .Field("spec", &S::spec, "")
                            .Field("disabled", &S::disabled, "Whether it is out of use.")
                            .PreserveUnknown();
  return d;
}

const Struct<LocalModelStorageSpec>& LocalModelStorageSpec::Describe() {
  using S = LocalModelStorageSpec;
  static const auto d = Struct<S>("Credentials of downloads by the storage secret.")
                            .Field("key", &S::key, "Key in the storage secret.")
                            .Field("parameters", &S::parameters, "Override the secret's entry.");
  return d;
}

const Struct<LocalModelCacheSpec>& LocalModelCacheSpec::Describe() {
  using S = LocalModelCacheSpec;
  static const auto d =
      Struct<S>("A model that is kept on nodes.")
          .Field("sourceModelUri", &S::source_model_uri, "Where it comes from.",
                 {.required = true,
                  .schema = Json::MakeObject(
                      {{"x-kubernetes-validations",
                        Json::MakeArray({Json::MakeObject({{"message", "StorageUri is immutable"},
                                                           {"rule", "self == oldSelf"}})})}})})
          .Field("modelSize", &S::model_size, "The room it takes.", {.required = true})
          .Field("nodeGroups", &S::node_groups, "Where it is kept.",
                 {.required = true, .min_items = 1})
          .Field("serviceAccountName", &S::service_account_name,
                 "The service account, in the namespace of the download jobs, whose identity and "
                 "secrets downloads use. A LocalModelNamespaceCache may name it if the account's "
                 "annotation serving.kserve.io/localmodel-namespaces lists the cache's namespace.")
          .Field("storage", &S::storage,
                 "Credentials of downloads by the storage secret in the namespace of the download "
                 "jobs. A LocalModelNamespaceCache may use it if the secret's annotation "
                 "serving.kserve.io/localmodel-namespaces lists the cache's namespace.");
  return d;
}

bool LocalModelCacheSpec::Matches(std::string_view storage_uri) const {
  std::string_view cached = source_model_uri;
  if (cached.ends_with('/')) cached.remove_suffix(1);
  if (storage_uri.ends_with('/')) storage_uri.remove_suffix(1);
  if (!storage_uri.starts_with(cached)) return false;
  return storage_uri.size() == cached.size() || storage_uri[cached.size()] == '/';
}

const Struct<LocalModelInfo>& LocalModelInfo::Describe() {
  using S = LocalModelInfo;
  static const auto d =
      Struct<S>("A model on a node.")
          .Field("sourceModelUri", &S::source_model_uri, "Where it comes from.", {.required = true})
          .Field("modelName", &S::model_name, "Its cache's name.", {.required = true})
          .Field("namespace", &S::ns, "Its cache's namespace, where it has one.")
          .Field("nodeGroup", &S::node_group, "The node group on whose volume it lies.")
          .Field("serviceAccountName", &S::service_account_name,
                 "Whose identity and secrets its downloads have.")
          .Field("storage", &S::storage, "Credentials of its downloads.");
  return d;
}

const Struct<LocalModelNodeSpec>& LocalModelNodeSpec::Describe() {
  using S = LocalModelNodeSpec;
  static const auto d =
      Struct<S>("What a node keeps.")
          .Field("localModels", &S::local_models, "The models.", {.required = true});
  return d;
}

const Struct<LocalModelNodeGroupSpec>& LocalModelNodeGroupSpec::Describe() {
  using S = LocalModelNodeGroupSpec;
  static const auto d =
      Struct<S>("Nodes that keep models.")
          .Field("storageLimit", &S::storage_limit, "The room a node has.", {.required = true})
          .Field("persistentVolumeSpec", &S::persistent_volume_spec, "The volume of a node.",
                 {.required = true})
          .Field("persistentVolumeClaimSpec", &S::persistent_volume_claim_spec, "Its claim.",
                 {.required = true});
  return d;
}

}  // namespace kinglet::api
