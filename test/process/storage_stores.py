"""Stores of every kind for test_storage_contract.py: real programs where there are any, and servers written
from the specifications where there are none. Each is filled with the same objects and says what it cannot
hold."""

import base64
import contextlib
import crypt
import datetime
import hashlib
import hmac
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import urllib.parse
import urllib.request
import zlib

from conftest import CACHE, wait_for

EMULATORS = pathlib.Path(os.environ.get("KINGLET_EMULATORS", CACHE / "emulators"))
FAKE_GCS = EMULATORS / "bin/fake-gcs-server"
REGISTRY = EMULATORS / "bin/registry"
AZURITE = EMULATORS / "azurite/node_modules/.bin/azurite-blob"
NODE = shutil.which("node") or shutil.which("node", path=EMULATORS / "node/bin")
ACCOUNT = "devstoreaccount1"
# The key of every Azurite, as its documentation gives it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Missing(Exception):
    """The program of this store is not installed."""


def environment(env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_", "AZURE_"))}
    return {**clean, **env}


def tar_gz(files, folder=""):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command, port, **options):
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    def up():
        assert process.poll() is None, f"{command[0]} ended"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_for(up, 90, what=str(command[0]))
    return process


def call(method, url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    return urllib.request.urlopen(request, timeout=30)


def folders_of(objects):
    """Objects by their first folder; those without one by their own name."""
    folders = {}
    for name, content in objects.items():
        folder, _, rest = name.partition("/")
        folders.setdefault(folder, {})[rest or folder] = content
    return folders


class Store:
    """What the contract asks of a store. `env` is the initializer's; with `wrong` it is refused."""

    env, wrong, cannot, seen_both = {}, {}, {}, {}
    process = None

    def uri(self, path):
        raise NotImplementedError

    def seen(self, folder, files):
        """What the model in `folder` looks like where it arrives."""
        return files

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()


class S3(Store):
    """moto, which checks signatures once it has been told to."""

    seen_both = {"both": b"the object"}

    def __init__(self, folder, objects, both):
        try:
            import boto3
            import moto.server
        except ImportError as error:
            raise Missing(str(error)) from None
        assert moto.server
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = started([sys.executable, "-m", "moto.server", "-p", port], port,
                               env=environment({"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}))
        options = {"endpoint_url": self.endpoint, "aws_access_key_id": "t", "aws_secret_access_key": "t",
                   "region_name": "us-east-1"}
        client = boto3.client("s3", **options)
        client.create_bucket(Bucket="models")
        for key, body in {**objects, **both}.items():
            client.put_object(Bucket="models", Key=key, Body=body)
        iam = boto3.client("iam", **options)
        iam.create_user(UserName="reader")
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [statement]}))
        call("POST", f"{self.endpoint}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
        self.env = {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                    "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        self.wrong = {"AWS_SECRET_ACCESS_KEY": "wrong"}
        self.folders = folders_of(objects)

    def uri(self, path):
        # KServe's prefix takes name-siblings too; the slash keeps them out.
        files = self.folders.get(path, {path: b""})
        return f"s3://models/{path}" + ("" if path in files else "/")


class Gcs(Store):
    cannot = {"wrong_credentials": "fake-gcs-server takes any credentials"}
    seen_both = {"below": b"no"}

    def __init__(self, folder, objects, both):
        if not FAKE_GCS.exists():
            raise Missing("no fake-gcs-server")
        port = free_port()
        self.process = started(
            [FAKE_GCS, "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory",
             "-public-host", f"127.0.0.1:{port}"], port)
        self.base = f"http://127.0.0.1:{port}"
        call("POST", f"{self.base}/storage/v1/b", json.dumps({"name": "models"}).encode(),
             {"Content-Type": "application/json"})
        for name, content in {**objects, **both}.items():
            quoted = urllib.parse.quote(name, safe="")
            call("POST", f"{self.base}/upload/storage/v1/b/models/o?uploadType=media&name={quoted}", content,
                 {"Content-Type": "application/octet-stream"})
        self.env = {"STORAGE_EMULATOR_HOST": self.base}

    def uri(self, path):
        return f"gs://models/{path}"


def azure_authorization(method, target, query, headers, length, key=KEY):
    """The Authorization of a request, written apart from the initializer's own signing."""
    lower = {k.lower(): v for k, v in headers.items()}
    fields = ["content-encoding", "content-language", None, "content-md5", "content-type", "date",
              "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"]
    text = method + "\n" + "".join((lower.get(f, "") if f else length) + "\n" for f in fields)
    text += "".join(f"{k}:{v}\n" for k, v in sorted(lower.items()) if k.startswith("x-ms-"))
    text += f"/{ACCOUNT}{target}" + "".join(f"\n{k}:{v}" for k, v in sorted(query.items()))
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"


def azure_put(base, path, query, content, headers):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {**headers, "x-ms-date": now, "x-ms-version": "2021-12-02"}
    headers.setdefault("Content-Type", "application/octet-stream")  # or urllib adds its own
    target = urllib.parse.quote(f"/{ACCOUNT}/{path}", safe="/~")
    length = str(len(content)) if content else ""
    headers["Authorization"] = azure_authorization("PUT", target, query, headers, length)
    url = base + target + ("?" + urllib.parse.urlencode(query) if query else "")
    call("PUT", url, content, headers)


class AzureBlob(Store):
    seen_both = {"both": b"the object"}

    def __init__(self, folder, objects, both):
        if not AZURITE.exists() or not NODE:
            raise Missing("no Azurite")
        port = free_port()
        self.process = started(
            [NODE, AZURITE, "--blobPort", port, "--inMemoryPersistence", "--silent",
             "--skipApiVersionCheck", "--disableTelemetry"], port)
        base = f"http://127.0.0.1:{port}"
        azure_put(base, "models", {"restype": "container"}, b"", {})
        azure_put(base, "open", {"restype": "container"}, b"", {"x-ms-blob-public-access": "container"})
        azure_put(base, "open/m/a b%.txt", {}, b"public", {"x-ms-blob-type": "BlockBlob"})
        for name, content in {**objects, **both}.items():
            azure_put(base, f"models/{name}", {}, content, {"x-ms-blob-type": "BlockBlob"})
        self.env = {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={base}/{ACCOUNT};AccountName={ACCOUNT}",
                    "AZURE_STORAGE_ACCESS_KEY": KEY}
        self.wrong = {"AZURE_STORAGE_ACCESS_KEY": base64.b64encode(b"wrong").decode()}

    def uri(self, path):
        return f"https://{ACCOUNT}.blob.core.windows.net/models/{urllib.parse.quote(path)}"

    def seen(self, folder, files):
        # KServe cuts slashes off the prefix, so name-siblings come too.
        return {**files, "-sibling/no": b"no"} if folder == "plain" and len(files) > 1 else files


class Served(Store):
    """A server of the test's own; `answer(handler, path, query)` answers a GET or HEAD."""

    host = "127.0.0.1"

    def serve(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                path, _, query = self.path.partition("?")
                self.fields = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
                outer.answer(self, urllib.parse.unquote(path), self.fields)

            do_HEAD = do_GET

            def send(self, status, body=b"", **headers):
                if isinstance(body, (dict, list)):
                    body = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def send_range(self, content, field, **headers):
                match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get(field, ""))
                if not match:
                    return self.send(200, content, **headers)
                first, last = int(match[1]), min(int(match[2]), len(content) - 1)
                return self.send(206, content[first : last + 1],
                                 Content_Range=f"bytes {first}-{last}/{len(content)}", **headers)

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, *arguments):  # a killed client is no error
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://{self.host}:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def children(objects, path):
        """(name, whether it is a folder) of what lies directly in the folder."""
        prefix = path + "/" if path else ""
        names = {}
        for key in objects:
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                names[name] = bool(slash)
        return sorted(names.items())


class AzureFile(Served):
    """Azure Files from its REST specification (List Directories and Files, Get File, Get File Properties);
    shared keys are checked, listings have pages of 500. Azurite has no Files."""

    cannot = {"object_and_folder": "a share has real folders"}

    def __init__(self, folder, objects, both):
        self.objects = objects
        self.serve()
        self.env = {"AZURE_STORAGE_CONNECTION_STRING":
                    f"FileEndpoint={self.base}/{ACCOUNT};AccountName={ACCOUNT}", "AZURE_STORAGE_ACCESS_KEY": KEY}
        self.wrong = {"AZURE_STORAGE_ACCESS_KEY": base64.b64encode(b"wrong").decode()}

    def uri(self, path):
        return f"https://{ACCOUNT}.file.core.windows.net/models/{urllib.parse.quote(path)}"

    def seen(self, folder, files):
        return {f"{folder}/{name}": content for name, content in files.items()}  # the whole path, as KServe

    def answer(self, handler, path, query):
        target, xml = handler.path.partition("?")[0], {"Content_Type": "application/xml"}
        expected = azure_authorization(handler.command, target, query, dict(handler.headers), "")
        if handler.headers.get("Authorization") != expected:
            return handler.send(403, b"<Error><Code>AuthenticationFailed</Code><Message>no</Message></Error>", **xml)
        path = path.removeprefix(f"/{ACCOUNT}/models").strip("/")
        if query.get("comp") == "list":
            found = self.children(self.objects, path)
            if not found:
                return handler.send(404, b"<Error><Code>ResourceNotFound</Code></Error>", **xml)
            start = int(query.get("marker", "0"))
            text = "<EnumerationResults><Entries>"
            for name, is_folder in found[start : start + 500]:
                name_xml = name.replace("&", "&amp;").replace("<", "&lt;")
                size = len(self.objects.get(f"{path}/{name}" if path else name, b""))
                text += (f"<Directory><Name>{name_xml}</Name><Properties /></Directory>" if is_folder else
                         f"<File><Name>{name_xml}</Name><Properties><Content-Length>{size}</Content-Length>"
                         "</Properties></File>")
            more = str(start + 500) if len(found) > start + 500 else ""
            text += f"</Entries><NextMarker>{more}</NextMarker></EnumerationResults>"
            return handler.send(200, text.encode(), **xml)
        if path not in self.objects:
            return handler.send(404, b"<Error><Code>ResourceNotFound</Code></Error>", **xml)
        content = self.objects[path]
        if not content and "x-ms-range" in handler.headers:
            return handler.send(416, b"<Error><Code>InvalidRange</Code></Error>", x_ms_error_code="InvalidRange", **xml)
        return handler.send_range(content, "x-ms-range", ETag='"%s"' % hashlib.md5(content).hexdigest(),
                                  Last_Modified="Sun, 01 Nov 2026 00:00:00 GMT")


def hdfs_checksum(content, block, cell):
    """FileChecksum of a file: the MD5, over a buffer that doubles from 32 bytes, of the MD5 of each block's CRCs."""
    blocks = [content[at : at + block] for at in range(0, len(content), block)] or [b""]
    sums = b""
    for bytes_of in blocks:
        crcs = (zlib.crc32(bytes_of[at : at + cell]) for at in range(0, len(bytes_of), cell))
        sums += hashlib.md5(b"".join(crc.to_bytes(4, "big") for crc in crcs)).digest()
    buffer = 32
    while buffer < len(sums):
        buffer *= 2
    each = block // cell if len(blocks) > 1 else 0
    value = cell.to_bytes(4, "big") + each.to_bytes(8, "big") + hashlib.md5(sums.ljust(buffer, b"\0")).digest()
    return {"algorithm": f"MD5-of-{each}MD5-of-{cell}CRC32", "bytes": value.hex(), "length": len(value)}


class WebHdfs(Served):
    """WebHDFS from its REST specification: a name node and a data node. `authenticate(handler)` says who
    asks, or answers itself and gives nothing."""

    cannot = {"object_and_folder": "HDFS has real folders"}

    def __init__(self, folder, objects, both):
        self.objects = objects
        self.blocks = 1 << 20, 512  # bytes of a block, and of what has a CRC
        self.authenticate = None
        self.opened = self.authenticated = 0
        self.serve()
        self.env = self.secret(USER_PROXY="alice")
        self.wrong = self.secret(USER_PROXY="mallory")

    def secret(self, **more):
        config = {"type": "webhdfs", "HDFS_NAMENODE": self.base, "HDFS_ROOTPATH": "/models", **more}
        return {"STORAGE_CONFIG": json.dumps(config)}

    def uri(self, path):
        return f"webhdfs://{path}"

    def answer(self, handler, path, query):
        def refuse(status, kind, message="no"):
            handler.send(status, {"RemoteException": {"exception": kind, "message": message}})

        if path.startswith("/datanode/"):
            content = self.objects[path.removeprefix("/datanode/models/")]
            if query["op"] == "GETFILECHECKSUM":
                return handler.send(200, {"FileChecksum": hdfs_checksum(content, *self.blocks)})
            first = int(query.get("offset", "0"))
            return handler.send(200, content[first : first + int(query.get("length", len(content)))])
        if self.authenticate:
            if not self.authenticate(handler):
                return None
            self.authenticated += 1
        elif query.get("doas") != "alice":
            return refuse(403, "AccessControlException")
        key = path.removeprefix("/webhdfs/v1/models").strip("/")
        below = self.children(self.objects, key)

        def status(name, key, is_folder):
            if is_folder:
                return {"pathSuffix": name, "type": "DIRECTORY", "length": 0}
            return {"pathSuffix": name, "type": "FILE", "length": len(self.objects[key]), "fileId": 7,
                    "modificationTime": 1}

        if key not in self.objects and not below:
            return refuse(404, "FileNotFoundException", f"File does not exist: {path}")
        if query["op"] == "GETFILESTATUS":
            return handler.send(200, {"FileStatus": status("", key, key not in self.objects)})
        if query["op"] == "LISTSTATUS":
            statuses = [status(name, f"{key}/{name}" if key else name, is_folder) for name, is_folder in below]
            return handler.send(200, {"FileStatuses": {"FileStatus": statuses}})
        self.opened += query["op"] == "OPEN"
        where = urllib.parse.quote(f"/datanode/models/{key}") + "?" + handler.path.partition("?")[2]
        return handler.send(307, Location=f"http://127.0.0.1:{self.server.server_port}{where}")


class Hub(Served):
    """A Hugging Face-like resolver: the models API, commits, large files behind a redirect to another host."""

    cannot = {"one_object_below": "a repository comes whole", "object_and_folder": "a repository has real folders"}

    def __init__(self, folder, objects, both):
        self.folders = folders_of(objects)
        self.serve()
        self.env = {"HF_ENDPOINT": self.base, "HF_TOKEN": "hf_right"}
        self.wrong = {"HF_TOKEN": "hf_wrong"}

    def uri(self, path):
        return f"hf://models/{path.partition('/')[0]}"

    def answer(self, handler, path, query):
        if path.startswith("/cdn/"):  # the token must not come here
            if handler.headers.get("Authorization"):
                return handler.send(400, b"a token for the hub came to the store behind it")
            _, _, folder, name = path.split("/", 3)
            return handler.send_range(self.folders[folder][name], "Range")
        if handler.headers.get("Authorization") != "Bearer hf_right":
            return handler.send(401, X_Error_Message="Invalid credentials in Authorization header")
        parts = path.strip("/").split("/")
        folder = parts[3] if parts[0] == "api" else parts[1]
        if folder not in self.folders:
            return handler.send(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        files = self.folders[folder]
        if parts[0] == "api":
            siblings = []
            for name, content in files.items():
                entry = {"rfilename": name, "size": len(content)}
                if len(content) > 1000:
                    entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content),
                                    "pointerSize": 130}
                else:
                    entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                siblings.append(entry)
            return handler.send(200, {"id": f"models/{folder}", "sha": "c0ffee", "siblings": siblings})
        name = path.partition("/resolve/c0ffee/")[2]
        etag = '"%s"' % hashlib.sha1(files[name]).hexdigest()
        if len(files[name]) > 1000:
            where = f"http://localhost:{self.server.server_port}/cdn/{folder}/{urllib.parse.quote(name)}"
            return handler.send(302, Location=where, X_Repo_Commit="c0ffee", X_Linked_ETag=etag,
                                X_Linked_Size=str(len(files[name])))
        return handler.send_range(files[name], "Range", ETag=etag, X_Repo_Commit="c0ffee")


class Nginx(Store):
    """Debian's nginx over a folder of files; a field with a token is asked for."""

    cannot = dict.fromkeys(
        ["folder", "nested", "odd_names", "over_a_thousand", "object_and_folder"], "http is one file")

    def __init__(self, folder, objects, both):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        if not program:
            raise Missing("no nginx")
        for name, content in objects.items():
            file = folder / "files" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
        port = free_port()
        (folder / "nginx.conf").write_text(f"""
            daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;
            user {"root" if os.geteuid() == 0 else "nobody"};
            events {{ worker_connections 256; }}
            http {{
              access_log off; sendfile on; default_type application/octet-stream;
              types {{ application/x-gzip gz; application/x-tar tar; application/zip zip; }}
              client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
              fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
              scgi_temp_path {folder}/scgi;
              server {{
                listen 127.0.0.1:{port}; root {folder}/files;
                location / {{ if ($http_x_token != "right") {{ return 403; }} }}
              }}
            }}""")
        self.process = started([program, "-p", folder, "-c", folder / "nginx.conf"], port)
        self.base = f"http://127.0.0.1:{port}"
        self.env = {"127.0.0.1-headers": json.dumps({"X-Token": "right"})}
        self.wrong = {"127.0.0.1-headers": json.dumps({"X-Token": "wrong"})}

    def uri(self, path):
        path = {"nested": "nested/a.bin", "empty": "empty/nothing", "plain": "plain/config.json",
                "slow": "slow/model.bin"}.get(path, path)
        return f"{self.base}/{path}"

    def seen(self, folder, files):
        name = {"nested": "a.bin", "empty": "nothing", "plain": "config.json", "slow": "model.bin"}.get(folder)
        return {name: files[name]} if name in files else files

    def close(self):
        self.process.terminate()
        self.process.wait()


class Registry(Store):
    """The distribution project's registry with a password file."""

    cannot = {"one_object_below": "an image comes whole", "object_and_folder": "an image has real folders",
              "archive": "the files in an image come as they are"}

    def __init__(self, folder, objects, both):
        if not REGISTRY.exists():
            raise Missing("no registry")
        port = free_port()
        hashed = crypt.crypt("right", "$2b$05$" + "abcdefghijklmnopqrstuu")
        (folder / "passwords").write_text(f"bob:{hashed}\n")
        (folder / "config.yml").write_text(json.dumps({
            "version": 0.1, "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
            "http": {"addr": f"127.0.0.1:{port}"},
            "auth": {"htpasswd": {"realm": "models", "path": str(folder / "passwords")}}}))
        self.process = started([REGISTRY, "serve", folder / "config.yml"], port)
        self.host = f"127.0.0.1:{port}"
        for name, files in folders_of(objects).items():
            self.push(name, files)
        self.env = self.login(folder / "right.json", "bob:right")
        self.wrong = self.login(folder / "wrong.json", "bob:wrong")

    def login(self, file, user):
        auth = base64.b64encode(user.encode()).decode()
        file.write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        return {"KSERVE_OCI_DOCKER_CONFIG": str(file), "KSERVE_OCI_INSECURE_REGISTRY": "true"}

    def push(self, name, files):
        base = f"http://{self.host}/v2/team/{name}"
        fields = {"Authorization": "Basic " + base64.b64encode(b"bob:right").decode(),
                  "Content-Type": "application/octet-stream"}

        def blob(content):
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            where = call("POST", f"{base}/blobs/uploads/", b"", fields).headers["Location"]
            call("PUT", where + ("&" if "?" in where else "?") + f"digest={digest}", content, fields)
            return {"digest": digest, "size": len(content)}

        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blob(tar_gz(files, "models/"))}
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(b"{}")}
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
        call("PUT", f"{base}/manifests/v1", json.dumps(manifest).encode(), {**fields, "Content-Type": kind})

    def uri(self, path):
        return f"oci://{self.host}/team/{path.partition('/')[0]}:v1"


