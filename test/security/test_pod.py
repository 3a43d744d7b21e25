"""A pod against the machine it runs on: its kernel, its files, its other pods, kinglet's own data.

The attacker is the author of a pod, or code that got control of a container. Containers that call themselves root
are the worst case, so most attacks are made as runAsUser 0.
"""

import base64
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import urllib.error

import pytest

from conftest import Standalone, wait_for
from pods import Pods, container, python, refusal, shell

BOUNDARY = "pod"

ROOT_USER = {"securityContext": {"runAsUser": 0}}
MARKER = "kinglet-attack-marker"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the worst case is a kubelet that is root")


@pytest.fixture
def outside():
    """A folder of the machine that is no pod's, which everybody may write to."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-outside-"))
    folder.chmod(0o777)
    (folder / "marker").write_text(MARKER)
    (folder / "marker").chmod(0o644)
    yield folder
    shutil.rmtree(folder)


def printed(pods, one, **spec):
    pod, text = pods.run({"containers": [one], **spec})
    assert not refusal(pod), refusal(pod)
    return text


# The kernel's settings and knowledge. Files are opened for writing only: nothing is changed where an attack succeeds.

@pytest.mark.parametrize("path", [
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/fs/file-max", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/1/oom_score_adj"])
def test_a_root_container_opens_kernel_settings_for_writing(pods, path):
    assert "opened" not in printed(pods, shell(f"(: >> {path}) && echo opened", **ROOT_USER))


@pytest.mark.parametrize("path", ["/proc/keys", "/proc/kcore", "/proc/timer_list", "/proc/interrupts", "/proc/kallsyms",
                                  "/proc/sched_debug", "/proc/latency_stats"])
def test_a_root_container_reads_what_the_kernel_knows_of_others(pods, path):
    if not os.path.exists(path):
        pytest.skip("not in this kernel")
    assert printed(pods, shell(f"head -c 64 {path} | wc -c", **ROOT_USER)).strip() == "0"


@pytest.mark.parametrize("path", ["/sys/firmware", "/sys/kernel/debug", "/sys/kernel/security", "/proc/scsi", "/proc/acpi"])
def test_a_root_container_lists_what_runtimes_mask(pods, path):
    assert printed(pods, shell(f"ls {path} 2>/dev/null | wc -l", **ROOT_USER)).strip() == "0"


@pytest.mark.parametrize("pattern", ["/sys/fs/cgroup/*/release_agent", "/sys/fs/cgroup/*/tasks", "/sys/kernel/uevent_helper",
                                     "/sys/fs/cgroup/cgroup.procs", "/sys/kernel/mm/*/enabled"])
def test_a_root_container_opens_sysfs_for_writing(pods, pattern):
    script = f"for f in {pattern}; do [ -e $f ] && (: >> $f) 2>/dev/null && echo opened; done; true"
    assert "opened" not in printed(pods, shell(script, **ROOT_USER))


def test_a_root_container_is_root_of_the_machine(pods):
    """Its processes are an unprivileged user of the machine, with a user namespace that maps to no other."""
    name = pods.start({"containers": [shell(f"exec sleep 1000.{os.getpid()}", **ROOT_USER)]})
    try:
        def found():
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if f"1000.{os.getpid()}".encode() in (process / "cmdline").read_bytes().split(b"\0"):
                        return process
                except OSError:
                    continue

        process = wait_for(found, 30, "the container's process")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        assert 0 not in map(int, status["Uid"].split() + status["Gid"].split())
        assert not status["Groups"].split() or "0" not in status["Groups"].split()
        assert not any(line.split()[1] == "0" for line in (process / "uid_map").read_text().splitlines())
    finally:
        pods.delete(name)


def test_two_pods_are_one_user_of_the_machine(pods, outside):
    """What one pod left for its own user only, the next may not read."""
    volume = {"volumes": [{"name": "v", "hostPath": {"path": str(outside)}}]}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}], **ROOT_USER}
    first, second = (pods.start({"containers": [shell("umask 077; echo mine > /v/$HOSTNAME; exec sleep 1000", **mount)],
                                 **volume}) for _ in range(2))
    try:
        wait_for(lambda: (outside / second).exists() and (outside / first).exists(), 30, "the pods' files")
        owners = {(outside / name).stat().st_uid for name in (first, second)}
        assert len(owners) == 2 and 0 not in owners
    finally:
        pods.delete(first)
        pods.delete(second)


# System calls. A script prints the number of the error that the call failed with, 0 if it succeeded.

CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
def call(number, *arguments):
    result = libc.syscall(number, *[a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments])
    return ctypes.get_errno() if result < 0 else 0
print("errno", call(%s))
"""
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
NEWUSER, NEWNS, NEWNET = 0x10000000, 0x00020000, 0x40000000


