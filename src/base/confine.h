// Confinement: what a process gives up before it parses bytes that strangers made, so that a fault
// in a parser finds nothing to steal and nowhere to write. Each part goes as far as the kernel
// does:
//
//  * Landlock: only the named files and folders can be opened. Processes outside cannot be
//    signalled or looked into, and abstract sockets outside cannot be reached.
//  * seccomp: no program is started, no other process traced, nothing mounted (syscall_filter.h).
//  * No new privileges, no core dumps, no ptrace by other processes of the same user. Of root's
//    capabilities only those stay that files and low ports need.
//
// See landlock(7), seccomp(2), prctl(2), capabilities(7).
#pragma once

#include <string>
#include <vector>

namespace kinglet {

struct Confinement {
  // Files, and folders with all below them. A path that does not exist is skipped; a symbolic link
  // stands for what it leads to now. What programs need of the system (shared libraries,
  // certificates, name resolution) is always readable.
  std::vector<std::string> read;
  // Files that may be written, and folders below which anything may be made, changed and removed.
  // Both can be read as well.
  std::vector<std::string> write;
  // Folders that may be removed with all below them, but not written.
  std::vector<std::string> remove;
  bool connect = true;  // may make connections and send datagrams; false: it may listen only
};

// Confines this process, and logs once what holds and what the kernel does not offer: it never
// fails. Cannot be undone; a second call confines further. Landlock holds for the calling thread
// and for those that it starts afterwards: call it before starting threads. Does nothing in builds
// with sanitizers, which look into their own process.
void Confine(const Confinement& confinement);

}  // namespace kinglet
