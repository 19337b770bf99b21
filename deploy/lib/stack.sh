# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The whole local stack: up, down, env, logs.

: "${POSTRIDER_PORT_KAFKA:=9092}" "${POSTRIDER_PORT_KAFKA_CONTROLLER:=9093}"
: "${POSTRIDER_PORT_POSTGRES:=5433}" "${POSTRIDER_PORT_INGEST:=8080}" "${POSTRIDER_PORT_STREAM:=8081}"
: "${POSTRIDER_PORT_INGEST_ADMIN:=9101}" "${POSTRIDER_PORT_ROUTER_ADMIN:=9102}"
: "${POSTRIDER_PORT_NOTIFIER_ADMIN:=9104}" "${POSTRIDER_PORT_API:=8082}" "${POSTRIDER_PORT_API_ADMIN:=9105}" "${POSTRIDER_PORT_SIMULATOR:=8090}"
: "${POSTRIDER_PORT_SENDER_ADMIN:=9103}"

# In the order of starting; stopped the other way round.
PARTS=(kafka postgres ingest router sender notifier api providers simulator)
SECRETS=(webhook_master_key jwt_secret meta_app_secret meta_verify_token x_consumer_secret)
POSTRIDER=$ROOT/build/release/postrider

stack_secret() { cat "$STATE/secrets/$1"; }

# Made once, readable by nobody else. They reach the daemons by the environment.
stack_make_secrets() {
    local name
    (
        umask 077
        mkdir -p "$STATE/secrets"
        for name in "${SECRETS[@]}"; do
            [ -s "$STATE/secrets/$name" ] && continue
            head -c 64 /dev/urandom | base64 | tr -d '+/=\n' | cut -c1-40 | tr -d '\n' >"$STATE/secrets/$name"
        done
        [ -s "$STATE/secrets/demo_password" ] || demo_new_password >"$STATE/secrets/demo_password"
    )
    [ -s "$STATE/secrets/key_ring" ] || run_logged "$STATE/keys.log" "$POSTRIDER" keys generate "$STATE/secrets/key_ring"
}

stack_url() { printf 'postgresql://%s@127.0.0.1:%s/postrider' "$1" "$POSTRIDER_PORT_POSTGRES"; }

stack_provider_urls() {
    local provider urls=''
    for provider in instagram messenger whatsapp telegram x; do
        urls+=${urls:+,}$provider=http://127.0.0.1:$POSTRIDER_PORT_SIMULATOR/$provider
    done
    printf %s "$urls"
}

# Settings that every part may see. What only one may use has its name in it.
stack_settings() {
    export POSTRIDER_KAFKA_BROKERS=127.0.0.1:$POSTRIDER_PORT_KAFKA
    POSTRIDER_ROUTER_DATABASE_URL=$(stack_url postrider_router)
    POSTRIDER_API_DATABASE_URL=$(stack_url postrider_api)
    POSTRIDER_SENDER_DATABASE_URL=$(stack_url postrider_sender)
    POSTRIDER_API_OPERATOR_DATABASE_URL=$(stack_url postrider_operator)
    export POSTRIDER_ROUTER_DATABASE_URL POSTRIDER_API_DATABASE_URL POSTRIDER_SENDER_DATABASE_URL
    export POSTRIDER_API_OPERATOR_DATABASE_URL
    export POSTRIDER_SENDER_ADMIN_PORT=$POSTRIDER_PORT_SENDER_ADMIN
    export POSTRIDER_KEY_RING=$STATE/secrets/key_ring
    export POSTRIDER_MEDIA_FOLDER=$STATE/media
    export POSTRIDER_INGEST_LISTEN_PORT=$POSTRIDER_PORT_INGEST
    # The providers are simulated at an address that no tenant's URL could name otherwise.
    POSTRIDER_PROVIDER_URLS=$(stack_provider_urls)
    export POSTRIDER_PROVIDER_URLS POSTRIDER_ALLOWED_HOSTS=127.0.0.1:$POSTRIDER_PORT_SIMULATOR
    export POSTRIDER_API_STREAM_URL=ws://127.0.0.1:$POSTRIDER_PORT_STREAM/v1/stream
    export POSTRIDER_API_INGEST_URL=http://127.0.0.1:$POSTRIDER_PORT_INGEST
    export POSTRIDER_NOTIFIER_LISTEN_PORT=$POSTRIDER_PORT_STREAM
    export POSTRIDER_INGEST_ADMIN_PORT=$POSTRIDER_PORT_INGEST_ADMIN
    export POSTRIDER_ROUTER_ADMIN_PORT=$POSTRIDER_PORT_ROUTER_ADMIN
    export POSTRIDER_NOTIFIER_ADMIN_PORT=$POSTRIDER_PORT_NOTIFIER_ADMIN
    export POSTRIDER_API_LISTEN_PORT=$POSTRIDER_PORT_API
    export POSTRIDER_API_ADMIN_PORT=$POSTRIDER_PORT_API_ADMIN
    export POSTRIDER_SIMULATOR_LISTEN_PORT=$POSTRIDER_PORT_SIMULATOR
    local name variable
    for name in "${SECRETS[@]}"; do
        variable=POSTRIDER_${name^^}
        unset "${variable}_FILE" # of a shell that has read ./dev env
        [ -n "${!variable:-}" ] || printf -v "$variable" %s "$(stack_secret "$name")"
        export "${variable?}"
    done
}

