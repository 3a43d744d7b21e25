#include "base/syscall_filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/audit_architecture.h"
#include "base/file.h"

namespace kinglet {
namespace {

// Numbers from here on are the x32 calls of x86-64, which would get around the table.
constexpr uint32_t kX32 = 0x40000000;

constexpr uint32_t kDenied[] = {
    // Programs and processes. (clone is looked at below: threads are made with it.)
    SYS_execve,
    SYS_execveat,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    // Other processes, and this one's namespaces.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_process_madvise,
    SYS_unshare,
    SYS_setns,
    // The tree of mounts.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    // Kernel code and kernel interfaces with many ways in.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_fanotify_init,
    SYS_personality,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_modify_ldt
    SYS_modify_ldt,
#endif
    // The machine.
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
#endif
};

// The terminal's owner must not find typed input that the process put there.
constexpr uint32_t kTerminalInput[] = {TIOCSTI, TIOCLINUX};

constexpr uint32_t kLocalFamilies[] = {AF_UNIX, AF_NETLINK},
                   kInternetFamilies[] = {AF_INET, AF_INET6};
constexpr uint32_t kSocketTypeMask = 0xf;  // without SOCK_CLOEXEC and SOCK_NONBLOCK

constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;

constexpr uint32_t Argument(int index) {
  // The lower half on little-endian machines, which both architectures are.
  return static_cast<uint32_t>(offsetof(seccomp_data, args) + sizeof(uint64_t) * index);
}

class Program {
 public:
  explicit Program(bool connect) {
    Load(offsetof(seccomp_data, arch));
    Return(BPF_JEQ, kAuditArchitecture, kDeny, /*when=*/false);
    Load(offsetof(seccomp_data, nr));
    if (!connect)
      DenyConnecting();  // first, since it looks at calls that servers make all the time
    Return(BPF_JGE, kX32, kDeny);
    for (uint32_t number : kDenied) Return(BPF_JEQ, number, kDeny);
    // Its flags lie in memory, where a filter cannot look: the C library then uses clone.
    Return(BPF_JEQ, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    // Threads only, of this process's namespaces.
    Section(SYS_clone, [&] {
      Load(Argument(0));
      Return(BPF_JSET, CLONE_THREAD, kDeny, /*when=*/false);
      Return(BPF_JSET,
             CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                 CLONE_NEWUTS | CLONE_NEWCGROUP,
             kDeny);
    });
    Section(SYS_ioctl, [&] {
      Load(Argument(1));
      for (uint32_t request : kTerminalInput) Return(BPF_JEQ, request, kDeny);
    });
    Section(SYS_socket, [&] {
      Load(Argument(0));
      for (uint32_t family : kLocalFamilies) Return(BPF_JEQ, family, SECCOMP_RET_ALLOW);
      for (uint32_t family : kInternetFamilies) {
        Section(family, [&] {
          if (connect) return;
          Load(Argument(1));
          Add(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSocketTypeMask));
          Return(BPF_JEQ, SOCK_STREAM, kDeny, /*when=*/false);
        });
      }
      Add(BPF_STMT(BPF_RET | BPF_K, kDeny));
    });
    // A pair of any family is made by that part of the kernel, before it says that it cannot.
    Section(SYS_socketpair, [&] {
      Load(Argument(0));
      Return(BPF_JEQ, AF_UNIX, kDeny, /*when=*/false);
    });
    Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }

  sock_fprog Get() { return {static_cast<unsigned short>(code_.size()), code_.data()}; }

 private:
  // TCP connections also begin with a first write (MSG_FASTOPEN), and datagrams with an address.
  void DenyConnecting() {
    Section(SYS_sendto, [&] {
      Load(Argument(3));
      Return(BPF_JSET, MSG_FASTOPEN, kDeny);
      for (uint32_t half : {Argument(4), Argument(4) + 4}) {
        Load(half);
        Return(BPF_JEQ, 0, kDeny, /*when=*/false);
      }
    });
    for (auto [number, flags] : {std::pair(SYS_sendmsg, 2), std::pair(SYS_sendmmsg, 3)}) {
      Section(static_cast<uint32_t>(number), [&] {
        Load(Argument(flags));
        Return(BPF_JSET, MSG_FASTOPEN, kDeny);
      });
    }
    Return(BPF_JEQ, SYS_connect, kDeny);
  }

  void Add(sock_filter instruction) { code_.push_back(instruction); }
  void Load(size_t offset) {
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  }
  // Ends with `action` when the comparison with what was loaded is (`when`) or is not true.
  void Return(int comparison, uint32_t value, uint32_t action, bool when = true) {
    const auto code = static_cast<unsigned short>(BPF_JMP | comparison | BPF_K);
    Add(BPF_JUMP(code, value, static_cast<unsigned char>(when ? 0 : 1),
                 static_cast<unsigned char>(when ? 1 : 0)));
    Add(BPF_STMT(BPF_RET | BPF_K, action));
  }
  // What is done only if this value was loaded; ends by allowing the call.
  template <class Body>
  void Section(uint32_t value, Body body) {
    const size_t jump = code_.size();
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
    body();
    Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    code_[jump].jf = static_cast<unsigned char>(code_.size() - jump - 1);
  }

  std::vector<sock_filter> code_;
};

}  // namespace

Status InstallSyscallFilter(bool connect) {
  Program program(connect);
  sock_fprog code = program.Get();
  // SPEC_ALLOW: kernels before 5.16 otherwise switch a mitigation on that slows all of the process
  // down; no code of others runs in it. TSYNC: threads that exist are filtered, too.
  const long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &code);
  if (rc == 0) return {};
  if (rc > 0) return Fail(Code::kPermissionDenied, "thread {} has filters of its own", rc);
  return Unexpected(ErrnoError("the kernel refuses a seccomp filter", errno));
}

}  // namespace kinglet
