#!/usr/bin/env bash
# Installs the servers that tests use and that come from npm, each at the version named here, into a cache
# outside the tree. What is there already in its version is left alone.
set -euo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/quayframe/npm"

# package  version
servers='
azurite  3.37.0
'

failed=
while read -r name version; do
    [ -n "$name" ] || continue
    folder="$cache/$name"
    # The stamp is written last, so that an installation cut short is done again.
    [ "$(cat "$folder/.version" 2>/dev/null)" = "$version" ] && continue
    if ! command -v npm >/dev/null; then
        echo "servers: $name is not installed: no npm here" >&2
        failed+=" $name"
        continue
    fi
    echo "servers: installing $name $version" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    echo '{}' >"$folder/package.json"
    if npm install --prefix "$folder" --no-audit --no-fund --no-progress --loglevel=error \
        --omit=optional --ignore-scripts "$name@$version" </dev/null >&2; then
        echo "$version" >"$folder/.version"
    else
        failed+=" $name"
    fi
done <<<"$servers"

if [ -n "$failed" ]; then
    echo "servers: not installed:$failed" >&2
    exit 1
fi
