# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private PostgreSQL cluster: loopback only, durable (fsync stays on), trusting local users.

PG_SUPERUSER=postgres

# The newest installed server's programs, if it is 15 or later.
pg_bin() {
    local dir best=
    for dir in /usr/lib/postgresql/*/bin; do
        [ -x "$dir/initdb" ] || continue
        best=$(printf '%s\n%s\n' "$best" "$dir" | sort -V | tail -n 1)
    done
    [ -n "$best" ] && [ "$(basename "$(dirname "$best")")" -ge 15 ] && printf '%s\n' "$best"
}

# PostgreSQL refuses to run as root: then it runs as the user postgres. setpriv, unlike runuser and
# su, leaves no process in between, so that the recorded process id is the server's own.
pg_as() {
    if [ "$(id -u)" = 0 ]; then
        echo setpriv --reuid=postgres --regid=postgres --init-groups
    fi
}

# pg_folder WANTED: print WANTED, or, when the user postgres cannot reach it (a checkout below
# /root), a folder that it can.
pg_folder() {
    local parent
    parent=$(dirname "$1")
    if [ "$(id -u)" != 0 ] || $(pg_as) test -x "$parent"; then
        printf '%s\n' "$1"
    else
        printf '/var/lib/postgresql/postrider-%s\n' "$(printf '%s' "$1" | sha256sum | cut -c1-12)"
    fi
}

# pg_prepare DIR PORT: initialise the cluster if it is new, write its settings.
pg_prepare() {
    local dir=$1 bin socket
    bin=$(pg_bin)
    if [ ! -s "$dir/data/PG_VERSION" ]; then
        rm -rf "$dir/data"
        mkdir -p "$dir"
        [ "$(id -u)" != 0 ] || chown postgres: "$dir"
        # The cluster is made aside and renamed, so that an interrupted initdb leaves nothing half-made.
        rm -rf "$dir/new"
        (cd / && LC_ALL=C $(pg_as) "$bin/initdb" -D "$dir/new" -U "$PG_SUPERUSER" -E UTF8 --locale=C.UTF-8 \
            --auth=trust --no-instructions) >"$dir/initdb.log" 2>&1 </dev/null ||
            die_with_log "PostgreSQL's cluster could not be made" "$dir/initdb.log"
        mv "$dir/new" "$dir/data"
    fi
    [ "$(cat "$dir/data/PG_VERSION")" = "$(basename "$(dirname "$bin")")" ] ||
        die "the data in $dir/data was written by PostgreSQL $(cat "$dir/data/PG_VERSION"), but the server here is $bin" \
            "Install that version, or remove $dir to begin anew (the demo's data is lost)."
    # A socket's path may be 107 bytes long at most.
    socket=$dir
    [ ${#socket} -le 80 ] || socket=
    cat >"$dir/data/postgresql.auto.conf" <<END
listen_addresses = '127.0.0.1'
port = $2
unix_socket_directories = '${socket//\'/\'\'}'
unix_socket_permissions = 0777
max_connections = 100
shared_buffers = 128MB
max_wal_size = 1GB
checkpoint_timeout = 15min
wal_compression = lz4
log_min_messages = warning
log_line_prefix = '%m %u@%d '
timezone = 'UTC'
END
}

# pg_run DIR: replace this process by the server. With PG_DEATH_SIGNAL the server gets that signal when
# its parent dies: changing the user clears what the parent may have asked for.
pg_run() {
    local as
    read -ra as <<<"$(pg_as)"
    [ ${#as[@]} -eq 0 ] || [ -z "${PG_DEATH_SIGNAL:-}" ] || as+=(--pdeathsig "$PG_DEATH_SIGNAL")
    cd /
    exec "${as[@]}" "$(pg_bin)/postgres" -D "$1/data"
}

pg_answers() { "$(pg_bin)/pg_isready" -q -h 127.0.0.1 -p "$1"; }

pg_sql() {
    "$(pg_bin)/psql" -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U "$PG_SUPERUSER" -d "$2" -c "$3"
}

# pg_database PORT NAME: make the database, owned by postrider_owner, if it is not there.
pg_database() {
    [ -n "$(pg_sql "$1" postgres "SELECT 1 FROM pg_database WHERE datname = '$2'")" ] ||
        pg_sql "$1" postgres "CREATE DATABASE $2 OWNER postrider_owner"
}

# pg_owner PORT: the role that owns the schema and makes the others. It is no superuser.
pg_owner() {
    [ -n "$(pg_sql "$1" postgres "SELECT 1 FROM pg_roles WHERE rolname = 'postrider_owner'")" ] ||
        pg_sql "$1" postgres "CREATE ROLE postrider_owner LOGIN CREATEDB CREATEROLE BYPASSRLS"
}
