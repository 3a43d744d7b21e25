// The manager process: client, controllers, webhook server, health and metrics.
#pragma once

#include <csignal>
#include <string>

#include "base/flags.h"
#include "base/result.h"
#include "kube/config.h"

namespace kinglet {

struct ManagerOptions {
  kube::ConfigOptions kube;
  std::string controllers = "inferenceservice,trainedmodel,inferencegraph";
  bool webhooks = false;
  int64_t webhook_port = 9443;
  std::string webhook_cert_dir = "/tmp/k8s-webhook-server/serving-certs";
  std::string health_probe_addr = ":8081";
  std::string metrics_addr = ":8080";
  bool leader_elect = false;
  std::string log_level = "info", log_format = "text";

  void AddTo(Flags& flags);
};

// Runs until one of `signals` (blocked by the caller) arrives or leadership is lost.
Status RunManager(ManagerOptions options, const sigset_t& signals);

}  // namespace kinglet
