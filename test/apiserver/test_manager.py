"""The manager as a process: leadership, certificates, scope, late arrivals, metrics, the end."""

import base64
import contextlib
import datetime
import signal
import socket
import threading
import time

import pytest

from cluster import SERVICE_ACCOUNT, Api, ApiError, Manager, configuration, free_ports, wait_for, writes
from tables import merge

ISVC = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "x", "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"}},
        "spec": {"predictor": {"containers": [{"name": "kserve-container", "image": "example.com/c:1"}]}}}
LEADER = ["--leader-elect", "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s",
          "--leader-elect-retry-period=300ms"]


def isvc(name, **changes):
    return merge(merge(ISVC, {"metadata": {"name": name}}), changes)


def deployment(api, namespace, name):
    return api.get({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"{name}-predictor"}}, namespace)


def reconciles(api, namespace, name, seconds=15):
    """A new InferenceService gets its Deployment."""
    api.ensure_namespace(namespace)
    api.apply(isvc(name), namespace)
    wait_for(lambda: deployment(api, namespace, name), seconds, f"the Deployment of {namespace}/{name}")


def of_process(manager):
    """Its requests carry the id of its token."""
    claims = manager.kubeconfig.read_text().split("token: ")[1].split(".")[1]
    claims = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode()
    identity = "JTI=" + claims.split('"jti":"')[1].split('"')[0]
    return lambda event: identity in event["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", [])


@contextlib.contextmanager
def managers(plane, *all_flags, **options):
    running = [Manager(plane, name=f"extra-{i}", flags=flags, **options) for i, flags in enumerate(all_flags)]
    try:
        yield [manager.start(wait=False) for manager in running]
    finally:
        for manager in running:
            manager.process.signal(signal.SIGCONT)
            manager.kill()


@pytest.fixture
def alone(plane, webhooks, controllers):
    """No controllers run but those the test starts."""
    assert controllers.stop() == 0
    yield plane
    controllers.start()


def leads(manager):
    return manager.sample("leader_election_master_status") == 1


def test_a_killed_leader_is_replaced(alone):
    with managers(alone, LEADER, LEADER) as both:
        leader = wait_for(lambda: next(filter(leads, both), None), what="a leader")
        other = both[1 - both.index(leader)]
        assert not leads(other)
        other.wait_ready()  # it serves webhooks while it waits
        reconciles(alone.api, "leader", "before")
        leader.kill()
        reconciles(alone.api, "leader", "after")
        assert leads(other)


def test_a_leader_that_ends_hands_over_at_once(alone):
    with managers(alone, ["--leader-elect"], ["--leader-elect"]) as both:
        leader = wait_for(lambda: next(filter(leads, both), None), what="a leader")
        other = both[1 - both.index(leader)]
        assert leader.stop() == 0
        # Before the lease of 15 s runs out.
        wait_for(lambda: leads(other), 10, "the other to lead")


def test_a_leader_that_slept_past_its_lease_writes_nothing_and_ends(alone):
    api = alone.api
    with managers(alone, LEADER, LEADER) as both:
        leader = wait_for(lambda: next(filter(leads, both), None), what="a leader")
        other = both[1 - both.index(leader)]
        reconciles(api, "leader", "awake")
        leader.process.signal(signal.SIGSTOP)
        wait_for(lambda: leads(other), what="the other to lead")
        # Work for the sleeper's watches to wake up to.
        for i in range(20):
            api.apply(isvc(f"asleep-{i}"), "leader")
        mark = alone.audit_mark()
        leader.process.signal(signal.SIGCONT)
        assert leader.process.child.wait(10) == 1
        done = [e for e in alone.audit(mark) if of_process(leader)(e)]
        assert writes(done) == [] and not [e for e in done if e["verb"] in ("create", "update", "patch")]
        assert "leadership" in leader.process.output()
        reconciles(api, "leader", "later")


def test_one_namespace(alone):
    with managers(alone, ["--namespace=scope-one"]) as [one]:
        alone.api.ensure_namespace("scope-one")
        one.wait_ready()
        alone.api.ensure_namespace("scope-two")
        alone.api.apply(isvc("outside"), "scope-two")
        reconciles(alone.api, "scope-one", "inside")
        assert not deployment(alone.api, "scope-two", "outside")


