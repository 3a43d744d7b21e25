"""A web server with models, for tests of downloads."""

import hashlib
import http.server
import re
import socketserver
import threading
import time


class Store:
    """Serves files by their paths; counts requests; /slow trickles while `slowly` is set."""

    def __init__(self, files, host="127.0.0.1"):
        self.gets, self.slowly = [], threading.Event()
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(False)

            def do_GET(self):
                self.answer(True)

            def answer(self, body):
                if self.path not in files:
                    return self.send_error(404)
                data = files[self.path]
                first, last, status = 0, len(data) - 1, 200
                if found := re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                    first, last, status = int(found[1]), int(found[2] or last), 206
                part = data[first:last + 1]
                self.send_response(status)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(part)))
                if status == 206:
                    self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
                self.end_headers()
                if not body:
                    return
                store.gets.append(self.path)
                for at in range(0, len(part), 20_000):
                    if self.path.startswith("/slow") and store.slowly.is_set():
                        time.sleep(0.1)
                    self.wfile.write(part[at:at + 20_000])

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        self.server = Server((host, 0), Handler)
        self.url = f"http://{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def downloads(self, folder):
        return sum(path.startswith(f"/{folder}/") for path in self.gets)
