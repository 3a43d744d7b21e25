#include "cmd/kinglet-manager/controllers.h"

#include <cstdlib>

#include "base/file.h"
#include "control/inferencegraph/controller.h"
#include "control/inferenceservice/controller.h"
#include "control/localmodel/controller.h"
#include "control/localmodelnode/controller.h"
#include "control/trainedmodel/controller.h"

namespace kinglet {
namespace {

std::string ClusterDomain() {
  auto text = ReadFile("/etc/resolv.conf", size_t{1} << 16);
  return control::ClusterDomainFromResolvConf(text ? *text : "");
}

std::unique_ptr<control::Controller> MakeInferenceService(const ControllerSetup& setup) {
  control::InferenceServiceController::Options options;
  options.config_namespace = setup.config_namespace;
  options.cluster_domain = ClusterDomain();
  const char* knative = std::getenv("SYSTEM_NAMESPACE");
  if (knative && *knative) options.knative_namespace = knative;
  options.workers = setup.workers;
  options.metrics = setup.metrics;
  return std::make_unique<control::InferenceServiceController>(setup.client, std::move(options));
}

Result<std::unique_ptr<control::Controller>> MakeLocalModelNode(const ControllerSetup& setup) {
  if (setup.node.empty()) {
    return Fail(Code::kInvalidArgument,
                "--controllers=localmodelnode needs the node's name in NODE_NAME");
  }
  control::LocalModelNodeController::Options options;
  options.node = setup.node;
  options.models_root = setup.models_root;
  options.config_namespace = setup.config_namespace;
  options.metrics = setup.metrics;
  return std::make_unique<control::LocalModelNodeController>(setup.client, std::move(options));
}

}  // namespace

Result<std::vector<std::unique_ptr<control::Controller>>> MakeControllers(
    std::string_view names, const ControllerSetup& setup) {
  std::vector<std::unique_ptr<control::Controller>> out;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    const std::string_view name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    if (name == "inferenceservice") {
      out.push_back(MakeInferenceService(setup));
    } else if (name == "trainedmodel") {
      using Controller = control::TrainedModelController;
      out.push_back(std::make_unique<Controller>(setup.client, Controller::Options{setup.metrics}));
    } else if (name == "inferencegraph") {
      using Controller = control::InferenceGraphController;
      Controller::Options options;
      options.config_namespace = setup.config_namespace;
      options.metrics = setup.metrics;
      out.push_back(std::make_unique<Controller>(setup.client, std::move(options)));
    } else if (name == "localmodel") {
      using Controller = control::LocalModelController;
      Controller::Options options;
      options.config_namespace = setup.config_namespace;
      options.workers = setup.workers;
      options.metrics = setup.metrics;
      out.push_back(std::make_unique<Controller>(setup.client, std::move(options)));
    } else if (name == "localmodelnode") {
      KINGLET_TRY(auto controller, MakeLocalModelNode(setup));
      out.push_back(std::move(controller));
    } else if (!name.empty() && name != "none") {
      return Fail(Code::kInvalidArgument,
                  "--controllers: no controller is named \"{}\"; there are inferenceservice, "
                  "trainedmodel, inferencegraph, localmodel, localmodelnode and none",
                  name);
    }
  }
  return out;
}

}  // namespace kinglet
