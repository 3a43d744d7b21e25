#!/usr/bin/env bash
# The main job on real input: standalone mode, an InferenceService with a scikit-learn model,
# predictions over V1 and V2. Leaves nothing behind unless KINGLET_DEMO_KEEP is set.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kinglet=$(realpath "$1")
data=$(mktemp -d "${TMPDIR:-/tmp}/kinglet-demo.XXXXXX")
export KUBECONFIG=$data/kubeconfig

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
finish() {
  status=$?
  if [ $status -ne 0 ]; then
    printf '\ndemo failed; the last lines of the log:\n' >&2
    tail -n 30 "$data/kinglet.log" >&2 || true
    "$kinglet" doctor >&2 || true
  fi
  if [ -z "${KINGLET_DEMO_KEEP:-}" ] || [ $status -ne 0 ]; then
    "$kinglet" down --data-dir "$data" >/dev/null 2>&1 || true
    rm -rf "$data"
  fi
  exit $status
}
trap finish EXIT

bold "1. Start standalone mode: one process, no Kubernetes, no Python"
"$kinglet" up --detach --data-dir "$data" --api-port 0 --gateway-port 0 --metrics-port 0

bold "2. Apply an InferenceService with a real scikit-learn model"
sed "s|file:///path/to/samples|file://$root/config/samples|" "$root/config/samples/sklearn/iris-local.yaml" \
  >"$data/iris.yaml"
cat "$data/iris.yaml"
"$kinglet" apply -f "$data/iris.yaml"

bold "3. Wait until it is Ready"
"$kinglet" wait sklearn-iris --timeout 60s
"$kinglet" get isvc

bold "4. Predict: V1, then V2 (Open Inference Protocol)"
"$kinglet" predict sklearn-iris --raw -d '{"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}' | tee "$data/v1.json"
"$kinglet" predict sklearn-iris --raw -d '{"inputs": [{"name": "input-0", "shape": [2, 4], "datatype": "FP32",
  "data": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}]}' | tee "$data/v2.json"

python3 - "$data" <<'CHECK'
import json, sys
v1 = json.load(open(sys.argv[1] + "/v1.json"))
v2 = json.load(open(sys.argv[1] + "/v2.json"))
assert v1["predictions"] == [1, 1], v1
assert v2["outputs"][0]["data"] == [1, 1], v2
CHECK

bold "The predictions are right: both flowers are class 1 (versicolor)."
cat <<NEXT

What to try next:
  $kinglet up --detach                       # keep one running (state in ~/.kinglet)
  kubectl --kubeconfig ~/.kinglet/kubeconfig apply -f <your InferenceService>.yaml
  $kinglet status                            # what is ready and why not
  $kinglet serve config/samples/sklearn/iris # one model, no YAML
NEXT
