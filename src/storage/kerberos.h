// A Kerberos ticket from a keytab, for servers that ask for SPNEGO (RFC 4559), through the system's
// libkrb5: realms and KDCs are those of KRB5_CONFIG or /etc/krb5.conf.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace kinglet::storage {

class KerberosTicket {
 public:
  // Asks the KDC. `keytab` is the file's bytes; they and the ticket stay in memory.
  // kFailedPrecondition with the library's words for a keytab without the principal, a KDC that
  // cannot be reached and so on.
  static Result<std::unique_ptr<KerberosTicket>> Make(std::string principal, std::string keytab);
  ~KerberosTicket();
  KerberosTicket(const KerberosTicket&) = delete;
  KerberosTicket& operator=(const KerberosTicket&) = delete;

  // GSSAPI calls of this thread from now on use the ticket, which is renewed first when it is about
  // to end. Any thread.
  Status UseOnThisThread();

 private:
  KerberosTicket(std::string principal, std::string keytab)
      : principal_(std::move(principal)), keytab_(std::move(keytab)) {}
  Status Ask();  // under mutex_ or alone

  std::string principal_, keytab_;
  std::mutex mutex_;
  std::string cache_;                               // of credentials: "MEMORY:..."
  std::chrono::system_clock::time_point renew_at_;  // under mutex_
};

}  // namespace kinglet::storage
