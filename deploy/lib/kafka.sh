# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private, single-node Apache Kafka: its jars, its data, its start.

KAFKA_STARTED=kafka.Kafka
KAFKA_TOOL=kafka.tools.StorageTool

# The newest Java there is, if it is 17 or later.
kafka_java() {
    local java version
    for java in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        [ -x "$java" ] || continue
        version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
        if [ -n "$version" ] && [ "$version" -ge 17 ]; then
            printf '%s\n' "$java"
            return 0
        fi
    done
    return 1
}

# Where the jars of this pom.xml are, and the class archive that makes a start 1.5 s shorter. Both are
# named by what they were made from, so that a change of either makes new ones.
kafka_home() { printf '%s/kafka-%s\n' "$CACHE" "$(sha256sum <"$ROOT/deploy/kafka/pom.xml" | cut -c1-12)"; }
kafka_archive() {
    printf '%s/classes-%s.jsa\n' "$(kafka_home)" "$("$KAFKA_JAVA" -version 2>&1 | sha256sum | cut -c1-12)"
}

kafka_is_fetched() { [ -e "$(kafka_home)/.complete" ]; }

# Fetch the jars once. Whole or not at all: a half-filled folder never gets the final name.
kafka_fetch() {
    kafka_is_fetched && return 0
    local home part
    home=$(kafka_home)
    part=$(mktemp -d "$CACHE/kafka.XXXXXX")
    chmod 755 "$part"
    step kafka "fetching the jars (45 MB, once)"
    mvn -B -q -f "$ROOT/deploy/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$part" >"$CACHE/kafka-fetch.log" 2>&1 </dev/null || {
        rm -rf "$part"
        warn "Maven could not fetch Kafka's jars: it needs to reach Maven Central, or a mirror in ~/.m2/settings.xml"
        die_with_log "mvn failed" "$CACHE/kafka-fetch.log"
    }
    touch "$part/.complete"
    rm -rf "$home"
    mv -T "$part" "$home" 2>/dev/null || rm -rf "$part" # another ./dev was faster
}

# kafka_jvm MAIN ARGUMENTS...: replace this process by a JVM.
kafka_jvm() {
    local archive
    archive=$(kafka_archive)
    local sharing=(-Xshare:auto)
    [ -n "${KAFKA_ARCHIVE_TO:-}" ] && sharing=("-XX:ArchiveClassesAtExit=$KAFKA_ARCHIVE_TO" -Xlog:cds=off -Xlog:cds+dynamic=off)
    [ -z "${KAFKA_ARCHIVE_TO:-}" ] && [ -s "$archive" ] && sharing+=("-XX:SharedArchiveFile=$archive")
    # -XX:-UsePerfData: no file in /tmp that would outlive a killed broker.
    exec "$KAFKA_JAVA" "-Xmx${KAFKA_HEAP:-256m}" "-Xms${KAFKA_HEAP:-256m}" -XX:+UseSerialGC \
        -XX:-UsePerfData -XX:+ExitOnOutOfMemoryError "${sharing[@]}" \
        "-Dlog4j2.configurationFile=$ROOT/deploy/kafka/log4j2.properties" -Dlog4j2.disableJmx=true \
        -cp "$(kafka_home)/*" "$@"
}

# kafka_prepare DIR PORT CONTROLLER_PORT: write the settings, format the storage if it is new.
kafka_prepare() {
    local dir=$1
    mkdir -p "$dir"
    local text
    text=$(cat "$ROOT/deploy/kafka/server.properties.in")
    text=${text//@PORT@/"$2"}
    text=${text//@CONTROLLER_PORT@/"$3"}
    printf '%s\n' "${text//@DATA@/"$dir/data"}" >"$dir/server.properties"
    [ -e "$dir/data/meta.properties" ] && return 0
    # The cluster's id is 16 bytes in base64url; Kafka refuses one that starts with a dash.
    local id
    id=P$(head -c 32 /dev/urandom | base64 | tr -d '+/=\n' | cut -c1-20)g
    (kafka_jvm "$KAFKA_TOOL" format -t "$id" -c "$dir/server.properties") >"$dir/format.log" 2>&1 </dev/null ||
        die_with_log "Kafka's storage could not be formatted" "$dir/format.log"
}

# kafka_answers PORT: does the broker serve requests (not only accept connections)?
kafka_answers() { timeout 5 kcat -b "127.0.0.1:$1" -L -m 2 2>/dev/null | grep -q '1 brokers'; }

# Run a scratch broker once and keep the classes that it loaded. Best effort: without the archive a
# start is slower and nothing else.
kafka_make_archive() {
    local archive dir pid port=$1 controller_port=$2
    archive=$(kafka_archive)
    [ -s "$archive" ] && return 0
    step kafka "making the class archive (10 s, once)"
    dir=$(mktemp -d "$CACHE/archive.XXXXXX")
    (
        kafka_prepare "$dir" "$port" "$controller_port"
        export KAFKA_ARCHIVE_TO="$dir/classes.jsa"
        kafka_jvm "$KAFKA_STARTED" "$dir/server.properties"
    ) 9>&- >"$dir/broker.log" 2>&1 </dev/null &
    pid=$!
    local until=$((SECONDS + 60))
    until kafka_answers "$port" || [ "$SECONDS" -ge "$until" ] || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
    done
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || true
    if [ -s "$dir/classes.jsa" ]; then
        mv "$dir/classes.jsa" "$archive"
    else
        warn "no class archive was made (a start of Kafka takes 1.5 s longer): $(tail -n 1 "$dir/broker.log")"
    fi
    rm -rf "$dir"
}
