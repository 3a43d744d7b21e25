"""An image of one program and the shared libraries it needs, without a container engine: a tar that `ctr images import`,
`docker load` and skopeo (oci-archive:, docker-archive:) take. The same inputs give the same bytes."""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile

EPOCH = "1970-01-01T00:00:00Z"
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def libraries(program):
    """The files the loader maps for a program, itself included, as ldd lists them."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True)
    found = set()
    for line in listed.stdout.splitlines():
        words = line.split()
        if "not found" in line:
            raise SystemExit(f"image: {program}: {line.strip()}")
        path = words[2] if words[1:2] == ["=>"] else words[0]
        if path.startswith("/"):
            found.add(pathlib.Path(path))
    return sorted(found)


def layer(program, user):
    """The one layer, as an uncompressed tar: a file system with nothing but what the program needs."""
    files = {pathlib.Path("/usr/local/bin") / program.name: (program.read_bytes(), 0o755)}
    for library in libraries(program):
        files[library] = (library.read_bytes(), 0o755)
    if CERTIFICATES.exists():
        files[CERTIFICATES] = (CERTIFICATES.read_bytes(), 0o644)
    texts = {"passwd": f"root:x:0:0:root:/:\nkinglet:x:{user}:{user}:kinglet:/tmp:\n",
             "group": f"root:x:0:\nkinglet:x:{user}:\n",
             "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"}
    for name, text in texts.items():
        files[pathlib.Path("/etc") / name] = (text.encode(), 0o644)
    folders = {parent: 0o755 for path in files for parent in path.parents}
    folders[pathlib.Path("/tmp")] = 0o1777
    del folders[pathlib.Path("/")]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder, mode in sorted(folders.items()):
            entry = tarfile.TarInfo(str(folder).lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(str(path).lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def full_name(name):
    """As containerd and registries know it: docker.io/library/x:tag."""
    host = name.split("/")[0]
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name if "." in host or ":" in host or host == "localhost" else f"docker.io/{name}"


class Archive:
    """An OCI image layout, which also says what docker load wants to know; equal blobs are there once."""

    def __init__(self):
        self.blobs, self.images, self.for_docker = {}, [], []

    def put(self, content, media_type):
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def put_json(self, value, media_type):
        return self.put(json.dumps(value, sort_keys=True).encode(), media_type)

    def add(self, name, raw_layer, entrypoint, arguments, user):
        packed = self.put(gzip.compress(raw_layer, 6, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
        platform = {"architecture": ARCHITECTURE, "os": "linux"}
        config = self.put_json({
            **platform, "created": EPOCH,
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "User": str(user), "Entrypoint": entrypoint,
                       "Cmd": arguments or None, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(raw_layer).hexdigest()}"]},
            "history": [{"created": EPOCH, "created_by": "image.py"}]}, "application/vnd.oci.image.config.v1+json")
        manifest_type = "application/vnd.oci.image.manifest.v1+json"
        manifest = self.put_json({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [packed]},
                                 manifest_type)
        self.images.append({**manifest, "platform": platform, "annotations": {
            "io.containerd.image.name": full_name(name), "org.opencontainers.image.ref.name": name}})
        self.for_docker.append({"Config": blob_path(config), "RepoTags": [name], "Layers": [blob_path(packed)]})
        return packed["size"]

    def write(self, path):
        files = {"oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}),
                 "index.json": json.dumps({"schemaVersion": 2, "manifests": self.images}, sort_keys=True),
                 "manifest.json": json.dumps(self.for_docker, sort_keys=True)}
        contents = {name: text.encode() for name, text in files.items()}
        contents |= {f"blobs/sha256/{digest}": blob for digest, blob in sorted(self.blobs.items())}
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in contents.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def blob_path(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


ARCHITECTURE = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip() or "amd64"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", help="the tar to write")
    parser.add_argument("--name", required=True, help="the image's, with a tag")
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--argument", action="append", default=[], help="of the program, unless others are given")
    parser.add_argument("--user", type=int, default=1000)
    options = parser.parse_args()
    archive = Archive()
    archive.add(options.name, layer(options.program, options.user), [f"/usr/local/bin/{options.program.name}"],
                options.argument, options.user)
    archive.write(options.out)


if __name__ == "__main__":
    main()
