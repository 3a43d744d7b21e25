"""The images of Kinglet's programs under the names that config/ uses, one tar a program, from the binaries of a build."""

import argparse
import pathlib

from image import Archive, layer

USER = 1000  # KServe's images' too
# Services send connections to a pod for a moment after it was told to end.
SHUTDOWN_DELAY = "--shutdown-delay=5"
# Runtimes name an image for each framework: the same program and layer.
IMAGES = {
    "kinglet-manager": {"kinglet/kinglet-manager": []},
    "kinglet-localmodel-agent": {"kinglet/kinglet-localmodel-agent": []},
    "kinglet-storage-initializer": {"kserve/storage-initializer": []},
    "kinglet-server": {"kserve/sklearnserver": ["--model_format=sklearn", SHUTDOWN_DELAY],
                       "kserve/xgbserver": ["--model_format=xgboost", SHUTDOWN_DELAY],
                       "kserve/lgbserver": ["--model_format=lightgbm", SHUTDOWN_DELAY]},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="the folder of the programs")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder for the tars")
    parser.add_argument("--prefix", default="", help="before the names, such as registry.example.com/team/")
    parser.add_argument("--tag", default="local")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for program, names in IMAGES.items():
        archive = Archive()
        content = layer(options.bin / program, USER)
        for name, flags in names.items():
            image = f"{options.prefix}{name}:{options.tag}"
            size = archive.add(image, content, [f"/usr/local/bin/{program}", *flags], [], USER)
            print(f"{image:50} {size / 1e6:6.1f} MB packed, {len(content) / 1e6:6.1f} MB unpacked")
        archive.write(options.out / f"{program}.tar")


if __name__ == "__main__":
    main()
