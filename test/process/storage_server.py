"""An object store for tests that misbehaves when told to: S3's listing and ranged reads, and the same
objects as plain files over HTTP. It counts every byte it sends."""

import hashlib
import re
import socket
import struct
import threading
import time
import urllib.parse


class Reset(Exception):
    """Ends the connection with a TCP reset."""


class Request:
    """One request for bytes of an object, given to the fault before it is answered."""

    def __init__(self, store, number, name, first, last, connection):
        self.store, self.number, self.name = store, number, name
        self.first, self.last = first, last  # of the range; the whole object's otherwise
        self.connection = connection


class Answer:
    """What is sent. A fault changes it."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.stop_at = None  # after so many bytes of the body ...
        self.then = None  # ... call this: it may raise, sleep or return to end the connection
        self.delay = 0.0  # before every 64 KiB


class FaultyStore:
    """`objects` by key. `fault(request, answer)` may change every answer to a request for bytes;
    `on_list(page)` every listing, given and returned as (status, xml)."""

    def __init__(self, objects, tls=None):
        self.objects = dict(objects)
        self.tls = tls  # an SSLContext
        self.serving = self.most = 0  # answers with bytes of objects at once, now and ever
        self.versions = {}  # by key: appended to the ETag
        self.fault = None
        self.on_list = None
        self.broken = 0  # answers that a fault has cut
        self.requests = 0
        self.sent = []  # (key, first byte, count) of body bytes handed to the kernel
        self.lock = threading.Lock()
        self.closing = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def close(self):
        self.closing = True
        self.listener.close()

    def etag(self, key):
        """As S3's: the content's MD5, or for a version what an upload in parts has."""
        version = f"-{self.versions[key]}" if key in self.versions else ""
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}{version}"'

    def sent_bytes(self):
        with self.lock:
            return sum(count for _, _, count in self.sent)

    def sent_twice(self):
        """Bytes of objects that were sent more than once."""
        with self.lock:
            ranges = sorted(self.sent)
        twice, key, reached = 0, None, 0
        for name, first, count in ranges:
            if name != key:
                key, reached = name, 0
            last = first + count
            twice += max(0, min(reached, last) - first)
            reached = max(reached, last)
        return twice

    def forget(self):
        with self.lock:
            self.sent, self.broken, self.requests = [], 0, 0

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return connection.close()
        reader = connection.makefile("rb")
        try:
            while not self.closing:
                line = reader.readline().decode()
                if not line:
                    return
                method, target, _ = line.split(" ", 2)
                fields = {}
                while (field := reader.readline().strip()) != b"":
                    name, _, value = field.decode().partition(":")
                    fields[name.lower()] = value.strip()
                if not self._answer(connection, method, target, fields):
                    return
        except Reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        finally:
            reader.close()
            connection.close()

    def _answer(self, connection, method, target, fields):
        path, _, query = target.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        key = urllib.parse.unquote(path).split("/", 2)[-1]  # without the bucket
        if "list-type" in query:
            status, text = self._list(query)
            if self.on_list:
                status, text = self.on_list((status, text))
            return self._send(connection, method, None, Answer(status, {}, text.encode()))
        if key not in self.objects:
            return self._send(connection, method, None, Answer(404, {}, b"<Error><Code>NoSuchKey</Code></Error>"))
        with self.lock:
            self.requests += 1
            number = self.requests
        content, etag = self.objects[key], self.etag(key)
        if fields.get("if-match", etag) != etag:
            return self._send(connection, method, None, Answer(412, {"ETag": etag}, b""))
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", fields.get("range", ""))
        if match and fields.get("if-range", etag) != etag:
            match = None
        first, last = (int(match[1]), min(int(match[2]), len(content) - 1)) if match else (0, len(content) - 1)
        headers = {"ETag": etag, "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        if match:
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        answer = Answer(206 if match else 200, headers, content[first : last + 1])
        request = Request(self, number, key, first, last, connection)
        with self.lock:
            self.serving += 1
            self.most = max(self.most, self.serving)
        try:
            if self.fault and method == "GET":
                self.fault(request, answer)
            return self._send(connection, method, request, answer)
        finally:
            with self.lock:
                self.serving -= 1

    def _send(self, connection, method, request, answer):
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        head = f"HTTP/1.1 {answer.status} Status\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        connection.sendall(head.encode() + b"\r\n")
        if method == "HEAD":
            return True
        end = len(answer.body) if answer.stop_at is None else min(answer.stop_at, len(answer.body))
        for at in range(0, end, 65536):
            if answer.delay:
                time.sleep(answer.delay)
            piece = answer.body[at : min(at + 65536, end)]
            connection.sendall(piece)
            if request and answer.status < 300:
                with self.lock:
                    self.sent.append((request.name, request.first + at, len(piece)))
        if answer.stop_at is None:
            return True
        with self.lock:
            self.broken += 1
        if answer.then:
            answer.then()
        return False

    def _list(self, query):
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = sorted(k for k in self.objects if k.startswith(prefix) and k > after)
        page, rest = keys[:1000], keys[1000:]
        text = "<ListBucketResult><EncodingType>url</EncodingType>"
        text += f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>"
        if rest:
            text += f"<NextContinuationToken>{urllib.parse.quote(page[-1])}</NextContinuationToken>"
        for key in page:
            text += f"<Contents><Key>{urllib.parse.quote(key)}</Key><Size>{len(self.objects[key])}</Size>"
            text += f"<ETag>{self.etag(key)}</ETag></Contents>"
        return 200, text + "</ListBucketResult>"

    # Faults.

    def wait_for_hang_up(self, connection, seconds=60):
        connection.settimeout(seconds)
        try:
            while connection.recv(4096):
                pass
        except OSError:
            pass