def errno_of(pods, arguments, **fields):
    return int(printed(pods, python(CALL % arguments, **(fields or ROOT_USER))).split()[-1])


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86-64")
@pytest.mark.parametrize("call, arguments, refused", [
    ("unshare a user namespace", f"272, {NEWUSER}", EPERM),
    ("unshare mounts", f"272, {NEWNS}", EPERM),
    ("clone into a user namespace", f"56, {NEWUSER} | 17, 0, 0, 0, 0", EPERM),
    ("clone3", "435, buffer, 88", ENOSYS),
    ("setns", f"308, os.open('/proc/self/ns/user', 0), 0", EPERM),
    ("mount", "165, b'tmpfs', b'/tmp', b'tmpfs', 0, 0", EPERM),
    ("umount", "166, b'/proc/sys', 2", EPERM),
    ("open_tree", "428, -100, b'/', 1", EPERM),
    ("fsopen", "430, b'tmpfs', 0", EPERM),
    ("mount_setattr", "442, -100, b'/proc/sys', 0, buffer, 32", EPERM),
    ("open_by_handle_at", "304, -100, buffer, 0", EPERM),
    ("ptrace", "101, 0, 0, 0, 0", EPERM),
    ("process_vm_readv", "310, os.getpid(), buffer, 0, buffer, 0, 0", EPERM),
    ("pidfd_getfd", "438, os.pidfd_open(os.getpid()), 0, 0", EPERM),
    ("add_key", "248, b'user', b'kinglet', b'x', 1, -3", EPERM),
    ("request_key", "249, b'user', b'kinglet', 0, 0", EPERM),
    ("keyctl", "250, 0, -3, 1", EPERM),
    ("bpf", "321, 0, buffer, 120", EPERM),
    ("perf_event_open", "298, buffer, 0, -1, -1, 0", EPERM),
    ("userfaultfd", "323, 1", EPERM),
    ("io_uring_setup", "425, 8, buffer", ENOSYS),
    ("kexec_load", "246, 0, 0, 0, 0", EPERM),
    ("init_module", "175, buffer, 0, b''", EPERM),
    ("syslog", "103, 10, 0, 0", EPERM),
    ("swapon", "167, b'/nowhere', 0", EPERM),
    ("settimeofday", "164, 0, 0", EPERM),
    ("a call that is newer than the filter", "600", ENOSYS),
    ("a call of x32", "0x40000000 | 39", ENOSYS),
    ("a vsock socket", "41, 40, 1, 0", EAFNOSUPPORT),
    ("a crypto socket", "41, 38, 5, 0", EAFNOSUPPORT),
    ("typing into a terminal", "16, 0, 0x5412, buffer", EPERM),
])
def test_a_root_container_calls_what_the_filter_denies(pods, call, arguments, refused):
    assert errno_of(pods, arguments) == refused, call


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="machine code of x86-64")
def test_a_container_makes_32_bit_calls(pods):
    """int 0x80 with the number of getpid in the other table: the filter must not read it as one of its own."""
    code = "b8 14 00 00 00 cd 80 c3"  # mov eax, 20; int 0x80; ret
    script = f"""
import ctypes, mmap
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(bytes.fromhex("{code}"))
print("result", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))())
"""
    result = printed(pods, python(script, **ROOT_USER))
    assert "result -38" in result or result == "", result


