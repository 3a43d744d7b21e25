"""Where the URI of a model leads: the machine's own credentials, its files, other programs."""

import json
import subprocess
import sys

import pytest

from stores import INITIALIZER, Store, environment, fetch

BOUNDARY = "store"

# Run in a network namespace of its own, where this machine is the cloud's metadata service.
CLOUD = r"""
import http.server, json, os, pathlib, subprocess, sys, threading
initializer, folder = sys.argv[1], pathlib.Path(sys.argv[2])
(folder / "hosts").write_text("127.0.0.1 localhost\n169.254.169.254 harmless.example\n")
for command in ("ip link set lo up", "ip addr add 169.254.169.254/32 dev lo", "mount --make-rprivate /",
                f"mount --bind {folder}/hosts /etc/hosts"):
    subprocess.run(command.split(), check=True)
asked = []

def server(address, port, answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass
        def reply(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in {"Content_Length": len(body), "Content_Type": "application/octet-stream", **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            self.wfile.write(body)
        def do_GET(self):
            answer(self)
        do_POST = do_PUT = do_GET
    made = http.server.ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made.server_port

def metadata(handler):
    asked.append(handler.path)
    credentials = {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": "2099-01-01T00:00:00Z"}
    if handler.path.endswith("security-credentials/"):
        return handler.reply(200, b"role")
    handler.reply(200, json.dumps(credentials).encode() if "meta-data" in handler.path else b"token")

def store(handler):
    if handler.path.startswith("/redirect"):
        return handler.reply(302, Location="http://169.254.169.254/latest/meta-data/iam/security-credentials/role")
    if handler.path.startswith("/named"):
        return handler.reply(302, Location="http://harmless.example/latest/meta-data/iam/security-credentials/role")
    if "list-type" in handler.path:
        given = "AWS4-HMAC" in handler.headers.get("Authorization", "")
        key = b"<ListBucketResult><Contents><Key>m/f</Key><Size>1</Size></Contents></ListBucketResult>"
        return handler.reply(200 if given else 403, key)
    handler.reply(200, b"x")

server("169.254.169.254", 80, metadata)
port = server("127.0.0.1", 0, store)
here = {"KSERVE_OCI_INSECURE_REGISTRY": "true", "HOME": str(folder), "PATH": os.environ["PATH"]}
there = "http://169.254.169.254"
keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
proxied = {"http_proxy": f"http://127.0.0.1:{port}"}
runs = {
    "an address": (there + "/latest/meta-data/iam/security-credentials/role", {}),
    "an address as one number": ("http://2852039166/latest/x", {}),
    "an address in hexadecimal": ("http://0xa9fea9fe/latest/x", {}),
    "an address as IPv6": ("http://[::ffff:169.254.169.254]/latest/x", {}),
    "a name": ("http://harmless.example/latest/x", {}),
    "a redirect": (f"http://127.0.0.1:{port}/redirect/x", {}),
    "a redirect to a name": (f"http://127.0.0.1:{port}/named/x", {}),
    "a repository": (there + "/r.git", {}),
    "a registry": ("oci://169.254.169.254/a/b:1", {}),
    "an endpoint of a bucket": ("s3://bucket/m", {"AWS_ENDPOINT_URL": there, **keys}),
    "an override of an endpoint": ("s3://bucket/m", {
        "STORAGE_CONFIG": json.dumps({"type": "s3", "access_key_id": "a", "secret_access_key": "b"}),
        "STORAGE_OVERRIDE_CONFIG": json.dumps({"endpoint_url": there})}),
    "a hub": ("hf://a/b", {"HF_ENDPOINT": there}),
    "a name node": ("hdfs:///m", {"STORAGE_CONFIG": json.dumps({"type": "hdfs", "HDFS_NAMENODE": there})}),
    "an emulator": ("gs://bucket/m", {"STORAGE_EMULATOR_HOST": there}),
    "a proxy": (there + "/latest/x", proxied),
    # What must go on.
    "credentials": ("s3://bucket/m", {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                                      "AWS_EC2_METADATA_SERVICE_ENDPOINT": there}),
    "a store on this machine": (f"http://localhost:{port}/m.bin", {}),
    "the rule is switched off": (there + "/latest/x", {"STORAGE_HTTP_ADDRESSES": "any"}),
}
answers = {}
for number, (name, (uri, variables)) in enumerate(runs.items()):
    asked.clear()
    made = subprocess.run([initializer, uri, folder / str(number), "--timeout", "3s"], env={**here, **variables},
                          capture_output=True, text=True)
    answers[name] = [made.returncode, (made.stderr.strip().splitlines() or [""])[-1], len(asked)]
print(json.dumps(answers))
"""
LEGITIMATE = ("credentials", "a store on this machine", "the rule is switched off")
WAYS = ["an address", "an address as one number", "an address in hexadecimal", "an address as IPv6", "a name",
        "a redirect", "a redirect to a name", "a repository", "a registry", "an endpoint of a bucket",
        "an override of an endpoint", "a hub", "a name node", "an emulator", "a proxy"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    made = subprocess.run(["unshare", "--net", "--mount", sys.executable, "-c", CLOUD, INITIALIZER, folder],
                          capture_output=True, text=True, timeout=120)
    if made.returncode != 0 and "unshare" in made.stderr:
        pytest.skip("no namespaces can be made here")
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


@pytest.mark.parametrize("way", WAYS)
def test_the_metadata_service_as_a_model(cloud, way):
    code, last, asked = cloud[way]
    assert code == 1 and asked == 0, cloud[way]
    assert way == "a proxy" or "not allowed" in last, last


def test_what_leads_to_link_local_addresses_by_right_still_does(cloud):
    for name in LEGITIMATE:
        assert cloud[name][0] == 0, (name, cloud[name])
    assert cloud["credentials"][2] > 0


@pytest.mark.parametrize("uri", ["{url}/m.bin", "{url}/r.git"])
def test_a_program_on_this_machine_where_only_public_addresses_are_allowed(tmp_path, uri):
    store = Store(lambda h: h.send(200, b"x", Content_Type="application/octet-stream"))
    try:
        env = environment(tmp_path, STORAGE_HTTP_ADDRESSES="public")
        result = fetch(uri.format(url=store.url), tmp_path / "to", "--timeout", "3s", env=env)
        assert result.returncode == 1 and not store.asked, result.stderr
    finally:
        store.close()


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/1/environ", "/proc", "/sys/kernel", "/dev/null",
                                  "/usr/../proc/self/environ"])
