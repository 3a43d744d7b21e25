#!/usr/bin/env bash
# Installs the Debian 12 packages of packages.txt that are missing. Quiet and quick if none is.
#
# Each package is installed at the version of the list while Debian's archive has it. A stable release replaces
# versions only with fixes; then the newer one is installed, with a line that says so, and the list wants updating.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mapfile -t wanted < <(sed 's/#.*//; /^\s*$/d; s/\s//g' "$here/packages.txt")
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "${package%%=*}" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0
root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: root is needed to install: ${missing[*]}" >&2; exit 1; }
  root=(sudo)
fi
echo "==> installing ${#missing[@]} Debian packages: ${missing[*]%%=*}" >&2
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq

chosen=()
for package in "${missing[@]}"; do
  name=${package%%=*} version=${package#*=}
  if apt-cache madison "$name" | awk '{print $3}' | grep -qxF -- "$version"; then
    chosen+=("$package")
  else
    echo "setup: Debian no longer has $name $version: installing what replaced it" >&2
    chosen+=("$name")
  fi
done
"${root[@]}" apt-get install -y -qq --no-install-recommends "${chosen[@]}" >/dev/null
