// The manager process: client, controllers, webhook server, health and metrics.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "base/flags.h"
#include "base/result.h"
#include "cmd/kinglet-manager/service.h"
#include "kube/config.h"

namespace kinglet {

struct ManagerOptions {
  kube::ConfigOptions kube;
  std::string controllers = "inferenceservice,trainedmodel,inferencegraph,localmodel";
  std::string models_root = "/mnt/models/models";
  double kube_api_qps = 500;
  int64_t kube_api_burst = 1000;
  std::string shard;
  int64_t workers = 4;
  bool webhooks = false;
  std::string webhook_addr = "9443";
  std::string webhook_certs = "mounted";
  std::string webhook_cert_dir = "/tmp/k8s-webhook-server/serving-certs";
  std::string webhook_certs_period = "30s";
  std::vector<std::string> webhook_hosts;
  std::string webhook_client_ca_file;
  std::vector<std::string> webhook_client_names;
  std::string health_probe_addr = ":8081";
  std::string metrics_addr = ":8080";
  bool leader_elect = false;
  std::string leader_lease_duration = "15s";
  std::string leader_renew_deadline = "10s";
  std::string leader_retry_period = "2s";
  LogOptions log;

  void AddTo(Flags& flags);
};

// Runs until one of `signals` (blocked by the caller) arrives or leadership is lost.
Status RunManager(ManagerOptions options, const sigset_t& signals);

}  // namespace kinglet
