#!/usr/bin/env bash
# Installs the Debian packages whose servers and clients the tests and benchmarks use; only what is missing,
# and only as root. As anybody else it names what is missing.
set -euo pipefail

packages=(
    # clients of tests/interop, and what they need: a runtime, an engine, a base image
    skopeo buildah podman runc umoci docker.io busybox-static zstd
    # servers
    postgresql mariadb-server redis-server nginx-light
    # the browser of the API's pages
    chromium
    # bench
    wrk docker-registry
)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = 'install ok installed' ] || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
    echo "packages: not installed, and only root can: ${missing[*]}" >&2
    exit 1
fi

echo "packages: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -o DPkg::Lock::Timeout=900 -o Dpkg::Use-Pty=0)
# None of the services is to run by itself: tests start their own.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
    made=1
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
"${apt[@]}" update -q >&2
"${apt[@]}" install -qy --no-install-recommends "${missing[@]}" >&2