# Run an operator's verb as the owner of the database.
stack_verb() { POSTRIDER_DATABASE_URL=$(stack_url postrider_owner) "$POSTRIDER" "$@"; }

# What runs now, in the order of starting.
stack_running() {
    local part
    for part in "${PARTS[@]}"; do
        process_pid "$part" >/dev/null && printf '%s\n' "$part"
    done
    return 0
}

stack_check_ports() {
    port_check POSTRIDER_PORT_KAFKA Kafka
    port_check POSTRIDER_PORT_KAFKA_CONTROLLER "Kafka's controller"
    port_check POSTRIDER_PORT_POSTGRES PostgreSQL
    port_check POSTRIDER_PORT_INGEST webhooks
    port_check POSTRIDER_PORT_STREAM "the websocket stream"
    port_check POSTRIDER_PORT_SIMULATOR "the simulated providers"
    port_check POSTRIDER_PORT_INGEST_ADMIN "ingest's admin port"
    port_check POSTRIDER_PORT_ROUTER_ADMIN "the router's admin port"
    port_check POSTRIDER_PORT_SENDER_ADMIN "the sender's admin port"
    port_check POSTRIDER_PORT_NOTIFIER_ADMIN "the notifier's admin port"
    port_check POSTRIDER_PORT_API "the api"
    port_check POSTRIDER_PORT_API_ADMIN "the api's admin port"
}

stack_start_kafka() {
    process_start kafka "$ROOT/deploy/service" kafka "$STATE/kafka" "$POSTRIDER_PORT_KAFKA" "$POSTRIDER_PORT_KAFKA_CONTROLLER"
}

stack_start_postgres() {
    PG_DIR=$(pg_folder "$STATE/postgres")
    [ "$PG_DIR" = "$STATE/postgres" ] ||
        step postgres "keeps its data in $PG_DIR: the user postgres cannot reach $STATE"
    printf '%s\n' "$PG_DIR" >"$STATE/run/postgres.folder"
    process_start postgres "$ROOT/deploy/service" postgres "$PG_DIR" "$POSTRIDER_PORT_POSTGRES"
}

# stack_start_daemon NAME ADMIN_PORT WHERE: start it and wait until it says that it is ready.
stack_start_daemon() {
    (unset POSTRIDER_DATABASE_URL; process_start "$1" "$POSTRIDER" "$1")
    process_wait "$1" 30 ready curl -fsS --max-time 2 "http://127.0.0.1:$2/readyz"
    step "$1" "ready${3:+ $3}"
}

