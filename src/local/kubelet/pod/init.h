// The process of a pod: holds its namespaces, starts its containers, reaps them, and ends with the
// kubelet. A program of its own (kinglet-pod), because it must be single-threaded to fork safely
// and small to start fast.
#pragma once

namespace kinglet::kubelet::pod {

// main() of kinglet-pod. `--probe` tries the namespaces and says on standard output why not.
int Main(int argc, char** argv);

}  // namespace kinglet::kubelet::pod
