# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What this machine needs: Debian packages, a Java, the Python packages of the tests. Each is looked for
# first and installed only when it is missing, so that a second run takes no time.

PACKAGES_BUILD=(gcc libc6-dev cmake ninja-build pkg-config git ca-certificates curl
    librdkafka-dev libavro-dev libpq-dev libmicrohttpd-dev libcjson-dev libuv1-dev libssl-dev
    libcurl4-openssl-dev libjwt-dev libwslay-dev libsodium-dev libcmocka-dev python3-yaml)
PACKAGES_RUN=(postgresql-15 kcat procps)
PACKAGES_TEST=(clang-14 clang-tidy-14 clang-format-14 llvm-14 libclang-rt-14-dev binutils shellcheck
    python3 python3-venv pgbouncer)
PACKAGES_BENCH=(wrk valgrind python3 python3-venv)

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need PACKAGE...: install those that are missing.
need() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: the build names what it lacks
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    mkdir -p "$STATE"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "packages are missing: ${missing[*]}" "Run this as root, install sudo, or have them installed."
    step packages "installing ${missing[*]}"
    local log=$STATE/apt.log
    # Debian would start a cluster of its own on port 5432; ours is private.
    local cluster=/etc/postgresql-common/createcluster.conf shield=
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]] && [ ! -e "$cluster" ]; then
        shield=1
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null
    fi
    # A source of somebody else that does not answer must not stop us: what counts is the install.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >"$log" 2>&1 </dev/null ||
        warn "apt-get update failed in part; going on (see $log)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}" \
        >>"$log" 2>&1 </dev/null ||
        die_with_log "apt-get could not install: ${missing[*]}" "$log"
    if [ -n "$shield" ]; then
        as_root cp /usr/share/postgresql-common/createcluster.conf "$cluster"
        as_root rm -f "$cluster.ucf-dist" "$cluster.dpkg-dist"
    fi
}

need_build() { need "${PACKAGES_BUILD[@]}"; }

# What a stack needs beside the program: a Java, the broker's jars, PostgreSQL.
need_services() {
    local wanted=("${PACKAGES_RUN[@]}")
    KAFKA_JAVA=$(kafka_java) || wanted+=(openjdk-17-jre-headless)
    kafka_is_fetched || command -v mvn >/dev/null || wanted+=(maven)
    need "${wanted[@]}"
    KAFKA_JAVA=$(kafka_java) ||
        die "no Java 17 or later was found" "Install openjdk-17-jre-headless, or set JAVA_HOME to one."
    export KAFKA_JAVA
    pg_bin >/dev/null || die "no PostgreSQL 15 or later was found in /usr/lib/postgresql" "Install postgresql-15."
    kafka_fetch
    local port
    port=$(free_port 30000)
    kafka_make_archive "$port" "$(free_port $((port + 1)))"
}

# The first free port from FROM on (and a little at random, so that two runs do not meet).
free_port() {
    local port=$(($1 + RANDOM % 500))
    while port_user "$port" >/dev/null; do port=$((port + 1)); done
    printf '%s\n' "$port"
}

# The tests' Python, with exactly the packages of tests/requirements.txt. Prints nothing; sets PYTHON.
need_python() {
    local venv=$CACHE/venv requirements=$ROOT/tests/requirements.txt base=/usr/bin/python3 stamp
    [ -x "$base" ] || base=$(command -v python3) || die "no python3 was found" "Install python3-venv."
    PYTHON=$venv/bin/python
    stamp=$( (cat "$requirements"; "$base" --version; printf '%s' "$venv") | sha256sum | cut -c1-16)
    [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
    step python "installing the tests' packages into $venv"
    rm -rf "$venv"
    run_logged "$CACHE/venv.log" "$base" -m venv "$venv"
    run_logged "$CACHE/venv.log" "$PYTHON" -m pip install --disable-pip-version-check --no-input -r "$requirements"
    printf '%s\n' "$stamp" >"$venv/.stamp"
}