# The names of what is up, as operators' scripts and independent tests read them.
stack_write_env() {
    (
        umask 077
        {
            stack_export POSTRIDER_DATABASE_URL "$(stack_url postrider_owner)"
            stack_export POSTRIDER_KAFKA_BROKERS "$POSTRIDER_KAFKA_BROKERS"
            stack_export POSTRIDER_INGEST_URL "http://127.0.0.1:$POSTRIDER_PORT_INGEST"
            stack_export POSTRIDER_STREAM_URL "ws://127.0.0.1:$POSTRIDER_PORT_STREAM/v1/stream"
            stack_export POSTRIDER_SIMULATOR_URL "http://127.0.0.1:$POSTRIDER_PORT_SIMULATOR"
            stack_export POSTRIDER_API_URL "http://127.0.0.1:$POSTRIDER_PORT_API"
            stack_export POSTRIDER_META_APP_SECRET "$POSTRIDER_META_APP_SECRET"
            stack_export POSTRIDER_META_VERIFY_TOKEN "$POSTRIDER_META_VERIFY_TOKEN"
            stack_export POSTRIDER_X_CONSUMER_SECRET "$POSTRIDER_X_CONSUMER_SECRET"
            stack_export POSTRIDER_DEMO_TENANT "$DEMO_TENANT"
            stack_export POSTRIDER_DEMO_TOKEN "$(stack_verb tenant token "$DEMO_TENANT" --sub "$DEMO_USER" --ttl 30d)"
            stack_export POSTRIDER_DEMO_EMAIL "$DEMO_EMAIL"
            stack_export POSTRIDER_DEMO_PASSWORD "$(stack_secret demo_password)"
            stack_export POSTRIDER_STATE_DIR "$STATE"
            # So that the operator's verbs can derive secrets, mint tokens, open credentials and reach the
            # simulated providers in such a shell.
            stack_export POSTRIDER_WEBHOOK_MASTER_KEY_FILE "$STATE/secrets/webhook_master_key"
            stack_export POSTRIDER_JWT_SECRET_FILE "$STATE/secrets/jwt_secret"
            stack_export POSTRIDER_KEY_RING "$POSTRIDER_KEY_RING"
            stack_export POSTRIDER_PROVIDER_URLS "$POSTRIDER_PROVIDER_URLS"
            stack_export POSTRIDER_ALLOWED_HOSTS "$POSTRIDER_ALLOWED_HOSTS"
        } >"$STATE/env.new"
        mv "$STATE/env.new" "$STATE/env"
    )
}

stack_export() { printf 'export %s=%q\n' "$1" "$2"; }

