"""webhdfs:// with Kerberos: Debian's krb5-kdc with a realm of the test's own on the loopback, and a WebHDFS
server that checks SPNEGO with the system's GSSAPI."""

import base64
import ctypes
import ctypes.util
import json
import os
import shutil
import subprocess
import threading

import pytest

import storage_stores as stores
from conftest import wait_for
from test_storage import INITIALIZER, run, visible

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
TOOLS = {name: shutil.which(name, path=PATH) for name in ("krb5kdc", "kdb5_util", "kadmin.local")}
MODEL = {"model.bin": b"m" * 3_500_000, "deep/a": b"1", "nothing": b""}
REALM = "KINGLET.TEST"

pytestmark = [
    pytest.mark.skipif(not INITIALIZER.exists(), reason="the initializer is not built"),
    pytest.mark.skipif(not all(TOOLS.values()), reason="NO KERBEROS TESTED: krb5-kdc and krb5-admin-server "
                                                       "are not installed (tools/setup/emulators.sh)"),
]


class Kdc:
    def __init__(self, folder):
        self.folder, self.port = folder, stores.free_port()
        self.env = {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
        (folder / "krb5.conf").write_text(f"""
[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
[realms]
  {REALM} = {{
    kdc = 127.0.0.1:{self.port}
  }}
[domain_realm]
  localhost = {REALM}
""")
        (folder / "kdc.conf").write_text(f"""
[realms]
  {REALM} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
    kdc_listen = 127.0.0.1:{self.port}
    kdc_tcp_listen = 127.0.0.1:{self.port}
    max_life = 1h
  }}
""")
        self.tool("kdb5_util", "create", "-s", "-P", "master", "-r", REALM)
        self.kdc = stores.started([TOOLS["krb5kdc"], "-n"], self.port, env={**os.environ, **self.env})

    def tool(self, name, *arguments):
        subprocess.run([TOOLS[name], *arguments], env={**os.environ, **self.env}, check=True, capture_output=True)

    def keytab(self, name, *principals):
        file = self.folder / name
        for principal in principals:
            self.tool("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
            self.tool("kadmin.local", "-r", REALM, "-q", f"ktadd -k {file} {principal}")
        return file

    def close(self):
        self.kdc.kill()
        self.kdc.wait()


class Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]


class Acceptor:
    """The server's half of SPNEGO: gss_accept_sec_context with a keytab."""

    def __init__(self, keytab):
        self.gss = ctypes.CDLL("libgssapi_krb5.so.2")
        self.keytab = keytab
        self.lock = threading.Lock()

    def who(self, token):
        """The principal that a token proves, or None."""
        with self.lock:
            self.gss.krb5_gss_register_acceptor_identity(str(self.keytab).encode())
            minor, context, name = ctypes.c_uint32(), ctypes.c_void_p(), ctypes.c_void_p()
            given = ctypes.create_string_buffer(token, len(token))
            data = Buffer(len(token), ctypes.cast(given, ctypes.c_void_p))
            answer, shown = Buffer(), Buffer()
            major = self.gss.gss_accept_sec_context(
                ctypes.byref(minor), ctypes.byref(context), None, ctypes.byref(data), None, ctypes.byref(name),
                None, ctypes.byref(answer), None, None, None)
            if major != 0:
                return None
            self.gss.gss_display_name(ctypes.byref(minor), name, ctypes.byref(shown), None)
            return ctypes.string_at(shown.value, shown.length).decode()


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    kdc = Kdc(tmp_path_factory.mktemp("kdc"))
    service = kdc.keytab("service", "HTTP/localhost")
    kdc.alice = kdc.keytab("alice", "other", "alice/pod")
    acceptor, kdc.seen = Acceptor(service), []
    os.environ["KRB5RCACHENAME"] = "none:"
    os.environ.update(kdc.env)
    objects = {f"m/{name}": content for name, content in MODEL.items()}
    kdc.store = stores.WebHdfs(kdc.folder, objects, {})

    def authenticate(handler):
        scheme, _, token = handler.headers.get("Authorization", "").partition(" ")
        who = acceptor.who(base64.b64decode(token)) if scheme == "Negotiate" else None
        kdc.seen.append(who)
        if who == f"alice/pod@{REALM}":
            return True
        body = {"RemoteException": {"exception": "AuthenticationException", "message": f"who is {who}"}}
        handler.send(403 if who else 401, body, **({} if who else {"WWW_Authenticate": "Negotiate"}))
        return False

    kdc.store.authenticate = authenticate
    kdc.store.base = f"http://localhost:{kdc.store.server.server_port}"
    yield kdc
    kdc.store.close()
    kdc.close()


def config(realm, principal="alice/pod", keytab=None):
    keytab = base64.b64encode((keytab or realm.alice).read_bytes()).decode()
    secret = realm.store.secret(KERBEROS_PRINCIPAL=principal, KERBEROS_KEYTAB=keytab)
    return {**realm.env, **secret, "KRB5CCNAME": "FILE:/nowhere/at/all"}


def test_ticket_from_keytab(realm, tmp_path):
    result = run("webhdfs://m", tmp_path / "m", "--chunk-mib", 1, env=config(realm))
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "m") == MODEL
    assert set(realm.seen) <= {None, f"alice/pod@{REALM}"}
    # The name node redirects to a data node, which is not told who asks.
    assert realm.store.opened == 5
    assert realm.store.authenticated >= 3 + 5


def test_mounted_secret(realm, tmp_path):
    """The secret's files, as the webhook mounts them."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "HDFS_NAMENODE").write_text(realm.store.base)
    (folder / "HDFS_ROOTPATH").write_text("/models")
    (folder / "KERBEROS_PRINCIPAL").write_text(f"alice/pod@{REALM}\n")
    (folder / "KERBEROS_KEYTAB").write_bytes(realm.alice.read_bytes())
    result = run("hdfs://m", tmp_path / "m", env={**realm.env, "HDFS_SECRET_DIR": str(folder)})
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path / "m") == MODEL
    (folder / "KERBEROS_KEYTAB").unlink()
    result = run("hdfs://m", tmp_path / "n", env={**realm.env, "HDFS_SECRET_DIR": str(folder)})
    assert result.returncode == 1 and "KERBEROS_KEYTAB" in result.stderr


def test_refusals(realm, tmp_path):
    def fails(*words, **env):
        result = run("webhdfs://m", tmp_path / "m", env=env)
        assert result.returncode == 1 and not (tmp_path / "m").exists()
        last = result.stderr.strip().splitlines()[-1]
        assert all(word in last for word in words), last

    # A keytab without the principal, one that the KDC does not know, another's, rubbish, no KDC.
    fails("Kerberos: a ticket for bob", **config(realm, "bob"))
    fails("who is other", **config(realm, "other"))
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish")
    fails("Kerberos: a ticket for alice/pod", **config(realm, keytab=rubbish))
    gone = tmp_path / "krb5.conf"
    gone.write_text((realm.folder / "krb5.conf").read_text().replace(f":{realm.port}", ":9"))
    fails("Kerberos: a ticket for alice/pod", "KDC", **{**config(realm), "KRB5_CONFIG": str(gone)})
    none = json.loads(config(realm)["STORAGE_CONFIG"])
    del none["KERBEROS_PRINCIPAL"]
    fails("AuthenticationException", **realm.env, STORAGE_CONFIG=json.dumps(none))
    wait_for(lambda: None in realm.seen, what="a request without a ticket")
