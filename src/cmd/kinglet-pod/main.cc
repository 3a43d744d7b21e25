#include "local/kubelet/pod/init.h"

int main(int argc, char** argv) { return kinglet::kubelet::pod::Main(argc, argv); }
