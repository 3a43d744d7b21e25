#include "storage/kerberos.h"

#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"

namespace kinglet::storage {

namespace {

// What one conversation with libkrb5 holds; given back in the end, in the order it asks for.
struct Session {
  krb5_context context = nullptr;
  krb5_principal principal = nullptr;
  krb5_keytab keytab = nullptr;
  krb5_ccache cache = nullptr;
  krb5_creds credentials{};

  ~Session() {
    if (!context) return;
    krb5_free_cred_contents(context, &credentials);
    if (cache) krb5_cc_close(context, cache);
    if (keytab) krb5_kt_close(context, keytab);
    if (principal) krb5_free_principal(context, principal);
    krb5_free_context(context);
  }

  Status Check(krb5_error_code code, const std::string& what) const {
    if (code == 0) return {};
    const char* text = context ? krb5_get_error_message(context, code) : nullptr;
    std::string why = text ? text : "libkrb5 cannot be used: see krb5.conf";
    if (text) krb5_free_error_message(context, text);
    // Whether it is the network, the clock or the keytab, KServe's pods are restarted for it.
    return Fail(Code::kFailedPrecondition, "Kerberos: {}: {}", what, why);
  }
};

}  // namespace

Result<std::unique_ptr<KerberosTicket>> KerberosTicket::Make(std::string principal,
                                                             std::string keytab) {
  std::unique_ptr<KerberosTicket> ticket(
      new KerberosTicket(std::move(principal), std::move(keytab)));
  KINGLET_RETURN_IF_ERROR(ticket->Ask());
  return ticket;
}

Status KerberosTicket::Ask() {
  // libkrb5 reads keytabs from files only; this one has no name on any disk.
  Fd file(memfd_create("keytab", MFD_CLOEXEC));
  if (!file ||
      write(file.get(), keytab_.data(), keytab_.size()) != static_cast<ssize_t>(keytab_.size())) {
    return Unexpected(ErrnoError("Kerberos: the keytab", errno));
  }
  Session s;
  KINGLET_RETURN_IF_ERROR(s.Check(krb5_init_context(&s.context), "start"));
  KINGLET_RETURN_IF_ERROR(
      s.Check(krb5_parse_name(s.context, principal_.c_str(), &s.principal), principal_));
  KINGLET_RETURN_IF_ERROR(
      s.Check(krb5_kt_resolve(s.context, fmt::format("FILE:/proc/self/fd/{}", file.get()).c_str(),
                              &s.keytab),
              "the keytab"));
  KINGLET_RETURN_IF_ERROR(s.Check(krb5_get_init_creds_keytab(s.context, &s.credentials, s.principal,
                                                             s.keytab, 0, nullptr, nullptr),
                                  fmt::format("a ticket for {}", principal_)));
  if (cache_.empty()) {
    KINGLET_RETURN_IF_ERROR(
        s.Check(krb5_cc_new_unique(s.context, "MEMORY", nullptr, &s.cache), "a cache"));
    cache_ = fmt::format("MEMORY:{}", krb5_cc_get_name(s.context, s.cache));
  } else {
    KINGLET_RETURN_IF_ERROR(
        s.Check(krb5_cc_resolve(s.context, cache_.c_str(), &s.cache), "the cache"));
  }
  KINGLET_RETURN_IF_ERROR(
      s.Check(krb5_cc_initialize(s.context, s.cache, s.principal), "the cache"));
  KINGLET_RETURN_IF_ERROR(
      s.Check(krb5_cc_store_cred(s.context, s.cache, &s.credentials), "the cache"));
  auto life = std::chrono::seconds(s.credentials.times.endtime - time(nullptr));
  renew_at_ = std::chrono::system_clock::now() + life * 3 / 4;
  return {};
}

Status KerberosTicket::UseOnThisThread() {
  std::lock_guard lock(mutex_);
  if (std::chrono::system_clock::now() >= renew_at_) KINGLET_RETURN_IF_ERROR(Ask());
  OM_uint32 minor = 0;
  if (GSS_ERROR(gss_krb5_ccache_name(&minor, cache_.c_str(), nullptr))) {
    return Fail(Code::kInternal, "Kerberos: the cache of credentials cannot be used");
  }
  return {};
}

KerberosTicket::~KerberosTicket() {
  if (cache_.empty()) return;
  krb5_context context = nullptr;
  if (krb5_init_context(&context) != 0) return;
  krb5_ccache cache = nullptr;
  if (krb5_cc_resolve(context, cache_.c_str(), &cache) == 0) krb5_cc_destroy(context, cache);
  krb5_free_context(context);
}

}  // namespace kinglet::storage
