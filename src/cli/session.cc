#include "cli/session.h"

#include <algorithm>
#include <array>
#include <ostream>

#include "base/text.h"

namespace kinglet::cli {
namespace {

struct ShortName {
  std::string_view name;
  const kube::ResourceType& type;
};

const kube::ResourceType* FindShortName(std::string_view name) {
  static const std::array kShort = {
      ShortName{"isvc", kube::kInferenceService},
      ShortName{"ig", kube::kInferenceGraph},
      ShortName{"tm", kube::kTrainedModel},
      ShortName{"po", kube::kPod},
      ShortName{"svc", kube::kService},
      ShortName{"cm", kube::kConfigMap},
      ShortName{"sa", kube::kServiceAccount},
      ShortName{"ns", kube::kNamespace},
      ShortName{"ev", kube::kEvent},
      ShortName{"deploy", kube::kDeployment},
      ShortName{"rs", kube::kReplicaSet},
      ShortName{"hpa", kube::kHorizontalPodAutoscaler},
      ShortName{"pvc", kube::kPersistentVolumeClaim},
      ShortName{"crd", kube::kCustomResourceDefinition},
      ShortName{"crds", kube::kCustomResourceDefinition},
  };
  for (const ShortName& entry : kShort) {
    if (entry.name == name) return &entry.type;
  }
  // Earlier groups win: "services" is core's.
  for (const kube::ResourceType* type : kube::KnownResources()) {
    if (type->plural == name || AsciiLower(type->kind) == name || type->GroupResource() == name) {
      return type;
    }
  }
  return nullptr;
}

}  // namespace

Result<kube::ResourceType> Session::TypeNamed(std::string_view name) {
  if (const kube::ResourceType* known = FindShortName(AsciiLower(name))) return *known;
  return kube::Discovery(*client).ForName(name);
}

Result<kube::ResourceType> Session::TypeOf(const Json& object) {
  const std::string& api_version = kube::ApiVersion(object);
  const std::string& kind = kube::Kind(object);
  if (api_version.empty() || kind.empty()) {
    return Fail(Code::kInvalidArgument, "an object needs apiVersion and kind");
  }
  if (const auto* known = kube::FindKnownResource(api_version, kind)) return *known;
  return kube::Discovery(*client).ForKind(api_version, kind);
}

std::optional<int> ParseArguments(Context& context, Flags& flags,
                                  std::vector<std::string> arguments,
                                  std::vector<std::string>* positional) {
  auto parsed = flags.Parse(std::move(arguments));
  if (!parsed) {
    context.err << "error: " << EscapeControls(parsed.error().message(), Lines::kMany) << "\n";
    return 2;
  }
  if (flags.help_requested()) {
    context.out << flags.Help();
    return 0;
  }
  *positional = std::move(*parsed);
  return std::nullopt;
}

Result<Session> Open(Context& context, const kube::ConfigOptions& options) {
  Session session;
  KINGLET_TRY(session.client, context.connect(options));
  session.ns = options.ns.empty() ? context.default_namespace : options.ns;
  return session;
}

int FailWith(Context& context, const Error& error) {
  context.err << "error: " << EscapeControls(error.message(), Lines::kMany) << "\n";
  if (error.code() == Code::kUnavailable) {
    context.err << "Is it running? `kinglet up` starts standalone mode; for a cluster, check "
                   "KUBECONFIG or --kubeconfig.\n";
  } else if (error.code() == Code::kUnauthenticated) {
    context.err << "The credentials of the kubeconfig were refused: log in again.\n";
  }
  return 1;
}

int Usage(Context& context, std::string_view text) {
  context.err << "usage: " << text << "\n";
  return 2;
}

std::string DisplayName(const kube::ResourceType& type, std::string_view name) {
  std::string out = AsciiLower(type.kind);
  if (!type.group.empty()) out += "." + type.group;
  return EscapeControls(out + "/" + std::string(name));
}

Result<Targets> ParseTargets(Session& session, const std::vector<std::string>& positional) {
  Targets targets;
  if (positional.empty()) return Fail(Code::kInvalidArgument, "say what: a type, e.g. isvc");
  bool slashes = positional[0].find('/') != std::string::npos;
  if (slashes) {
    for (const std::string& word : positional) {
      size_t slash = word.find('/');
      if (slash == std::string::npos) {
        return Fail(Code::kInvalidArgument, "\"{}\": names after TYPE/NAME need their type too",
                    word);
      }
      KINGLET_TRY(kube::ResourceType type, session.TypeNamed(word.substr(0, slash)));
      if (!targets.types.empty() && type != targets.types[0]) {
        return Fail(Code::kInvalidArgument, "name objects of one type at a time");
      }
      targets.types = {type};
      targets.names.push_back(word.substr(slash + 1));
    }
    return targets;
  }
  std::string_view list = positional[0];
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    KINGLET_TRY(kube::ResourceType type, session.TypeNamed(list.substr(0, comma)));
    targets.types.push_back(type);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  targets.names.assign(positional.begin() + 1, positional.end());
  if (!targets.names.empty() && targets.types.size() != 1) {
    return Fail(Code::kInvalidArgument, "names need one type");
  }
  return targets;
}

}  // namespace kinglet::cli
