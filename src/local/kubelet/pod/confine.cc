#include "local/kubelet/pod/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <vector>

#include "base/audit_architecture.h"
#include "base/file.h"

namespace kinglet::kubelet::pod {
namespace {

// Calls from here on came after this list was made (Linux 6.18) and are unknown to it. The numbers
// are the same on all architectures. x32's calls lie above, too.
constexpr uint32_t kFirstUnknown = 470;

// Denied with EPERM: what Docker's and containerd's default profiles deny to a container that has
// the default capabilities, and the ways into other processes.
constexpr uint32_t kDenied[] = {
    // Mounts and other views of the file system.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    457 /* statmount */,
    458 /* listmount */,
    467 /* open_tree_attr */,
    SYS_open_by_handle_at,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_fanotify_init,
    SYS_fanotify_mark,
    // Other namespaces; unshare and clone are allowed without their namespace flags.
    SYS_setns,
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_move_pages,
    SYS_migrate_pages,
    // Keys are not separated by namespaces.
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    // Parts of the kernel that are complex and that models do not need.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_lookup_dcookie,
    // The machine: its kernel, clock, swap, console and accounting.
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_syslog,
    SYS_vhangup,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_nfsservctl,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
    SYS_create_module,
    SYS_get_kernel_syms,
    SYS_query_module,
#endif
};

// Denied with ENOSYS, for which programs have another way.
constexpr uint32_t kMissing[] = {SYS_clone3,  // its flags lie in memory, where no filter sees them
                                 SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
constexpr uint32_t kNewTime = 0x80;  // CLONE_NEWTIME; in clone(2) these bits are a signal

// Others reach the hypervisor (vsock), or rarely used parts of the kernel.
constexpr uint32_t kSocketFamilies[] = {AF_INET, AF_INET6, AF_NETLINK, AF_UNIX /* the last */};
// Both type into a terminal on behalf of its user.
constexpr uint32_t kTerminalInput[] = {TIOCSTI, TIOCLINUX};

class Program {
 public:
  void Load(size_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  }
  // The low half of an argument: all that the kernel reads of those looked at here.
  void LoadArgument(size_t n) { Load(offsetof(seccomp_data, args) + n * sizeof(uint64_t)); }
  void Return(uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }
  void FailWith(int error) {
    Return(SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA));
  }
  // Skip the next `count` instructions if the comparison holds, and unless it does.
  void If(uint16_t comparison, uint32_t value, uint8_t count) {
    code_.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), value, count, 0));
  }
  void Unless(uint16_t comparison, uint32_t value, uint8_t count) {
    code_.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), value, 0, count));
  }
  void FailIf(uint16_t comparison, uint32_t value, int error) {
    Unless(comparison, value, 1);
    FailWith(error);
  }
  Status Install() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
      return Unexpected(ErrnoError("the kernel refuses a seccomp filter", errno));
    }
    return {};
  }

 private:
  std::vector<sock_filter> code_;
};

Status InstallSyscallFilter(bool unix_sockets) {
  Program program;
  program.Load(offsetof(seccomp_data, arch));
  program.If(BPF_JEQ, kAuditArchitecture, 1);
  program.FailWith(ENOSYS);  // calls of another architecture have other numbers
  program.Load(offsetof(seccomp_data, nr));
  program.FailIf(BPF_JGE, kFirstUnknown, ENOSYS);
  for (uint32_t call : kMissing) program.FailIf(BPF_JEQ, call, ENOSYS);
  for (uint32_t call : kDenied) program.FailIf(BPF_JEQ, call, EPERM);
  program.Unless(BPF_JEQ, SYS_clone, 4);
  program.LoadArgument(0);
  program.FailIf(BPF_JSET, kNamespaceFlags, EPERM);
  program.Return(SECCOMP_RET_ALLOW);
  program.Unless(BPF_JEQ, SYS_unshare, 4);
  program.LoadArgument(0);
  program.FailIf(BPF_JSET, kNamespaceFlags | kNewTime, EPERM);
  program.Return(SECCOMP_RET_ALLOW);
  const auto families =
      std::span(kSocketFamilies).first(std::size(kSocketFamilies) - !unix_sockets);
  program.Unless(BPF_JEQ, SYS_socket, static_cast<uint8_t>(2 * families.size() + 2));
  program.LoadArgument(0);
  for (uint32_t family : families) {
    program.Unless(BPF_JEQ, family, 1);
    program.Return(SECCOMP_RET_ALLOW);
  }
  program.FailWith(EAFNOSUPPORT);
  // Whatever its family, a pair of sockets is made by that part of the kernel.
  program.Unless(BPF_JEQ, SYS_socketpair, 4);
  program.LoadArgument(0);
  program.If(BPF_JEQ, AF_UNIX, 1);
  program.FailWith(EAFNOSUPPORT);
  program.Return(SECCOMP_RET_ALLOW);
  program.Unless(BPF_JEQ, SYS_ioctl, static_cast<uint8_t>(2 * std::size(kTerminalInput) + 1));
  program.LoadArgument(1);
  for (uint32_t request : kTerminalInput) program.FailIf(BPF_JEQ, request, EPERM);
  program.Return(SECCOMP_RET_ALLOW);
  return program.Install();
}

}  // namespace

Status Confine(const Rights& rights) {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
    if (capability < 64 && (rights.capabilities >> capability & 1)) continue;
    // A process without CAP_SETPCAP has no capabilities to lose.
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) {
      return Unexpected(ErrnoError("cannot drop a capability", errno));
    }
  }
  // Fails on kernels without keys, which have none to hide.
  (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return Unexpected(ErrnoError("setrlimit", errno));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Unexpected(ErrnoError("cannot set no_new_privs", errno));
  }
  if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) != 0) {
    rlimit files{};  // before Linux 5.11
    getrlimit(RLIMIT_NOFILE, &files);
    for (rlim_t fd = 3; fd < files.rlim_cur; ++fd) fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
  }
  return InstallSyscallFilter(rights.unix_sockets);
}

}  // namespace kinglet::kubelet::pod
