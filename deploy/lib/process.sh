# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Processes that outlive the command which starts them: recorded so that only they are ever stopped.
#
# $STATE/<name>.pid holds the process id, $STATE/run/<name>.start when that process began (boot and
# clock tick). Both must fit before anything is sent a signal: a process id is used again by others.

process_birth() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # What follows the name in brackets, which may hold anything: the state, ..., the start.
    read -ra fields <<<"${stat##*) }"
    [ "${fields[0]}" != Z ] || return 1
    printf '%s %s\n' "$(cat /proc/sys/kernel/random/boot_id)" "${fields[19]}"
}

# process_pid NAME: print the process id if that very process still runs.
process_pid() {
    local pid
    pid=$(cat "$STATE/$1.pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    [ "$(process_birth "$pid")" = "$(cat "$STATE/run/$1.start" 2>/dev/null)" ] || return 1
    printf '%s\n' "$pid"
}

# process_start NAME COMMAND...: in the background, in its own session, output to $STATE/NAME.log.
process_start() {
    local name=$1 pid
    shift
    mkdir -p "$STATE/run"
    # Descriptor 9 is the lock of ./dev, which a daemon must not hold.
    (exec 9>&- setsid "$@") </dev/null >>"$STATE/$name.log" 2>&1 &
    pid=$!
    disown "$pid"
    process_birth "$pid" >"$STATE/run/$name.start" || true
    printf '%s\n' "$pid" >"$STATE/$name.pid"
}

# process_wait NAME SECONDS WHAT COMMAND...: until COMMAND succeeds; the process's end is a failure.
process_wait() {
    local name=$1 seconds=$2 what=$3
    shift 3
    local until=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        process_pid "$name" >/dev/null || die_with_log "$name ended before it was $what" "$STATE/$name.log"
        [ "$SECONDS" -lt "$until" ] ||
            die_with_log "$name is not $what after $seconds seconds" "$STATE/$name.log"
        sleep 0.1
    done
}

# process_stop NAME SECONDS [SIGNAL]: ask, wait, and only then insist.
process_stop() {
    local name=$1 seconds=$2 signal=${3:-TERM} pid
    if pid=$(process_pid "$name"); then
        kill -s "$signal" "$pid" 2>/dev/null || true
        local until=$((SECONDS + seconds))
        while process_pid "$name" >/dev/null; do
            if [ "$SECONDS" -ge "$until" ]; then
                warn "$name did not stop within $seconds seconds and was killed; see $STATE/$name.log"
                kill -s KILL "$pid" 2>/dev/null || true
                until=$((SECONDS + 5))
            fi
            sleep 0.05
        done
    fi
    rm -f "$STATE/$name.pid" "$STATE/run/$name.start"
}

# port_user PORT: if someone listens on it, print who ("redis-server, process 812" or "a process").
port_user() {
    local hex inode pid
    hex=$(printf '%04X' "$1")
    inode=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port {print $10; exit}')
    [ -n "$inode" ] || return 1
    # One find, not a readlink for each of a machine's descriptors.
    pid=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$inode\\]" -print -quit 2>/dev/null) || true
    pid=${pid#/proc/}
    pid=${pid%%/*}
    if [ -n "$pid" ]; then
        printf '%s, process %s\n' "$(cat "/proc/$pid/comm" 2>/dev/null)" "$pid"
        return 0
    fi
    printf 'a process of another user\n'
}

# port_check VARIABLE WHAT: a taken port is an error that says how to choose another.
port_check() {
    local port=${!1} user
    [[ $port =~ ^[0-9]+$ && $port -ge 1 && $port -le 65535 ]] ||
        die "$1 is '$port', which is no port number" "Set it to a number between 1 and 65535."
    if user=$(port_user "$port"); then
        die "port $port, for $2, is taken by $user" \
            "Stop that process, or choose another port: $1=$((port + 1000)) ./dev up"
    fi
}