def test_shards_share_the_namespaces(alone):
    names = [f"shard-{i}" for i in range(8)]
    with managers(alone, ["--shard=0/2"], ["--shard=1/2"]) as both:
        mark = alone.audit_mark()
        for name in names:
            reconciles(alone.api, name, "iris")
        events = alone.audit(mark)
        wrote = [{e["objectRef"]["namespace"] for e in writes(events) if of_process(m)(e)} & set(names) for m in both]
        assert wrote[0] and wrote[1]
        assert not wrote[0] & wrote[1] and wrote[0] | wrote[1] == set(names)


class Relay:
    """A TCP port that leads nowhere until it is opened."""

    def __init__(self, target):
        self.target, self.port = target, free_ports(1)[0]
        self.listener = None

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(self.target)
                for a, b in ((client, server), (server, client)):
                    threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def test_it_waits_for_the_api_server(alone):
    relay = Relay((alone.api.url.hostname, alone.api.url.port))
    server = f"https://127.0.0.1:{relay.port}"
    with managers(alone, LEADER, [], server=server) as both:
        wait_for(lambda: "cannot list" in both[1].process.output(), what="a try that fails")
        assert all(m.process.child.poll() is None for m in both)
        assert Manager.get(both[1].health, "/healthz")[0] == 200
        assert Manager.get(both[1].health, "/readyz")[0] == 503
        both[1].stop()  # also ends in time without an API server
        relay.open()
        wait_for(lambda: leads(both[0]), 30, "the manager to find the API server")
        reconciles(alone.api, "late", "server", 30)


def test_it_waits_for_the_configuration(alone):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inferenceservice-config", "namespace": "kserve"}}
    api = alone.api
    api.ensure_namespace("late")
    api.apply(isvc("config"), "late")
    before = api.get(config)["data"]
    api.delete(config)
    try:
        with managers(alone, []) as [manager]:
            manager.wait_ready()
            assert not deployment(api, "late", "config")
            api.apply({**config, "data": before})
            wait_for(lambda: deployment(api, "late", "config"), 20, "the Deployment after the configuration")
    finally:
        api.apply({**config, "data": before})


@contextlib.contextmanager
def without(plane, crd_name):
    """A cluster that does not know a kind; the function it gives installs it, at the latest the end does."""
    api = plane.api
    crd = api.get({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": crd_name}})
    fresh = {"apiVersion": crd["apiVersion"], "kind": crd["kind"], "spec": crd["spec"],
             "metadata": {"name": crd_name, "annotations": crd["metadata"]["annotations"]}}

    def install():
        api.apply(fresh)
        wait_for(lambda: plane.serves(crd), what=f"{crd_name} to be served")

    api.delete(crd)
    wait_for(lambda: not plane.serves(crd), what=f"{crd_name} to go")
    try:
        yield install
    finally:
        install()


def test_kinds_that_are_installed_later_are_noticed(alone):
    api = alone.api
    with without(alone, "httproutes.gateway.networking.k8s.io") as install, configuration(api) as change:
        change({"ingress": {"enableGatewayApi": True, "kserveIngressGateway": "kserve/gw"}})
        with managers(alone, []) as [manager]:
            manager.wait_ready()
            reconciles(api, "late", "routed")
            api.merge({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "routed-predictor"}},
                      {"status": {"conditions": [{"type": "Available", "status": "True"}]}}, "late", sub="status")
            install()
            route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "routed"}}
            wait_for(lambda: api.get(route, "late"), 30, "the route")


def test_serverless_without_knative(alone):
    api = alone.api
    with without(alone, "services.serving.knative.dev"), managers(alone, []) as [manager]:
        manager.wait_ready()
        api.ensure_namespace("no-knative")
        api.apply(isvc("x", metadata={"annotations": {"serving.kserve.io/deploymentMode": "Serverless"}}), "no-knative")

        def rejected():
            return [e for e in api.list("v1", "Event", "no-knative") if e["reason"] == "ServerlessModeRejected"]

        event = wait_for(rejected, 30, "the event")[0]
        assert event["type"] == "Warning"
        assert event["message"] == "It is not possible to use Serverless deployment mode when Knative Services are not available"
        api.delete(isvc("x"), "no-knative")
        wait_for(lambda: not api.get(isvc("x"), "no-knative"), what="its end")


