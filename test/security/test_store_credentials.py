"""Credentials for one server that another one asks for."""

import base64
import json

import pytest

from stores import Store, authority, environment, fetch

BOUNDARY = "store"
SECRET = "hunter2-hunter2"


@pytest.fixture
def stores():
    made = []

    def make(answer, **options):
        made.append(Store(answer, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("authority"))


def docker_config(tmp_path, *hosts):
    auth = base64.b64encode(f"bob:{SECRET}".encode()).decode()
    (tmp_path / "docker.json").write_text(json.dumps({"auths": {host: {"auth": auth} for host in hosts}}))
    return tmp_path / "docker.json"


def thief_heard(store):
    encoded = base64.b64encode(f"bob:{SECRET}".encode()).decode()
    return store.heard(SECRET) or store.heard(encoded) or store.heard("Authorization")


def manifest(handler):
    layer = {"digest": "sha256:" + "0" * 64, "size": 10, "mediaType": "application/vnd.oci.image.layer.v1.tar"}
    handler.send(200, json.dumps({"schemaVersion": 2, "layers": [layer]}))


def test_a_blob_store_challenges_for_the_registrys_password(stores, tmp_path):
    """The registry redirects a blob; the server behind the redirect answers 401 and names its own realm."""
    thief = stores(lambda h: h.send(200, '{"token": "T"}') if h.path.startswith("/token") else h.send(
        401, WWW_Authenticate=f'Bearer realm="http://{h.headers["Host"]}/token",service="x"'))

    def answer(handler):
        if "/manifests/" in handler.path:
            return manifest(handler)
        handler.send(307, Location=f"{thief.url}/blob")

    registry = stores(answer)
    env = environment(tmp_path, KSERVE_OCI_DOCKER_CONFIG=docker_config(tmp_path, registry.host),
                      KSERVE_OCI_INSECURE_REGISTRY="true")
    assert fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", env=env).returncode == 1
    assert thief.asked and not thief_heard(thief)


def test_a_manifest_redirect_challenges_for_the_registrys_password(stores, tmp_path):
    thief = stores(lambda h: h.send(
        401, WWW_Authenticate=f'Bearer realm="http://{h.headers["Host"]}/token",service="x"'))
    registry = stores(lambda h: h.send(302, Location=f"{thief.url}/v2/x/manifests/1"))
    env = environment(tmp_path, KSERVE_OCI_DOCKER_CONFIG=docker_config(tmp_path, registry.host),
                      KSERVE_OCI_INSECURE_REGISTRY="true")
    assert fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", env=env).returncode == 1
    assert thief.asked and not thief_heard(thief)


def test_a_registry_over_tls_names_a_realm_in_the_clear(stores, trusted, tmp_path):
    """Whoever listens on the network would read the password."""
    realm = stores(lambda h: h.send(200, '{"token": "T"}'))
    registry = stores(lambda h: h.send(401, WWW_Authenticate=f'Bearer realm="{realm.url}/token",service="x"'),
                      tls=trusted[0])
    env = environment(tmp_path, KSERVE_OCI_DOCKER_CONFIG=docker_config(tmp_path, registry.host),
                      REQUESTS_CA_BUNDLE=trusted[1])
    assert fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", env=env).returncode == 1
    assert registry.asked and not realm.asked


def test_a_registry_asks_for_a_token_that_may_push(stores, tmp_path):
    """The token is given to the registry that asked: it must be good for nothing but this pull."""
    def answer(handler):
        if handler.path.startswith("/token"):
            return handler.send(200, '{"token": "T"}')
        handler.send(401, WWW_Authenticate=f'Bearer realm="http://{handler.headers["Host"]}/token",service="x",'
                                           'scope="repository:other/model:pull,push"')

    registry = stores(answer)
    env = environment(tmp_path, KSERVE_OCI_DOCKER_CONFIG=docker_config(tmp_path, registry.host),
                      KSERVE_OCI_INSECURE_REGISTRY="true")
    fetch(f"oci://{registry.host}/team/model:1", tmp_path / "to", env=env)
    tokens = [asked.path for asked in registry.asked if asked.path.startswith("/token")]
    assert tokens and all("push" not in path and "other" not in path for path in tokens), tokens


@pytest.mark.parametrize("image", ["../../admin:1", "model:..%2F..%2F_catalog", "model@../../admin", "a/../../b:1"])
def test_an_images_name_climbs_out_of_its_repository(stores, tmp_path, image):
    registry = stores(lambda h: h.send(404))
    env = environment(tmp_path, KSERVE_OCI_INSECURE_REGISTRY="true")
    result = fetch(f"oci://{registry.host}/{image}", tmp_path / "to", env=env)
    assert result.returncode == 1 and not registry.asked, result.stderr


CREDENTIALS = {
    "headers of a host": ("http://{host}/m.bin", {"127.0.0.1-headers": json.dumps(
        {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": f"session={SECRET}"})}),
    "user and password of a URI": (f"http://bob:{SECRET}@{{host}}/m.bin", {}),
    "token of the hub": ("hf://owner/model", {"HF_ENDPOINT": "http://{host}", "HF_TOKEN": SECRET}),
    "password of a repository": ("http://{host}/r.git", {"GIT_USERNAME": "bob", "GIT_PASSWORD": SECRET}),
    "headers of a name node": ("hdfs:///m", {"STORAGE_CONFIG": json.dumps(
        {"type": "hdfs", "HDFS_NAMENODE": "http://{host}", "HEADERS": json.dumps({"X-Token": SECRET})})}),
    "keys of a bucket": ("s3://bucket/m", {"AWS_ENDPOINT_URL": "http://{host}", "AWS_ACCESS_KEY_ID": "bob",
                                           "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": SECRET}),
    "signature of a blob store": (f"https://acc.blob.core.windows.net/box/m?sig={SECRET}&sv=1", {
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=acc;BlobEndpoint=http://{host}/acc"}),
}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_server_asks_for(stores, tmp_path, credential, status):
    """Another port of the same host is another server."""
    thief = stores(lambda h: h.send(401, WWW_Authenticate='Basic realm="r"'))
    store = stores(lambda h: h.send(status, Location=f"{thief.url}{h.path}" if "sig=" not in h.path else thief.url))
    uri, variables = CREDENTIALS[credential]
    fill = lambda text: text.replace("{host}", store.host)
    env = environment(tmp_path, **{name: fill(value) for name, value in variables.items()})
    result = fetch(fill(uri), tmp_path / "to", "--timeout", "5s", env=env)
    assert store.asked and result.returncode == 1, result.stderr
    assert not thief_heard(thief), thief.asked


TOKEN_SERVICES = {
    "instance metadata": ("s3://bucket/m", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://{host}"}),
    "container credentials": ("s3://bucket/m", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://{host}/c",
                                                "AWS_CONTAINER_AUTHORIZATION_TOKEN": SECRET}),
    "web identity": ("s3://bucket/m", {"AWS_ENDPOINT_URL_STS": "http://{host}", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
                                       "AWS_WEB_IDENTITY_TOKEN_FILE": "{file}"}),
    "managed identity": ("https://acc.blob.core.windows.net/box/m", {"IDENTITY_ENDPOINT": "http://{host}/id",
                                                                     "IDENTITY_HEADER": SECRET}),
    "client secret": ("https://acc.blob.core.windows.net/box/m", {
        "AZURE_AUTHORITY_HOST": "http://{host}", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c",
        "AZURE_CLIENT_SECRET": SECRET}),
    "refresh token": ("gs://bucket/m", {"GOOGLE_APPLICATION_CREDENTIALS": "{user}"}),
}


@pytest.mark.parametrize("service", TOKEN_SERVICES)
def test_a_token_service_redirects(stores, tmp_path, service):
    """What proves who asks is for the service alone, in a body as well as in a header."""
    thief = stores(lambda h: h.send(403))
    token_service = stores(lambda h: h.send(200, SECRET) if h.command == "PUT" else h.send(307, Location=f"{thief.url}/"))
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "user.json").write_text(json.dumps({
        "type": "authorized_user", "client_id": "c", "client_secret": SECRET, "refresh_token": SECRET,
        "token_uri": token_service.url}))
    uri, variables = TOKEN_SERVICES[service]
    fill = lambda text: (text.replace("{host}", token_service.host).replace("{file}", str(tmp_path / "token"))
                         .replace("{user}", str(tmp_path / "user.json")))
    env = environment(tmp_path, AWS_ENDPOINT_URL="http://127.0.0.1:1",
                      **{name: fill(value) for name, value in variables.items()})
    result = fetch(uri, tmp_path / "to", "--timeout", "4s", env=env)
    assert token_service.asked and result.returncode == 1, result.stderr
    assert not thief.heard(SECRET) and SECRET not in result.stderr


def test_a_region_names_another_token_service(stores, trusted, tmp_path):
    """Whoever writes an InferenceService chooses its region, which is a part of the token service's name."""
    thief = stores(lambda h: h.send(200, "<x/>"), tls=trusted[0])
    (tmp_path / "token").write_text(SECRET)
    env = environment(tmp_path, AWS_ROLE_ARN="arn:aws:iam::1:role/r", AWS_WEB_IDENTITY_TOKEN_FILE=tmp_path / "token",
                      REQUESTS_CA_BUNDLE=trusted[1],
                      STORAGE_CONFIG=json.dumps({"type": "s3", "endpoint_url": "http://127.0.0.1:1"}),
                      STORAGE_OVERRIDE_CONFIG=json.dumps({"region": f"x@{thief.host}/?"}))
    result = fetch("s3://bucket/m", tmp_path / "to", "--timeout", "5s", env=env)
    assert result.returncode == 1 and not thief.asked, thief.asked


def test_a_path_of_container_credentials_names_another_server(stores, tmp_path):
    thief = stores(lambda h: h.send(200, '{"AccessKeyId": "a", "SecretAccessKey": "b"}'))
    env = environment(tmp_path, AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_CONTAINER_AUTHORIZATION_TOKEN=SECRET,
                      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=f"@{thief.host}/credentials")
    result = fetch("s3://bucket/m", tmp_path / "to", "--timeout", "5s", env=env)
    assert result.returncode == 1 and not thief.asked, thief.asked


SECRET_URIS = {
    "a signed address": f"http://{{host}}/m.bin?X-Amz-Signature={SECRET}",
    "a password": f"http://bob:{SECRET}@{{host}}/m.bin",
    "a password of no known scheme": f"ftp://bob:{SECRET}@{{host}}/m.bin",
    "a password before a bad port": f"http://bob:{SECRET}@{{host}}000/m.bin",
    "a password of a registry": f"oci://bob:{SECRET}@{{host}}/team/model:1",
    "a signature of a blob store": f"https://acc.blob.core.windows.net/?sig={SECRET}",
    "a token in a fragment": f"http://{{host}}/m.bin#{SECRET}",
}


@pytest.mark.parametrize("what", SECRET_URIS)
def test_the_last_message_repeats(stores, tmp_path, what):
    """The pod's status and its logs have more readers than the secret."""
    store = stores(lambda h: h.send(404))
    (tmp_path / "last").touch()
    result = fetch(SECRET_URIS[what].replace("{host}", store.host), tmp_path / "to", "--timeout", "5s",
                   "--termination-log", tmp_path / "last")
    assert result.returncode == 1
    assert SECRET not in result.stderr + result.stdout + (tmp_path / "last").read_text()


def test_the_marker_on_the_volume_repeats_a_signature(stores, tmp_path):
    """The volume is shared with the server, and a model's files are read by many."""
    store = stores(lambda h: h.send(200, b"content", Content_Type="application/octet-stream"))
    uri = f"{store.url}/m.bin?sig={SECRET}"
    assert fetch(uri, tmp_path / "to").returncode == 0
    marker = (tmp_path / "to/.kinglet-complete").read_text()
    assert "m.bin" in marker and SECRET not in marker
    store.asked.clear()
    assert fetch(uri, tmp_path / "to").returncode == 0 and not store.asked  # it still knows the URI
    assert fetch(uri + "x", tmp_path / "to").returncode == 0 and store.asked  # from another one


ECHOES = {
    "a repository": ("http://{host}/r.git", {"GIT_USERNAME": "bob", "GIT_PASSWORD": SECRET}),
    "the hub": ("hf://owner/model", {"HF_ENDPOINT": "http://{host}", "HF_TOKEN": SECRET}),
    "a name node": ("hdfs:///m", {"STORAGE_CONFIG": json.dumps(
        {"type": "hdfs", "HDFS_NAMENODE": "http://{host}", "HEADERS": json.dumps({"X-Token": SECRET})})}),
}


@pytest.mark.parametrize("store_kind", ECHOES)
def test_a_server_repeats_the_credential_in_its_error(stores, tmp_path, store_kind):
    def answer(handler):
        sent = " ".join(handler.headers.values())
        if "Basic " in sent:
            sent += base64.b64decode(sent.split("Basic ")[1].split()[0]).decode()
        handler.send(403, sent, X_Error_Message=sent)

    store = stores(answer)
    uri, variables = ECHOES[store_kind]
    fill = lambda text: text.replace("{host}", store.host)
    env = environment(tmp_path, **{name: fill(value) for name, value in variables.items()})
    result = fetch(fill(uri), tmp_path / "to", "--timeout", "5s", env=env)
    assert result.returncode == 1 and store.asked
    encoded = base64.b64encode(f"bob:{SECRET}".encode()).decode()
    assert SECRET not in result.stderr and encoded not in result.stderr, result.stderr


@pytest.mark.parametrize("status", [201, 300, 404])
@pytest.mark.parametrize("of", ["the listing", "the file"])
def test_any_status_repeats_the_credential(stores, tmp_path, status, of):
    def answer(handler):
        if of == "the file" and "/api/" in handler.path:
            return handler.send(200, json.dumps({"sha": "c", "siblings": [{"rfilename": "m", "size": 5}]}))
        sent = handler.headers.get("Authorization", "")
        handler.send(status, sent, X_Error_Message=sent)

    hub = stores(answer)
    result = fetch("hf://owner/model", tmp_path / "to", env=environment(tmp_path, HF_ENDPOINT=hub.url, HF_TOKEN=SECRET))
    assert result.returncode == 1 and hub.heard(SECRET)
    assert SECRET not in result.stderr, result.stderr