@pytest.mark.parametrize("security, mask", [
    ({"runAsUser": 0}, 0xA80425FB), ({"runAsUser": 0, "capabilities": {"drop": ["ALL"]}}, 0),
    ({"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}, 1), ({"runAsUser": 1000}, 0)])
def test_a_container_keeps_capabilities(pods, security, mask):
    """At most the default set of container runtimes; what is dropped is gone although the user is root."""
    status = printed(pods, shell("grep -E 'CapEff|CapPrm' /proc/self/status", securityContext=security))
    assert {int(line.split()[1], 16) & ~mask for line in status.splitlines()} == {0}, status


def test_a_container_gains_privileges_by_exec(pods):
    status = printed(pods, shell("cat /proc/self/status", **ROOT_USER))
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status


def test_a_container_leaves_its_memory_to_the_machines_core_handler(pods):
    assert printed(pods, shell("ulimit -H -c", **ROOT_USER)).strip() == "0"


def test_a_container_makes_a_device_of_the_machines_disk(pods):
    assert "made" not in printed(pods, shell("mknod /tmp/disk b 8 0 2>/dev/null && echo made; true", **ROOT_USER))


def test_a_container_finds_devices(pods):
    listed = set(printed(pods, shell("ls /dev", **ROOT_USER)).split())
    assert listed <= {"fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "termination-log", "tty",
                      "urandom", "zero"}


# Other processes: the pod's own kinglet-pod, its other containers, and the machine's.

def test_a_container_reads_the_memory_and_environment_of_kinglet_pod(pods):
    script = "for f in environ mem maps; do head -c 16 /proc/1/$f 2>/dev/null | wc -c; done; ls /proc/1/fd /proc/1/root/ 2>/dev/null | wc -l"
    assert set(printed(pods, shell(script, **ROOT_USER)).split()) == {"0"}


def test_two_containers_of_a_pod_start_threads_without_end(pods):
    """Together they get no more than 4096, so that the machine can still start processes."""
    script = """
import os, sys, threading, time
threading.stack_size(65536)
started = 0
try:
    while started < 4090:
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start(); started += 1
except RuntimeError:
    pass
open('/e/' + sys.argv[1], 'w').close()
while len(os.listdir('/e')) < 2: time.sleep(0.02)
print(started, flush=True)
os._exit(0)
"""
    names = ("one", "two")
    pod = {"volumes": [{"name": "e", "emptyDir": {}}], "containers": [
        python(script, name=each, args=[each], volumeMounts=[{"name": "e", "mountPath": "/e"}], **ROOT_USER) for each in names]}
    name = pods.start(pod)
    try:
        pods.end(name)
        assert sum(int(pods.logs(name, each)) for each in names) <= 4096
    finally:
        pods.delete(name)


def test_a_container_ends_its_pod(pods):
    assert "still here" in printed(pods, shell("kill -9 1; kill -TERM 1; sleep 0.2; echo still here", **ROOT_USER))


def test_a_container_reads_its_neighbours_environment(pods):
    """Containers of a pod see each other's processes, not what these were given."""
    sleeper = shell("exec sleep 999.5", name="other", env=[{"name": "SECRET", "value": MARKER}], **ROOT_USER)
    script = """
while ! grep -lq 999.5 /proc/[0-9]*/cmdline; do sleep 0.05; done
cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; cat /proc/[0-9]*/root/etc/hostname; true
"""
    name = pods.start({"containers": [sleeper, shell(script, **ROOT_USER)]})
    try:
        wait_for(lambda: any("terminated" in s["state"] for s in pods.get(name)["status"].get("containerStatuses", [])),
                 30, "the reader")
        assert MARKER not in pods.logs(name, "main")
    finally:
        pods.delete(name)


def test_a_container_sees_the_machines_processes(pods):
    assert MARKER not in printed(pods, shell("ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/cmdline", **ROOT_USER))
    count = int(printed(pods, shell("ls -d /proc/[0-9]* | wc -l", **ROOT_USER)))
    assert count < 10


def test_a_container_inherits_descriptors_and_environment(tmp_path, programs):
    """Of the shell that started kinglet: a file that was open there, and its environment."""
    secret = tmp_path / "secret"
    secret.write_text(MARKER)
    descriptor = os.open(secret, os.O_RDONLY)
    kinglet = Standalone(tempfile.mkdtemp(prefix="kinglet-attack-"))
    try:
        kinglet.start(pass_fds=[descriptor], env={**os.environ, "SECRET": MARKER})
        script = "cat /proc/self/fd/[3-9]* /proc/1/environ /proc/self/environ 2>/dev/null | tr '\\0' '\\n'; ls /proc/self/fd; true"
        text = printed(Pods(kinglet), container(["/bin/sh", "-c", script], **ROOT_USER))
        assert MARKER not in text
        assert f"\n{descriptor}\n" not in text
    finally:
        os.close(descriptor)
        kinglet.stop()
        shutil.rmtree(kinglet.data, ignore_errors=True)


def test_a_container_connects_to_an_abstract_socket_of_the_machine(pods):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0kinglet-attack-{os.getpid()}")
        server.listen()
        script = f"import socket; print(socket.socket(socket.AF_UNIX).connect_ex('\\0kinglet-attack-{os.getpid()}'))"
        assert printed(pods, python(script, **ROOT_USER)).strip() != "0"


def test_a_probes_command_runs_with_more_rights_than_the_container(pods):
    """Commands of probes enter the container from outside: they must be confined as it is."""
    probe = "(: >> /proc/sys/kernel/core_pattern) && echo bad; cat /proc/self/status /proc/self/uid_map; ls -l /proc/self/fd"
    one = shell("while [ ! -e /tmp/done ]; do sleep 0.02; done; cat /tmp/out", **ROOT_USER, readinessProbe={
        "exec": {"command": ["/bin/sh", "-c", f"({probe}) > /tmp/out 2>&1; touch /tmp/done"]}, "periodSeconds": 1})
    text = printed(pods, one)
    status = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    assert "bad" not in text and status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    assert int(status["CapBnd"], 16) & ~0xA80425FB == 0
    assert status["Uid"].split()[0] == "0"  # as the container sees itself


def test_a_pod_on_the_host_keeps_capabilities_and_calls(tmp_path):
    """Without namespaces a pod is the kubelet's user: what can be taken is taken, and the rest is said plainly."""
    kinglet = Standalone(tempfile.mkdtemp(prefix="kinglet-attack-"))
    try:
        kinglet.start("--isolation=host")
        hosts = Pods(kinglet)
        text = printed(hosts, shell("cat /proc/self/status; unshare -m true && echo bad", securityContext={
            "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}))
        status = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        assert int(status["CapEff"], 16) == 0 and status["Seccomp"].strip() == "2" and "bad" not in text
        assert "Pods run as root of this machine" in kinglet.cli("doctor", check=False).stdout
        assert "Pods run as root of this machine" in kinglet.tail(500)
        events = hosts.call("GET", "/api/v1/namespaces/default/events")
        assert "Not enforced there: containers[main].securityContext.readOnlyRootFilesystem" in events
    finally:
        kinglet.stop()
        shutil.rmtree(kinglet.data, ignore_errors=True)


def connects(pods, address, port):
    script = f"import socket; s = socket.create_connection(('{address}', {port}), 5); s.settimeout(5); print(s.recv(64).decode())"
    return pods.run({"containers": [python(script, **ROOT_USER)]})[1]


@pytest.fixture
def local_service():
    """A program of the machine that listens on all addresses and greets whoever comes from loopback."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        def serve():
            while True:
                try:
                    client, (peer, _) = server.accept()
                except OSError:
                    return
                client.sendall(MARKER.encode() if peer.startswith("127.") else b"stranger")
                client.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.64.0.77", "127.127.255.254", "0.0.0.0", "POD"])
def test_a_pod_is_a_local_client_of_the_machines_services(pods, local_service, address):
    """At addresses of no pod, and at those of a pod that has no such port: the machine answers there."""
    other = pods.start({"containers": [shell("exec sleep 1000", ports=[{"containerPort": 8080}])]})
    try:
        ip = wait_for(lambda: pods.get(other).get("status", {}).get("podIP"), 30, "the other pod's address")
        assert MARKER not in connects(pods, address.replace("POD", ip), local_service)
    finally:
        pods.delete(other)


@pytest.mark.parametrize("target", ["127.0.0.1", "127.64.0.77"])
def test_endpoints_name_the_machines_loopback_addresses(pods, local_service, target):
    name = f"steal-{target.replace('.', '-')}"
    pods.create("services", {"metadata": {"name": name}, "spec": {"ports": [{"port": 80, "targetPort": local_service}]}})
    try:
        pods.create("endpoints", {"metadata": {"name": name}, "subsets": [
            {"addresses": [{"ip": target}], "ports": [{"port": local_service}]}]})
    except urllib.error.HTTPError as error:
        assert error.code in (403, 409, 422)
        return
    assert MARKER not in connects(pods, f"{name}.default", 80)


# Volumes: symbolic links in folders that the attacker may write to, and the machine's own folders.

def test_a_sub_path_leads_through_a_link_and_makes_folders_outside(pods, outside):
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    link = shell(f"ln -s {outside} /v/link", name="link", volumeMounts=[{"name": "v", "mountPath": "/v"}], **ROOT_USER)
    use = shell("ls /x", volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "link/made"}], **ROOT_USER)
    pod, _ = pods.run({"initContainers": [link], "containers": [use], **volume})
    assert not (outside / "made").exists()
    assert "leads out of its volume" in refusal(pod)


def test_a_sub_path_shows_the_target_of_a_link(pods, outside):
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    link = shell(f"ln -s {outside} /v/link", name="link", volumeMounts=[{"name": "v", "mountPath": "/v"}], **ROOT_USER)
    use = shell("cat /x/marker", volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "link"}], **ROOT_USER)
    _, text = pods.run({"initContainers": [link], "containers": [use], **volume})
    assert MARKER not in text


def test_a_mount_path_leads_through_a_link_in_another_volume(pods, outside):
    volumes = {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]}
    link = shell(f"ln -s {outside} /a/link", name="link", volumeMounts=[{"name": "a", "mountPath": "/a"}], **ROOT_USER)
    use = shell("ls", volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a/link/made"}], **ROOT_USER)
    pod, _ = pods.run({"initContainers": [link], "containers": [use], **volumes})
    assert not (outside / "made").exists()
    assert "symbolic link" in refusal(pod)


def test_a_sub_path_is_swapped_for_a_link_while_containers_start(pods, outside):
    """Whoever wins the race between a check and its use sees the marker outside."""
    swap = """
import ctypes, os
libc = ctypes.CDLL(None)
os.makedirs('/v/x', exist_ok=True); os.symlink(%r, '/v/y')
while True: libc.renameat2(-100, b'/v/x', -100, b'/v/y', 2)
""" % str(outside)
    whole = [{"name": "v", "mountPath": "/v"}]
    swapper = python(swap, name="swap", volumeMounts=whole, restartPolicy="Always",
                     startupProbe={"exec": {"command": ["/bin/sh", "-c", "ls -d /v/y"]}, "periodSeconds": 1}, **ROOT_USER)
    part = [{"name": "v", "mountPath": "/x", "subPath": "x"}]
    victims = [shell("cat /x/marker; true", name=f"v{n}", volumeMounts=part, **ROOT_USER) for n in range(24)]
    name = pods.start({"initContainers": [swapper], "containers": victims, "volumes": [{"name": "v", "emptyDir": {}}]})
    try:
        wait_for(lambda: sum("terminated" in s["state"] for s in pods.get(name)["status"].get("containerStatuses", []))
                 == len(victims), 30, "the containers")
        seen = [n for n in range(len(victims)) if MARKER in pods.logs(name, f"v{n}")]
        assert not seen
    finally:
        pods.delete(name)


@pytest.mark.parametrize("target", ["/proc/sys", "/sys/fs", "/"])
def test_a_volume_covers_the_kernels_files(pods, target):
    pod, _ = pods.run({"containers": [shell("echo ran", volumeMounts=[{"name": "v", "mountPath": target}], **ROOT_USER)],
                       "volumes": [{"name": "v", "emptyDir": {}}]})
    assert refusal(pod)


def test_a_termination_message_path_leads_outside(pods, outside):
    """The file is made by the kubelet: through a link in a volume it would lie on the machine."""
    link = shell(f"ln -s {outside} /v/link", name="link", volumeMounts=[{"name": "v", "mountPath": "/v"}], **ROOT_USER)
    use = shell("echo x", volumeMounts=[{"name": "v", "mountPath": "/v"}], terminationMessagePath="/v/link/message", **ROOT_USER)
    pods.run({"initContainers": [link], "containers": [use], "volumes": [{"name": "v", "emptyDir": {}}]})
    assert not (outside / "message").exists()


@pytest.mark.parametrize("kind", ["secret", "configMap", "projected", "downwardAPI"])
def test_a_container_changes_a_volume_that_is_read_only_by_kind(pods, kind):
    name = f"settings-{kind.lower()}"
    if kind == "configMap":
        pods.create("configmaps", {"metadata": {"name": name}, "data": {"key": "kept"}})
    elif kind != "downwardAPI":
        pods.create("secrets", {"metadata": {"name": name}, "data": {"key": base64.b64encode(b"kept").decode()}})
    source = {"secret": {"secret": {"secretName": name, "defaultMode": 0o400}}, "configMap": {"configMap": {"name": name}},
              "projected": {"projected": {"sources": [{"secret": {"name": name}}]}},
              "downwardAPI": {"downwardAPI": {"items": [{"path": "key", "fieldRef": {"fieldPath": "metadata.name"}}]}}}[kind]
    script = "test -s /s/key && echo read; (echo x > /s/key) && echo changed; (: > /s/new) && echo added; rm -f /s/key && echo removed"
    text = printed(pods, shell(script + "; true", volumeMounts=[{"name": "s", "mountPath": "/s"}], **ROOT_USER),
                   volumes=[{"name": "s", **source}])
    assert text.split("\n")[0] == "read"
    assert not {"changed", "added", "removed"} & set(text.split())


HOST_PATHS = ["/", "/etc", "/etc/ssl", "/proc", "/dev", "/run", "DATA", "DATA/pods", "ABOVE", "LINK", "LINK/pods", "ABOVE/", "ABOVE/x/.."]


@pytest.mark.parametrize("path", HOST_PATHS)
def test_a_host_path_gives_the_machines_system_or_kinglets_data(pods, standalone, outside, path):
    (outside / "link").symlink_to(standalone.data)
    path = path.replace("DATA", str(standalone.data)).replace("ABOVE", str(standalone.data.parent)).replace(
        "LINK", str(outside / "link"))
    pod, text = pods.run({"containers": [shell("ls /h", volumeMounts=[{"name": "h", "mountPath": "/h"}], **ROOT_USER)],
                          "volumes": [{"name": "h", "hostPath": {"path": path}}]})
    assert "is not given to pods" in refusal(pod) or "must not contain '..'" in refusal(pod), text


def test_a_host_path_is_written_to_as_root(pods, outside):
    """What is root's on the machine remains root's."""
    mine = outside / "roots"
    mine.write_text("kept")
    mine.chmod(0o644)
    script = "exec 2>&-; cat /h/roots; (echo x > /h/roots) && echo changed; chmod 777 /h/roots && echo opened; true"
    text = printed(pods, shell(script, volumeMounts=[{"name": "h", "mountPath": "/h"}], **ROOT_USER),
                   volumes=[{"name": "h", "hostPath": {"path": str(outside)}}])
    assert text.startswith("kept") and not {"changed", "opened"} & set(text.split())
    assert mine.read_text() == "kept" and stat.S_IMODE(mine.stat().st_mode) == 0o644


def test_a_set_uid_file_in_a_volume_is_roots(pods, outside):
    printed(pods, shell("cp /bin/true /h/tool; chmod 6755 /h/tool", volumeMounts=[{"name": "h", "mountPath": "/h"}], **ROOT_USER),
            volumes=[{"name": "h", "hostPath": {"path": str(outside)}}])
    info = (outside / "tool").stat()
    assert info.st_uid != 0 and info.st_gid != 0


def test_a_persistent_volumes_path_climbs_out_of_the_data_folder(pods, standalone):
    secret = standalone.data.parent / f"kinglet-climb-{os.getpid()}"
    secret.mkdir()
    (secret / "marker").write_text(MARKER)
    try:
        ask = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        pods.create("persistentvolumes", {"metadata": {"name": "climb"}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"../{secret.name}"}}}, namespaced=False)
        pods.create("persistentvolumeclaims", {"metadata": {"name": "climb"}, "spec": {**ask, "volumeName": "climb"}})
        pod, text = pods.run({"containers": [shell("cat /c/marker", volumeMounts=[{"name": "c", "mountPath": "/c"}], **ROOT_USER)],
                              "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": "climb"}}]})
        assert MARKER not in text and "must be a relative path" in refusal(pod)
    finally:
        shutil.rmtree(secret)


def test_a_pod_leaves_folders_too_deep_to_remove(pods, standalone):
    """Whoever opens one after the other runs out of descriptors, and the API server with it."""
    script = """
import os
os.chdir('/e')
for depth in range(1500):
    os.mkdir('d'); os.chdir('d')
os.chmod('..', 0); os.chmod('.', 0)
"""
    before = set((standalone.data / "pods").iterdir())
    printed(pods, python(script, volumeMounts=[{"name": "e", "mountPath": "/e"}], **ROOT_USER),
            volumes=[{"name": "e", "emptyDir": {}}])
    wait_for(lambda: set((standalone.data / "pods").iterdir()) <= before, 30, "the pod's folder to go")


@pytest.mark.parametrize("mode, source", [("ReadOnlyMany", {}), ("ReadWriteOnce", {"readOnly": True})])
def test_a_container_writes_to_a_claim_that_is_read_only(pods, standalone, mode, source):
    name = f"fixed-{mode.lower()}"
    pods.create("persistentvolumes", {"metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": [mode], "hostPath": {"path": name, "type": "DirectoryOrCreate"}}},
        namespaced=False)
    pods.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": {
        "accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": name}})
    script = "(: > /c/file) 2>/dev/null && echo written; ls -d /c"
    text = printed(pods, shell(script, volumeMounts=[{"name": "c", "mountPath": "/c"}], **ROOT_USER),
                   volumes=[{"name": "c", "persistentVolumeClaim": {"claimName": name, **source}}])
    assert text.split() == ["/c"]
    pod, _ = pods.run({"containers": [shell("ls /c", volumeMounts=[{"name": "c", "mountPath": "/c", "subPath": "made/here"}])],
                       "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": name, **source}}]})
    assert refusal(pod) and not (standalone.data / name / "made").exists()


def test_a_claim_names_a_volume_that_is_bound_to_another_namespace(pods, standalone):
    """The status says Bound, as whoever may write it can make it say."""
    ask = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    pods.create("persistentvolumes", {"metadata": {"name": "theirs"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": "kube-system", "name": "theirs"},
        "hostPath": {"path": "theirs", "type": "DirectoryOrCreate"}}}, namespaced=False)
    (standalone.data / "theirs").mkdir(exist_ok=True)
    (standalone.data / "theirs/marker").write_text(MARKER)
    pods.create("persistentvolumeclaims", {"metadata": {"name": "theirs"}, "spec": {**ask, "volumeName": "theirs"}})
    name = pods.start({"containers": [shell("cat /c/marker", volumeMounts=[{"name": "c", "mountPath": "/c"}], **ROOT_USER)],
                       "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": "theirs"}}]})
    try:
        # The controller that binds claims takes the word back sooner or later: whatever comes first is enough.
        for _ in range(20):
            pods.call("PATCH", "/api/v1/namespaces/default/persistentvolumeclaims/theirs/status", {"status": {"phase": "Bound"}})
            if pods.get(name).get("spec", {}).get("nodeName"):
                break
        wait_for(lambda: refusal(pods.get(name)) or pods.get(name)["status"].get("conditions"), 30, "the pod to be judged")
        assert pods.get(name)["status"].get("phase") == "Pending"
    finally:
        pods.delete(name)


def test_a_pod_of_an_older_version_left_files_to_root(outside):
    """Its volumes become the pod's own when kinglet starts again, without following its links."""
    kinglet = Standalone(tempfile.mkdtemp(prefix="kinglet-attack-"))
    try:
        kinglet.start()
        name = Pods(kinglet).start({"restartPolicy": "Always", "volumes": [{"name": "e", "emptyDir": {}}], "containers": [
            shell("mkdir -p /e/d && echo run >> /e/d/runs && exec sleep 1000", volumeMounts=[{"name": "e", "mountPath": "/e"}])]})
        runs = wait_for(lambda: next((kinglet.data / "pods").glob("*/volumes/e/d/runs"), None), 30, "the first run")
        kinglet.stop()
        (runs.parent / "link").symlink_to(outside / "marker")
        subprocess.run(["chown", "-hR", "0:0", runs.parents[1]], check=True)
        kinglet.start()
        wait_for(lambda: runs.read_text().split() == ["run", "run"], 30, f"the second run of {name}")
        assert runs.stat().st_uid != 0 and (outside / "marker").stat().st_uid == 0
    finally:
        kinglet.stop()
        shutil.rmtree(kinglet.data, ignore_errors=True)


def test_a_claim_is_shared_by_pods_and_belongs_to_neither_on_the_disk(pods, standalone):
    """Two pods are two users, and both may change what the other left; neither makes files of root's."""
    pods.create("persistentvolumeclaims", {"metadata": {"name": "shared"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
    spec = {"volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": "shared"}}]}
    mount = {"volumeMounts": [{"name": "c", "mountPath": "/c"}], **ROOT_USER}
    printed(pods, shell("umask 077; echo one > /c/file; chmod 4755 /c/file", **mount), **spec)
    assert printed(pods, shell("cat /c/file; echo two >> /c/file; cat /c/file", **mount), **spec).split() == ["one", "one", "two"]
    files = list((standalone.data / "claims").rglob("file"))
    assert [f.stat().st_uid != 0 for f in files] == [True]


# The storage initializer works for the pod from outside, with the machine's network.

def initializer(uri, image="kserve/storage-initializer:v0.15.0", **fields):
    return {"name": "storage-initializer", "image": image, "args": [uri, "/mnt/models"],
            "volumeMounts": [{"name": "m", "mountPath": "/mnt/models"}], **fields}


def fetch(pods, uri):
    read = shell("cd /mnt/models && find . -type f -exec cat {} +; true",
                 volumeMounts=[{"name": "m", "mountPath": "/mnt/models"}], **ROOT_USER)
    return pods.run({"initContainers": [initializer(uri)], "containers": [read], "volumes": [{"name": "m", "emptyDir": {}}]})


def test_a_local_model_is_found(pods, outside):
    """No attack, but what the next ones are compared with."""
    _, text = fetch(pods, f"file://{outside}")
    assert MARKER in text


@pytest.mark.parametrize("uri", ["file:///etc/shadow", "file:///etc/passwd", "file:///", "file:///proc/self/environ",
                                 "file://DATA/kubeconfig", "file://DATA", "file://LINK/kubeconfig", "file://ABOVE",
                                 "file://DATA/../../DATA/kubeconfig", "/etc/shadow", "DATA/kubeconfig"])
def test_a_storage_uri_reads_the_machine(pods, standalone, outside, uri):
    (outside / "link").symlink_to(standalone.data)
    uri = uri.replace("DATA", str(standalone.data)).replace("ABOVE", str(standalone.data.parent)).replace(
        "LINK", str(outside / "link"))
    _, text = fetch(pods, uri)
    assert "root:" not in text and "token" not in text and MARKER not in text


def test_a_storage_uri_names_a_link_to_the_data_folder_inside_a_model(pods, standalone, outside):
    (outside / "config").symlink_to(standalone.kubeconfig)
    _, text = fetch(pods, f"file://{outside}")
    assert "token" not in text


def test_a_storage_uri_reads_files_of_root(pods, outside):
    (outside / "private").write_text("roots-own")
    (outside / "private").chmod(0o600)
    _, text = fetch(pods, f"file://{outside}")
    assert "roots-own" not in text


@pytest.mark.parametrize("script", ["cat /etc/shadow", "cat DATA/kubeconfig", "ls DATA", "ls /root /home /var /mnt 2>/dev/null",
                                    "cat OUTSIDE/marker"])
def test_the_initializers_image_is_used_to_see_the_machine(pods, standalone, outside, script):
    script = script.replace("DATA", str(standalone.data)).replace("OUTSIDE", str(outside))
    one = shell(script + "; true", image="kserve/storage-initializer:v0.15.0", **ROOT_USER)
    text = printed(pods, one)
    assert text.replace("/root:", "").strip() == "" or "No such file" in text


def test_the_initializers_image_is_used_to_get_the_machines_network(pods):
    one = shell("readlink /proc/self/ns/net", image="kserve/storage-initializer:v0.15.0", **ROOT_USER)
    assert printed(pods, one).strip() != os.readlink("/proc/self/ns/net")


def test_a_model_reads_another_pods_secret_through_the_initializer(pods, standalone):
    pods.create("secrets", {"metadata": {"name": "victim"}, "data": {"key": base64.b64encode(MARKER.encode()).decode()}})
    victim = pods.start({"containers": [shell("exec sleep 1000", volumeMounts=[{"name": "s", "mountPath": "/s"}])],
                         "volumes": [{"name": "s", "secret": {"secretName": "victim"}}]})
    try:
        folder = wait_for(lambda: next((standalone.data / "pods").glob("*/volumes/s/key"), None), 30, "the secret").parent
        _, text = fetch(pods, f"file://{folder}")
        assert MARKER not in text
    finally:
        pods.delete(victim)


def test_another_user_reads_a_pods_files(pods, standalone, nobody):
    """Secrets and model volumes of a running pod, as an unprivileged user of the machine."""
    pods.create("secrets", {"metadata": {"name": "private"}, "data": {"key": base64.b64encode(MARKER.encode()).decode()}})
    name = pods.start({"containers": [shell("echo x > /e/file; exec sleep 1000", volumeMounts=[
        {"name": "s", "mountPath": "/s"}, {"name": "e", "mountPath": "/e"}])],
        "volumes": [{"name": "s", "secret": {"secretName": "private"}}, {"name": "e", "emptyDir": {}}]})
    mode = standalone.data.stat().st_mode
    try:
        standalone.data.chmod(0o755)  # the pods' folders do not rely on their parent's mode
        wait_for(lambda: list((standalone.data / "pods").glob("*/volumes/e/file")), 30, "the volumes")
        found = nobody(["sh", "-c", f"cat {standalone.data}/pods/*/volumes/*/* ; ls {standalone.data}/pods/*"])
        assert found.stdout == b""
    finally:
        standalone.data.chmod(mode)
        pods.delete(name)


# Settings that cannot be honoured are refused with the reason, in the pod and its events.

@pytest.mark.parametrize("field, spec, one", [
    ("hostPID", {"hostPID": True}, {}),
    ("hostIPC", {"hostIPC": True}, {}),
    ("runtimeClassName", {"runtimeClassName": "kata"}, {}),
    ("securityContext.sysctls", {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, {}),
    ("securityContext.supplementalGroups", {"securityContext": {"supplementalGroups": [6]}}, {}),
    ("securityContext.seLinuxOptions", {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}, {}),
    ("securityContext.seccompProfile", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, {}),
    ("securityContext.appArmorProfile", {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}, {}),
    ("securityContext.windowsOptions", {"securityContext": {"windowsOptions": {"hostProcess": True}}}, {}),
    ("securityContext.privileged", {}, {"securityContext": {"privileged": True}}),
    ("securityContext.procMount", {}, {"securityContext": {"procMount": "Unmasked"}}),
    ("securityContext.capabilities", {}, {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    ("securityContext.capabilities", {}, {"securityContext": {"capabilities": {"add": ["ALL"]}}}),
    ("securityContext.seccompProfile", {}, {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}}),
    ("ports", {}, {"ports": [{"containerPort": 8080, "hostPort": 8080}]}),
    ("volumeDevices", {}, {"volumeDevices": [{"name": "v", "devicePath": "/dev/sda"}]}),
])
def test_a_setting_for_more_rights_is_silently_accepted(pods, field, spec, one):
    pod, text = pods.run({"containers": [shell("echo ran", **one)], **spec})
    assert "ran" not in text
    assert refusal(pod).startswith(f"{field} is not available in standalone mode: "), refusal(pod)
    events = json.loads(pods.call("GET", "/api/v1/namespaces/default/events"))["items"]
    told = [e["message"] for e in events if e["involvedObject"]["name"] == pod["metadata"]["name"]]
    assert any(refusal(pod) in message for message in told), told


def test_run_as_non_root_is_overridden_by_a_container(pods):
    pod, text = pods.run({"securityContext": {"runAsNonRoot": True}, "containers": [shell("echo ran", **ROOT_USER)]})
    assert "ran" not in text and "breaks non-root policy" in refusal(pod)


def test_a_container_writes_to_a_read_only_root(pods):
    script = "for f in /x /etc/x /tmp/x /dev/x /usr/x; do (: > $f) 2>/dev/null && echo wrote $f; done; true"
    security = {"runAsUser": 0, "readOnlyRootFilesystem": True}
    assert "wrote" not in printed(pods, shell(script, securityContext=security))
    # A volume over /tmp is the container's to write to.
    mounts = [{"name": "scratch", "mountPath": "/tmp"}]
    assert printed(pods, shell(script, securityContext=security, volumeMounts=mounts),
                   volumes=[{"name": "scratch", "emptyDir": {}}]).split() == ["wrote", "/tmp/x"]


# The same as an ordinary user: the pod is that user on the machine, within what it sees.

@pytest.fixture(scope="module")
def nobodys(programs):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinglet-nobody-"))
    folder.chmod(0o755)
    os.chown(folder, 65534, 65534)
    kinglet = Standalone(folder / "data")
    kinglet.data.mkdir()
    (kinglet.data / "test.log").touch()
    os.chown(kinglet.data, 65534, 65534)
    kinglet.start(programs=programs, user=65534, group=65534, extra_groups=[], cwd="/",
                  env={"HOME": str(folder), "PATH": os.environ["PATH"]})
    if kinglet.state()["isolation"] != "namespaces":
        kinglet.stop()
        pytest.skip("unprivileged users get no namespaces here")
    yield kinglet
    kinglet.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_model_is_the_keys_of_the_user_who_runs_kinglet(nobodys, outside):
    """As a storage URI, as a host path, and through a link."""
    home = nobodys.data.parent
    keys = home / ".ssh"
    keys.mkdir(exist_ok=True)
    (keys / "id_rsa").write_text(MARKER)
    (outside / "link").symlink_to(keys)
    for path in (home, keys, keys / "id_rsa", outside / "link"):
        _, text = fetch(Pods(nobodys), f"file://{path}")
        assert MARKER not in text
        pod, text = Pods(nobodys).run({"containers": [shell("cat /h/id_rsa /h/.ssh/id_rsa /h", volumeMounts=[
            {"name": "h", "mountPath": "/h"}])], "volumes": [{"name": "h", "hostPath": {"path": str(path)}}]})
        assert MARKER not in text and "is not given to pods" in refusal(pod)


@pytest.mark.parametrize("script", [
    "(: >> /proc/sys/kernel/core_pattern) && echo bad", "cat OUTSIDE/private && echo bad", "cat DATA/kubeconfig && echo bad",
    "head -c 4 /proc/kcore | grep -q . && echo bad", "unshare -U true && echo bad", "kill -9 1; false"])
def test_a_pod_of_an_ordinary_user_reaches_that_users_things(nobodys, outside, script):
    private = outside / "private"
    private.write_text(MARKER)
    private.chmod(0o600)
    os.chown(private, 65534, 65534)
    script = script.replace("OUTSIDE", str(outside)).replace("DATA", str(nobodys.data))
    text = printed(Pods(nobodys), shell(f"{script}; true", **ROOT_USER))
    assert "bad" not in text and MARKER not in text


def test_a_model_of_an_ordinary_users_kinglet_is_that_users_secret(nobodys, outside):
    _, text = fetch(Pods(nobodys), f"file://{nobodys.data}/kubeconfig")
    assert "token" not in text
    _, text = fetch(Pods(nobodys), f"file://{outside}")
    assert MARKER in text
