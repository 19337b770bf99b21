# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A Confluent-compatible schema registry (Apicurio, in memory) for the test of the registry's wire format.

REGISTRY_VERSION=3.0.9
REGISTRY_ARTIFACT=io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all

registry_home() { printf '%s/registry-%s\n' "$CACHE" "$REGISTRY_VERSION"; }
registry_is_fetched() { [ -e "$(registry_home)/.complete" ]; }

# Fetch and unpack it once, whole or not at all.
registry_fetch() {
    registry_is_fetched && return 0
    command -v mvn >/dev/null || need maven
    step registry "fetching the schema registry (109 MB, once)"
    local home part maven log=$CACHE/registry-fetch.log
    home=$(registry_home)
    part=$(mktemp -d "$CACHE/registry.XXXXXX")
    # A repository of its own: a stand-in for a parent has no place among other projects' artifacts.
    maven=(mvn -B -q "-Dmaven.repo.local=$part/m2")
    {
        "${maven[@]}" org.apache.maven.plugins:maven-install-plugin:3.1.3:install-file \
            "-Dfile=$ROOT/deploy/registry/parent.xml" "-DpomFile=$ROOT/deploy/registry/parent.xml" &&
            "${maven[@]}" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get \
                "-Dartifact=$REGISTRY_ARTIFACT" -Dtransitive=false &&
            mkdir "$part/app" && tar -xzf "$part"/m2/io/apicurio/apicurio-registry-app/*/*.tar.gz -C "$part/app"
    } >"$log" 2>&1 </dev/null || {
        rm -rf "$part"
        die_with_log "Maven could not fetch the schema registry" "$log"
    }
    touch "$part/app/.complete"
    mv -T "$part/app" "$home" 2>/dev/null || true # another ./dev was faster
    rm -rf "$part"
}

# Become the registry. DIR is where it may write.
registry_run() {
    cd "$1" || die "cannot enter $1"
    exec "$KAFKA_JAVA" -Xmx192m -XX:+UseSerialGC -XX:-UsePerfData -Dquarkus.http.host=127.0.0.1 \
        "-Dquarkus.http.port=$2" -Dquarkus.http.access-log.enabled=false \
        -jar "$(registry_home)/apicurio-registry-app-$REGISTRY_VERSION-runner.jar"
}