def test_files_of_the_kernel_as_a_model(tmp_path, path):
    result = fetch(f"file://{path}", tmp_path / "to")
    assert result.returncode == 1 and not list(tmp_path.glob("to/*")), result.stderr


def test_a_link_to_the_environment_as_a_model(tmp_path):
    (tmp_path / "model.json").symlink_to("/proc/self/environ")
    result = fetch(f"file://{tmp_path}/model.json", tmp_path / "to")
    assert result.returncode == 1 and not list(tmp_path.glob("to/*")), result.stderr


@pytest.mark.parametrize("path", ["../../etc/passwd", "a/../../../etc/passwd", ".."])
def test_a_claims_path_climbs_out_of_it(tmp_path, path):
    """With a claim mounted where a pod has it, in a mount namespace of our own."""
    script = 'mount -t tmpfs none /mnt && mkdir -p /mnt/pvc/a && exec "$@"'
    made = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", INITIALIZER, f"pvc://claim/{path}",
                           tmp_path / "to"], capture_output=True, text=True, timeout=30)
    if "unshare" in made.stderr or "mount:" in made.stderr:
        pytest.skip("no mounts can be made here")
    assert made.returncode == 1 and not list(tmp_path.glob("to/*")), made.stderr


@pytest.mark.parametrize("uri", ["ext::sh -c touch% {proof}", "git://127.0.0.1/x.git", "file://127.0.0.1/x.git",
                                 "ssh://-oProxyCommand=touch+{proof}/x.git", "http+unix://%2Frun%2Fx.sock/m.bin",
                                 "gopher://127.0.0.1/x", "dict://127.0.0.1:1/x", "https://-o.git"])
def test_uris_that_name_other_programs_and_protocols(tmp_path, uri):
    result = fetch(uri.replace("{proof}", str(tmp_path / "proof")), tmp_path / "to", "--timeout", "3s")
    assert result.returncode == 1 and not (tmp_path / "proof").exists(), result.stderr


@pytest.mark.parametrize("text", ["\r\nX-Injected: 1", "\n", "\x7f", "\x01"])
def test_control_characters_in_uris(tmp_path, text):
    store = Store(lambda h: h.send(404))
    try:
        for uri in (f"{store.url}/m.bin{text}", f"{store.url}/r{text}.git", f"oci://{store.host}/a/b{text}:1"):
            env = environment(tmp_path, KSERVE_OCI_INSECURE_REGISTRY="true")
            assert fetch(uri, tmp_path / "to", "--timeout", "3s", env=env).returncode == 1
        assert not store.asked
    finally:
        store.close()


@pytest.mark.parametrize("bucket", ["a@evil", "a?x", "a#x", "a\\x", "a:80"])
def test_a_buckets_name_changes_the_host(tmp_path, bucket):
    store = Store(lambda h: h.send(404))
    try:
        env = environment(tmp_path, AWS_ENDPOINT_URL=store.url, S3_USER_VIRTUAL_BUCKET="true",
                          AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
        result = fetch(f"s3://{bucket}/m", tmp_path / "to", "--timeout", "3s", env=env)
        assert result.returncode == 1 and not store.asked and "bucket" in result.stderr, result.stderr
    finally:
        store.close()


def test_a_planted_link_has_files_removed_elsewhere(tmp_path):
    """Another user of the volume put a link where the initializer stages its files."""
    victim = tmp_path / "victim"
    (victim / "data").mkdir(parents=True)
    (victim / "data/precious").write_text("precious")
    (victim / "journal").write_text("as of a download that was cut")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "other").write_text("so that it is filled inside")
    (volume / ".kinglet-staging").symlink_to(victim)
    store = Store(lambda h: h.send(200, b"x", Content_Type="application/octet-stream"))
    try:
        fetch(f"{store.url}/m.bin", volume, "--timeout", "5s")
    finally:
        store.close()
    assert (victim / "data/precious").read_text() == "precious"
    assert sorted(path.name for path in victim.rglob("*")) == ["data", "journal", "precious"]
