# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Building and checking: what ./dev test, fmt, lint, fuzz and bench do.

# preset_build PRESET TARGETS... [-- CMAKE ARGUMENTS...]
preset_build() {
    local preset=$1 targets=() log=$STATE/build-$1.log
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        targets+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    step build "preset $preset"
    (
        cd "$ROOT"
        cmake --preset "$preset" "$@"
        cmake --build --preset "$preset" ${targets[@]+--target "${targets[@]}"}
    ) >"$log" 2>&1 </dev/null || {
        trap - ERR
        # The compiler's own words are worth more than the last lines.
        grep -E -A 4 'error:|CMake Error|undefined reference' "$log" | head -n 60 >&2 || true
        die "the build of preset $preset failed" "The whole log: $log"
    }
}

stack_build() { preset_build release postrider; }

# Files that are ours and that exist: committed or about to be.
tracked() { (cd "$ROOT" && git -c safe.directory='*' ls-files -co --exclude-standard -- "$@" | while read -r f; do [ ! -e "$f" ] || printf '%s\n' "$f"; done); }

check_fmt() {
    need "${PACKAGES_TEST[@]}"
    (cd "$ROOT" && tracked '*.c' '*.h' | tr '\n' '\0' | xargs -0r clang-format-14 -i)
    say "formatted"
}

check_lint() {
    need_build
    need "${PACKAGES_TEST[@]}"
    need_python
    preset_build asan all -- -DPOSTRIDER_WERROR=ON "-DPOSTRIDER_PYTHON=$PYTHON"
    (cd "$ROOT" && ctest --preset asan -L lint --output-on-failure -j "$(nproc)")
}

# One test more than there are cores: much of their time is spent waiting for a time-out, a lease or a disk.
at_once() { printf '%s\n' $(($(nproc) + 1)); }

# One closing line of totals over every ctest run of this command, with the cases inside pytest.
check_test() {
    local pattern=${1:-} status=0 reports=()
    need_build
    need "${PACKAGES_TEST[@]}"
    need_services
    need_python
    preset_build asan all -- -DPOSTRIDER_WERROR=ON "-DPOSTRIDER_PYTHON=$PYTHON"
    rm -rf "$ROOT/build/asan/junit" "$ROOT/build/asan/ctest.xml" "$ROOT/build/tsan/ctest.xml"
    (cd "$ROOT" && ctest --preset asan -j "$(at_once)" --output-on-failure --no-tests=ignore \
        --output-junit "$ROOT/build/asan/ctest.xml" ${pattern:+-R "$pattern"}) || status=1
    reports+=("$ROOT/build/asan/ctest.xml")
    if grep -lqs 'ctest: threads' "$ROOT"/tests/unit/*_test.c; then
        preset_build tsan thread-tests -- -DPOSTRIDER_WERROR=ON
        (cd "$ROOT" && ctest --preset tsan -j "$(nproc)" --output-on-failure --no-tests=ignore \
            --output-junit "$ROOT/build/tsan/ctest.xml" ${pattern:+-R "$pattern"}) || status=1
        reports+=("$ROOT/build/tsan/ctest.xml")
    fi
    trap - ERR
    "$PYTHON" "$ROOT/tests/totals.py" "$ROOT/build/asan/junit" "${reports[@]}" || status=1
    exit "$status"
}

# Calls made from the api's description, to an api of its own, each run with another seed.
fuzz_api() {
    local seconds=$1
    need_services
    need_python
    preset_build asan postrider -- -DPOSTRIDER_WERROR=ON "-DPOSTRIDER_PYTHON=$PYTHON"
    step fuzz "api for $seconds s or a little more"
    (cd "$ROOT/tests/integration" && POSTRIDER_PROGRAM=$ROOT/build/asan/postrider POSTRIDER_CACHE_DIR=$CACHE \
        POSTRIDER_FUZZ_SECONDS=$seconds PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m pytest -q -s -p no:cacheprovider test_api_contract.py) ||
        die "an answer of the api is not as its description says" "./dev fuzz api finds it again by its seed: POSTRIDER_FUZZ_SEED=SEED"
}

# Run the fuzzers one after the other. A find is kept under tests/fuzz/regressions/ and replayed by
# every later ./dev test.
check_fuzz() {
    local target=${1:-} seconds=${2:-60} found=0 fuzzer name seeds
    [[ $seconds =~ ^[0-9]+$ ]] || die "'$seconds' is no number of seconds" "./dev fuzz [TARGET] [SECONDS]"
    need_build
    need "${PACKAGES_TEST[@]}"
    if [ "$target" = api ]; then
        fuzz_api "$seconds"
        return
    fi
    preset_build fuzz fuzzers
    for fuzzer in "$ROOT"/build/fuzz/tests/fuzz_*; do
        { [ -x "$fuzzer" ] && [ -f "$fuzzer" ]; } || continue
        name=$(basename "$fuzzer")
        name=${name#fuzz_}
        [ -z "$target" ] || [ "$target" = "$name" ] || continue
        found=$((found + 1))
        seeds=()
        local folder
        for folder in "$ROOT/tests/fuzz/corpus/$name" "$ROOT/tests/fuzz/regressions/$name" "$ROOT/tests/golden/$name"; do
            [ ! -d "$folder" ] || seeds+=("$folder")
        done
        mkdir -p "$STATE/fuzz/$name" "$ROOT/tests/fuzz/regressions/$name"
        step fuzz "$name for $seconds s"
        "$fuzzer" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
            -artifact_prefix="$ROOT/tests/fuzz/regressions/$name/" "$STATE/fuzz/$name" "${seeds[@]}" \
            >"$STATE/fuzz/$name.log" 2>&1 </dev/null ||
            die_with_log "fuzz_$name found something; the input is in tests/fuzz/regressions/$name/" "$STATE/fuzz/$name.log"
        rmdir "$ROOT/tests/fuzz/regressions/$name" "$ROOT/tests/fuzz/regressions" 2>/dev/null || true
        step "" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$STATE/fuzz/$name.log") runs, nothing found"
    done
    [ "$found" -gt 0 ] || die "there is no fuzz target '$target'" \
        "Targets: api $(cd "$ROOT/tests/fuzz" && echo fuzz_*.c | sed 's/fuzz_//g; s/\.c//g')"
    [ -n "$target" ] || fuzz_api "$seconds"
}

# bench [NAME] [ARGUMENTS]: tests/bench/NAME.py or .sh against services of its own.
check_bench() {
    local name=${1:-} file
    if [ -z "$name" ]; then
        say "benches:"
        for file in "$ROOT"/tests/bench/*.py "$ROOT"/tests/bench/*.sh; do
            [ -x "$file" ] || continue
            name=$(basename "$file")
            say "  ./dev bench ${name%.*}"
        done
        return 0
    fi
    shift
    for file in "$ROOT/tests/bench/$name.py" "$ROOT/tests/bench/$name.sh"; do
        [ -x "$file" ] || continue
        need_build
        need_services
        need "${PACKAGES_BENCH[@]}"
        need_python
        preset_build release
        export PYTHON POSTRIDER_PROGRAM=$POSTRIDER POSTRIDER_CACHE_DIR=$CACHE
        export PYTHONPATH=$ROOT/tests/integration
        trap - ERR
        case $file in
        *.py) exec "$PYTHON" "$file" "$@" ;;
        *) exec "$file" "$@" ;;
        esac
    done
    die "there is no bench '$name'" "List them: ./dev bench"
}
