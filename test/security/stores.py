"""Hostile stores: web servers on this machine that answer what a test tells them, and remember what they were asked."""

import collections
import datetime
import http.server
import ipaddress
import os
import pathlib
import ssl
import subprocess
import threading

from standalone import BIN

INITIALIZER = BIN / "kinglet-storage-initializer"
# Variables of the tester's own machine must not decide.
FOREIGN = ("AWS_", "S3_", "AZURE_", "AZ_", "GOOGLE_", "HF_", "GIT_", "STORAGE_", "KSERVE_", "HTTP", "http", "REQUESTS_", "SSL_")

Asked = collections.namedtuple("Asked", "method path headers body")


class Store:
    """`answer(handler)` is called for each request; a handler has send(status, body, **headers). `asked` has what came."""

    def __init__(self, answer, tls=None, address="127.0.0.1"):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def send(self, status, body=b"", **headers):
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in {"Content_Length": len(body), **headers}.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                self.wfile.write(body)

            def send_endlessly(self, status, seconds=30, **headers):
                """A body that goes on until the client hangs up."""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                piece = b"10000\r\n" + bytes(65536) + b"\r\n"
                end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
                while datetime.datetime.now() < end:
                    self.wfile.write(piece)

            def _do(self):
                length = int(self.headers.get("Content-Length", 0))
                self.body = self.rfile.read(length)
                outer.asked.append(Asked(self.command, self.path, dict(self.headers), self.body))
                try:
                    answer(self)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_HEAD = _do

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments):
                pass

        self.server = Server((address, 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.host = f"{address}:{self.server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def heard(self, secret):
        """Whether the secret came in any header, path or body."""
        return [asked for asked in self.asked if secret in f"{asked.path} {asked.headers} {asked.body}"]


def authority(folder):
    """A certificate for 127.0.0.1 of an authority of our own: (SSLContext, file of the authority)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256()))
    file = pathlib.Path(folder) / "authority.crt"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (pathlib.Path(folder) / "key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, pathlib.Path(folder) / "key")
    return context, file


def environment(home, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "HOME": str(home), **{name: str(value) for name, value in variables.items()}}


def fetch(uri, to, *flags, env=None, timeout=25):
    """Runs the storage initializer; a run that does not end counts as return code None."""
    command = [INITIALIZER, uri, to, *map(str, flags)]
    try:
        return subprocess.run(command, env=env or environment(pathlib.Path(to).parent), capture_output=True,
                              text=True, timeout=timeout, errors="replace")
    except subprocess.TimeoutExpired as expired:
        error = (expired.stderr or b"").decode(errors="replace")
        return subprocess.CompletedProcess(command, None, "", error)