class GitServer(Served):
    """git's own http-backend behind Python's server; asks for a password when it has one."""

    def __init__(self, root):
        self.password = None
        self.root = root
        self.serve()
        handler = self.server.RequestHandlerClass
        handler.do_GET = handler.do_POST = lambda h: self.backend(h)

    def backend(self, handler):
        wanted = self.password and "Basic " + base64.b64encode(self.password).decode()
        path, _, query = handler.path.partition("?")
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if wanted and handler.headers.get("Authorization") != wanted:
            return handler.send(401)
        env = {**os.environ, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": handler.command,
               "CONTENT_TYPE": handler.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "GIT_PROTOCOL": handler.headers.get("Git-Protocol", "")}
        made = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True)
        head, _, content = made.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        return handler.send(int(fields.pop("Status", "200").split()[0]), content, **fields)


class Git(Store):
    cannot = {"one_object_below": "a repository comes whole", "object_and_folder": "a repository has real folders",
              "archive": "the files of a repository come as they are"}

    def __init__(self, folder, objects, both):
        if not shutil.which("git"):
            raise Missing("no git")
        for name, files in folders_of(objects).items():
            work = folder / "work" / name
            for path, content in files.items():
                (work / path).parent.mkdir(parents=True, exist_ok=True)
                (work / path).write_bytes(content)
            git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(work)]
            for command in (["init", "-q", "-b", "trunk"], ["add", "."], ["commit", "-qm", "one"]):
                subprocess.run([*git, *command], check=True)
            subprocess.run(["git", "clone", "-q", "--bare", str(work), str(folder / f"{name}.git")], check=True)
        self.server = GitServer(folder)
        self.server.password = b"bob:right"
        self.env = {"GIT_USERNAME": "bob", "GIT_PASSWORD": "right"}
        self.wrong = {"GIT_PASSWORD": "wrong"}

    def uri(self, path):
        return f"{self.server.base}/{path.partition('/')[0]}.git"

    def close(self):
        self.server.close()


STORES = {"s3": S3, "gs": Gcs, "azure-blob": AzureBlob, "azure-file": AzureFile, "webhdfs": WebHdfs,
          "http": Nginx, "hf": Hub, "oci": Registry, "git": Git}


@contextlib.contextmanager
def opened(kind, folder, objects, both=None):
    store = kind(folder, objects, both or {})
    try:
        yield store
    finally:
        store.close()
