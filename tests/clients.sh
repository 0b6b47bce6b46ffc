#!/usr/bin/env bash
# Builds the container clients that tests/interop drives, each at the version named here, into a cache
# outside the tree. What is there already in its version is left alone.
#
#   tests/clients.sh            all of them
#   tests/clients.sh crane helm these alone
set -euo pipefail

bin="${XDG_CACHE_HOME:-$HOME/.cache}/quayframe/bin"

# program  package  version
clients='
crane        github.com/google/go-containerregistry/cmd/crane          v0.22.1
oras         oras.land/oras/cmd/oras                                   v1.3.6
regctl       github.com/regclient/regclient/cmd/regctl                 v0.11.7
cosign       github.com/sigstore/cosign/v3/cmd/cosign                  v3.1.3
helm         helm.sh/helm/v3/cmd/helm                                  v3.22.0
helm4        helm.sh/helm/v4/cmd/helm                                  v4.3.1
registry     github.com/distribution/distribution/v3/cmd/registry      v3.1.2
kustomize    sigs.k8s.io/kustomize/kustomize/v5                        v5.8.1
conformance  github.com/opencontainers/distribution-spec/conformance   v0.0.0-20260831232431-97274622c111
'

wanted() {
    local name=$1 one
    shift
    [ $# = 0 ] && return
    for one; do
        [ "$one" = "$name" ] && return
    done
    return 1
}

mkdir -p "$bin"
# Two versions of one program are built apart, and renamed.
fresh=$(mktemp -d "$bin/.fresh-XXXXXX")
trap 'rm -rf "$fresh"' EXIT
failed=
while read -r name package version; do
    [ -n "$name" ] && wanted "$name" "$@" || continue
    # The stamp is written last, so that a build cut short is done again.
    stamp="$bin/.$name"
    if [ -x "$bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$package@$version" ]; then
        continue
    fi
    if ! command -v go >/dev/null; then
        echo "clients: $name is not built: no Go here (https://go.dev/dl/)" >&2
        failed+=" $name"
        continue
    fi
    echo "clients: building $name $version" >&2
    rm -f "$stamp"
    # Go names a program after its package, a major version at the end left out.
    program=${package##*/}
    if [[ $program =~ ^v[0-9]+$ ]]; then
        program=${package%/*}
        program=${program##*/}
    fi
    if GOBIN="$fresh" CGO_ENABLED=0 GOWORK=off go install "$package@$version" </dev/null &&
        mv "$fresh/$program" "$bin/$name"; then
        echo "$package@$version" >"$stamp"
    else
        failed+=" $name"
    fi
done <<<"$clients"

if [ -n "$failed" ]; then
    echo "clients: not built:$failed" >&2
    exit 1
fi