stack_up() {
    local running
    running=$(stack_running | paste -sd' ')
    if [ "$running" = "${PARTS[*]}" ]; then
        say "The stack is already up."
        cat "$STATE/run/addresses"
        return 0
    fi
    [ -z "$running" ] || die "a part of the stack is running: $running" "Stop it first: ./dev down"
    stack_check_ports
    need_build
    need_services
    stack_build
    mkdir -p "$STATE/run"
    rm -f "$STATE"/*.log.old
    local part
    for part in "${PARTS[@]}"; do
        [ ! -e "$STATE/$part.log" ] || mv "$STATE/$part.log" "$STATE/$part.log.old"
    done
    stack_make_secrets
    stack_settings
    # From here on there is something to stop when anything fails.
    trap 'trap "" INT TERM HUP; stack_down' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    stack_start_kafka
    stack_start_postgres
    process_wait postgres 30 "accepting connections" pg_answers "$POSTRIDER_PORT_POSTGRES"
    pg_owner "$POSTRIDER_PORT_POSTGRES"
    pg_database "$POSTRIDER_PORT_POSTGRES" postrider
    step postgres "ready on 127.0.0.1:$POSTRIDER_PORT_POSTGRES, database postrider"
    process_wait kafka 60 "serving requests" kafka_answers "$POSTRIDER_PORT_KAFKA"
    step kafka "ready on 127.0.0.1:$POSTRIDER_PORT_KAFKA"
    run_logged "$STATE/migrate.log" stack_verb migrate
    run_logged "$STATE/topics.log" stack_verb topics
    stack_start_daemon ingest "$POSTRIDER_PORT_INGEST_ADMIN" "at http://127.0.0.1:$POSTRIDER_PORT_INGEST"
    stack_start_daemon router "$POSTRIDER_PORT_ROUTER_ADMIN" ""
    stack_start_daemon sender "$POSTRIDER_PORT_SENDER_ADMIN" ""
    stack_start_daemon notifier "$POSTRIDER_PORT_NOTIFIER_ADMIN" "at ws://127.0.0.1:$POSTRIDER_PORT_STREAM/v1/stream"
    stack_start_daemon api "$POSTRIDER_PORT_API_ADMIN" "at http://127.0.0.1:$POSTRIDER_PORT_API/api"
    demo_log_in
    demo_start_providers
    demo_connect
    demo_start_traffic
    stack_write_env
    (umask 077; stack_addresses >"$STATE/run/addresses")
    cat "$STATE/run/addresses"
    trap - EXIT INT TERM HUP
}

stack_addresses() {
    cat <<END

  webhooks    http://127.0.0.1:$POSTRIDER_PORT_INGEST/webhooks/...
  api         http://127.0.0.1:$POSTRIDER_PORT_API/api   to read: http://127.0.0.1:$POSTRIDER_PORT_API/api/docs
  login       $DEMO_EMAIL   password $(stack_secret demo_password)
  stream      ws://127.0.0.1:$POSTRIDER_PORT_STREAM/v1/stream
  providers   http://127.0.0.1:$POSTRIDER_PORT_SIMULATOR/<provider>/...   what was sent: /_sim/ledger
  PostgreSQL  127.0.0.1:$POSTRIDER_PORT_POSTGRES   Kafka 127.0.0.1:$POSTRIDER_PORT_KAFKA
  metrics     ingest :$POSTRIDER_PORT_INGEST_ADMIN, router :$POSTRIDER_PORT_ROUTER_ADMIN, sender :$POSTRIDER_PORT_SENDER_ADMIN, notifier :$POSTRIDER_PORT_NOTIFIER_ADMIN, api :$POSTRIDER_PORT_API_ADMIN, each at /metrics
  names, secrets and a token for your shell:   eval "\$(./dev env)"

END
}

# In the foreground: one line per event, until Ctrl-C; then everything ends.
stack_watch() {
    local watch='' part gone=' '
    trap 'stack_watch_end "$watch"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    say "Each line is one event, from webhook to websocket. Ctrl-C ends everything."
    (
        # The names of `./dev env` alone: some stand there as files, and a secret given twice is refused.
        for part in "${SECRETS[@]}"; do unset "POSTRIDER_${part^^}"; done
        . "$STATE/env"
        exec "$POSTRIDER" watch </dev/null 9>&-
    ) &
    watch=$!
    while kill -0 "$watch" 2>/dev/null; do
        if [ -z "$(stack_running)" ]; then
            say "The stack was stopped by another ./dev down."
            exit 0
        fi
        for part in "${PARTS[@]}"; do
            if [[ $gone != *" $part "* ]] && ! process_pid "$part" >/dev/null; then
                gone+="$part "
                warn "$part has ended; its log: $STATE/$part.log"
            fi
        done
        sleep 1 &
        wait $! || true
    done
    wait "$watch" || die "postrider watch ended by itself with status $?" "Its messages are above."
}

stack_watch_end() {
    local status=$?
    trap - EXIT ERR
    trap '' INT TERM HUP # a second Ctrl-C must not leave half of it running
    [ -z "$1" ] || kill -TERM "$1" 2>/dev/null || true
    wait 2>/dev/null || true
    stack_down
    [ "$status" != 130 ] || status=0
    exit "$status"
}

stack_down() {
    local i part running
    running=$(stack_running | paste -sd' ')
    for ((i = ${#PARTS[@]} - 1; i >= 0; i--)); do
        part=${PARTS[i]}
        case $part in
        kafka) process_stop kafka 30 ;;
        postgres) process_stop postgres 30 INT ;;
        *) process_stop "$part" 15 ;;
        esac
    done
    rm -f "$STATE/env"
    if [ -n "$running" ]; then say "stopped: $running"; else say "nothing was running"; fi
}

# Forget the demo's data; jars, build and Python packages stay.
stack_wipe() {
    local folder
    folder=$(cat "$STATE/run/postgres.folder" 2>/dev/null) || folder=$STATE/postgres
    rm -rf "$folder" "$STATE/postgres" "$STATE/kafka" "${STATE:?}/media" "$STATE/secrets" "$STATE/run"
    rm -f "$STATE"/*.log "$STATE"/*.log.old
    say "the demo's data is gone"
}

stack_env() {
    { [ -s "$STATE/env" ] && process_pid kafka >/dev/null; } ||
        die "nothing is up (state folder $STATE)" "Start it: ./dev up -d"
    cat "$STATE/env"
}

stack_logs() {
    local files=() part
    for part in "${PARTS[@]}"; do
        [ -n "${1:-}" ] && [ "$part" != "$1" ] && continue
        [ -e "$STATE/$part.log" ] && files+=("$STATE/$part.log")
    done
    [ ${#files[@]} -gt 0 ] || die "there is no log of '${1:-any part}' in $STATE" "Parts: ${PARTS[*]}"
    exec tail -n 40 -F "${files[@]}"
}