def test_flags(alone):
    """KServe's own."""
    with managers(alone, ["--leader-elect=false", "--zap-devel=false", "--zap-encoder=json", "--zap-log-level=debug",
                          "--zap-stacktrace-level=error", "--zap-time-encoding=rfc3339"]) as [manager]:
        manager.wait_ready()
        assert manager.stop() == 0


def test_metrics_have_controller_runtimes_names(plane, controllers):
    reconciles(plane.api, "metrics", "counted")
    for name in ("controller_runtime_reconcile_total", "controller_runtime_reconcile_time_seconds_count",
                 "workqueue_adds_total", "workqueue_queue_duration_seconds_count", "rest_client_requests_total",
                 "process_cpu_seconds_total"):
        assert controllers.sample(name) > 0, name
    for name in ("controller_runtime_reconcile_errors_total", "workqueue_depth", "workqueue_retries_total",
                 "controller_runtime_active_workers"):
        assert controllers.sample(name) is not None, name
    assert controllers.sample("rest_client_requests_total", method="POST", code="201") > 0
    assert controllers.sample("controller_runtime_reconcile_total", controller="inferenceservice", result="success") > 0


def test_a_new_authority_refuses_nobody(plane, webhooks):
    """The authority comes of age while calls go on: it is replaced, and no call is refused."""
    api = plane.api
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kserve-webhook-server-cert", "namespace": "kserve"}}
    api.ensure_namespace("certificates")
    aging = make_aging_certificates(api.get(secret)["data"]["ca.crt"], seconds_until_due=6)
    api.merge(secret, {"data": {**aging, "next-ca.crt": None, "next-ca.key": None}})

    def served():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", webhooks.webhook_port)) as s:
            import ssl
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(s) as tls:
                return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)).split()

    wait_for(lambda: served() == base64.b64decode(aging["tls.crt"]).decode().split(), 5, "the aging certificate")
    time.sleep(0.5)  # the API server learns of configurations by watching
    calls, failures, done = 0, [], threading.Event()

    def call():
        nonlocal calls
        while not done.is_set():
            try:
                api.create(isvc("called"), "certificates", dry_run=True)
                calls += 1
            except ApiError as error:
                failures.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    try:
        def renewed():
            data = api.get(secret)["data"]
            return data["ca.crt"] != aging["ca.crt"] and served() == base64.b64decode(data["tls.crt"]).decode().split()
        wait_for(renewed, 30, "the new authority")
        time.sleep(1)
    finally:
        done.set()
        thread.join()
    assert not failures and calls > 20
    assert api.get(secret)["data"]["previous-ca.crt"] == aging["ca.crt"]


def make_aging_certificates(trusted, seconds_until_due):
    """An authority that is due (a third of its time left) soon, and what it signed; as the Secret holds them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.timezone.utc)
    length = datetime.timedelta(seconds=3000)
    begin = now + datetime.timedelta(seconds=seconds_until_due) - length * 2 / 3
    services = ["kserve-webhook-server-service.kserve" + s for s in (".svc", "", ".svc.cluster.local")]

    def make(subject, key, issuer, signer, extensions):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
        builder = (x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(begin + length))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    import ipaddress
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = make("aging", ca_key, "aging", ca_key, [(x509.BasicConstraints(True, 0), True)])
    names = [x509.DNSName(n) for n in services] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    serving = make(services[0], key, "aging", ca_key, [(x509.SubjectAlternativeName(names), False)])
    encode = lambda data: base64.b64encode(data).decode()  # noqa: E731
    pem = lambda c: encode(c.public_bytes(serialization.Encoding.PEM))  # noqa: E731
    private = lambda k: encode(k.private_bytes(  # noqa: E731
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return {"ca.crt": pem(ca), "ca.key": private(ca_key), "tls.crt": pem(serving), "tls.key": private(key),
            "previous-ca.crt": trusted}


def test_the_account_has_these_rights_and_no_others(plane, controllers):
    """A word on what the other tests rely on: the tests' managers are held to the shipped roles."""
    mine = Api(controllers.kubeconfig)
    with pytest.raises(ApiError) as refused:
        mine.list("v1", "Secret")
    assert refused.value.code == 403 and SERVICE_ACCOUNT in refused.value.message
