# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the person at the terminal reads: progress, failures, and what to do about them.

say() { printf '%s\n' "$*"; }
# One step of several: "postgres   ready on 127.0.0.1:5433".
step() { printf '%-11s %s\n' "$1" "${*:2}"; }
warn() { printf '%s: %s\n' "${PROGRAM:-dev}" "$*" >&2; }

# die WHAT [WHAT TO DO...]: one line each.
die() {
    trap - ERR
    printf '%s: %s\n' "${PROGRAM:-dev}" "$1" >&2
    shift
    local line
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# die_with_log WHAT LOGFILE: the last lines of the log are usually the reason.
die_with_log() {
    trap - ERR
    printf '%s: %s\n' "${PROGRAM:-dev}" "$1" >&2
    if [ -s "$2" ]; then
        printf '  The last lines of %s:\n' "$2" >&2
        tail -n 15 -- "$2" | sed 's/^/  | /' >&2
    else
        printf '  Its log %s is empty.\n' "$2" >&2
    fi
    exit 1
}

# A command that fails where nobody expected it still says which one, and where.
on_unexpected_failure() {
    local status=$? command=$BASH_COMMAND
    trap - ERR
    printf '%s: this command failed with status %s: %s\n' "${PROGRAM:-dev}" "$status" "$command" >&2
    printf '  at %s line %s. The messages above say why; logs are in %s.\n' \
        "${BASH_SOURCE[1]#"$ROOT"/}" "${BASH_LINENO[0]}" "${STATE:-the state folder}" >&2
    exit "$status"
}

# run_logged LOGFILE COMMAND...: quiet when all is well, the log's end when not.
run_logged() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null || die_with_log "'$(basename "$1") ${*:2:3}' failed" "$log"
}
