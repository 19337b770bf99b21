#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The project's own rules, one at a time: tests/lint.sh RULE BUILD_FOLDER. Each is a ctest test.
# Findings go to standard output as file:line, with what to do.
set -eu # no pipefail: a grep that finds nothing is what most rules hope for
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
rule=${1:?which rule}
build=${2:?which build folder}

PARTS=(ingest router sender notifier api simulator)

# Ours: committed, or new and not ignored. Deleted files that git still lists are left out.
files() {
    git -c safe.directory='*' ls-files -co --exclude-standard -- "$@" | while IFS= read -r f; do
        [ ! -f "$f" ] || printf '%s\n' "$f"
    done
}
each() { tr '\n' '\0' | xargs -0r "$@"; }
jobs() { nproc; }

# refuse WHAT-TO-DO: the findings come on standard input; any is a failure.
refuse() {
    local found
    found=$(cat)
    [ -n "$found" ] || return 0
    printf '%s\n' "$found"
    printf '%s\n' "-> $1"
    return 1
}

# Everything is formatted as .clang-format says.
rule_format() {
    files '*.c' '*.h' | each clang-format-14 --dry-run -Werror || {
        echo "-> run ./dev fmt"
        return 1
    }
}

# Each header compiles alone, and guards itself.
rule_headers() {
    local flags=(-std=gnu17 -D_GNU_SOURCE -DPOSTRIDER_VERSION='""' -Wall -Wextra -Wno-unused -fsyntax-only
        -I. -Icommon -Iproviders -Iclient -Ischemas -Itests) part
    for part in "${PARTS[@]}"; do [ ! -d "$part" ] || flags+=("-I$part" "-I$part/include"); done
    # shellcheck disable=SC2207
    flags+=($(pkg-config --cflags rdkafka avro-c libpq libmicrohttpd libcjson libuv libcrypto libcurl libjwt libsodium))
    local failed=0
    # shellcheck disable=SC2016 # the inner shell expands these
    files '*.h' | grep -v '^tests/test.h$' |
        each -I '{}' -P "$(jobs)" bash -c 'printf "#include \"%s\"\n" "$1" | gcc "${@:2}" -x c - || exit 1' header '{}' "${flags[@]}" || failed=1
    files '*.h' | each grep -L '^#pragma once' | refuse "begin the header with #pragma once" || failed=1
    return $failed
}

# Words that do not belong in the code, with what to use instead.
rule_words() {
    local failed=0
    code() { files '*.c' '*.h'; }
    code | each grep -nHE '\b(alloca|strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|strtok_r)[[:space:]]*\(' |
        refuse "unbounded or unchecked: use struct str, buf, snprintf or str_i64" || failed=1
    code | grep -v '^common/mem\.[ch]$' | grep -v '^tests/' |
        each grep -nHE '[^_[:alnum:]](malloc|calloc|realloc|strdup)[[:space:]]*\(' |
        refuse "out of memory must abort: use mem.h or an arena" || failed=1
    code | grep -v '^tests/test.h$' | each grep -nH 'include <cmocka' |
        refuse 'include "test.h"' || failed=1
    files '*.c' '*.h' '*.py' '*.sh' '*.cmake' '*.sql' 'dev' 'deploy/*' | grep -v '^tests/lint.sh$' |
        each grep -nHIE '\b(TODO|FIXME|XXX|HACK)\b' | refuse "do it, or open an issue" || failed=1
    files 'tests/integration/*.py' 'tests/contract/*.py' | grep -v '^tests/integration/support/wait.py$' | each grep -nHE '\bsleep\(' |
        refuse "wait for a condition: support.wait.wait_until" || failed=1
    return $failed
}

# Each file says its licence in its first lines.
rule_spdx() {
    files '*.c' '*.h' '*.def' '*.py' '*.sh' '*.sql' '*.cmake' '*CMakeLists.txt' '*.xml' '*.properties' \
        '*.properties.in' dev deploy/service .ci/run | while IFS= read -r f; do
        head -n 3 -- "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || printf '%s\n' "$f"
    done | refuse "begin with SPDX-License-Identifier: Apache-2.0"
}

# Only providers/ (and what plays a provider) tells one provider from another.
rule_providers() {
    files '*.c' '*.h' | grep -vE '^(providers|simulator|tests)/' |
        each grep -nHE '(str_eq_c|str_ieq|str_eq|strcmp|strcasecmp)[[:space:]]*\([^;]*"(unipile|instagram|messenger|whatsapp|telegram|x)"' |
        refuse "ask the adapter: a fact about a provider is a member of struct provider"
}

# All daemons are linked into one program: what a part exports begins with its name (sim_ for the
# simulator, call_ for what the api's handlers use), and nothing is
# defined twice.
rule_symbols() {
    local part archive failed=0
    for part in "${PARTS[@]}"; do
        archive=$build/$part/lib${part}_core.a
        [ ! -f "$archive" ] || nm -A --defined-only --extern-only "$archive" 2>/dev/null |
            awk -v part="$part" 'NF >= 3 && $NF !~ "^(" part "|sim|call)_" && $NF !~ /^__/ {print}' | sed "s|^$build/||"
    done | refuse "begin the name with the daemon's, or make it static" || failed=1
    find "$build" -name 'lib*.a' -print0 | xargs -0r nm -A --defined-only --extern-only 2>/dev/null |
        awk 'NF >= 3 && $NF !~ /^(__|_avro)/ {n[$NF]++; at[$NF] = at[$NF] "\n  " $1} END {for (s in n) if (n[s] > 1) print s " is defined " n[s] " times:" at[s]}' |
        refuse "one name, one definition" || failed=1
    return $failed
}

# clang-tidy, one file at a time, and only where something changed since it was last clean. It takes the
# time that others leave: tests beside it watch the clock.
rule_tidy() {
    local cache=$build/tidy headers
    mkdir -p "$cache"
    headers=$( (cat .clang-tidy tests/unit/.clang-tidy "$build/CMakeCache.txt"; files '*.h' '*.def' | each cat) | sha256sum | cut -c1-16)
    export build cache headers
    # shellcheck disable=SC2016
    files '*.c' | grep -v '^tests/fuzz' | each -n 1 -P "$(jobs)" bash -c '
        key=$cache/$( (echo "$headers $1"; cat "$1") | sha256sum | cut -c1-32)
        [ -e "$key" ] && exit 0
        nice -n 10 clang-tidy-14 --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option "$1" >"$key.out" 2>&1 &&
            rm -f "$key.out" && touch "$key" && exit 0
        grep -vE "^[0-9]+ warnings? |^Suppressed|^Use -" "$key.out"
        rm -f "$key.out"
        exit 1' tidy
}

# What is generated from the tables in the code is fresh.
rule_docs() {
    local program=$build/postrider page failed=0
    for page in config metrics api; do
        [ -x "$program" ] || continue
        "$program" $page docs | diff -u "docs/$page.md" - || {
            echo "-> run: cmake --build $build --target docs-config"
            failed=1
        }
    done
    return $failed
}

# What docs/providers.md says is supported has the tests that it names.
rule_supported() {
    python3 tests/supported.py | refuse "name a test that shows it, or mend the row"
}

# The shell scripts.
rule_shell() {
    files dev deploy/service '*.sh' .ci/run | each shellcheck -x -P SCRIPTDIR -e SC1091,SC2154,SC2034
}

"rule_$rule"
