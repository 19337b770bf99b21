# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The demo's tenant: a user who logs in, two channels whose providers are simulated, and traffic. All of
# it is made through the api, as a tenant would.

DEMO_EMAIL=demo@example.com
DEMO_UNIPILE=demo-whatsapp
DEMO_INSTAGRAM=17841400000000001
# The simulated providers know a token by its beginning, and whose it is by the digits behind it.
DEMO_UNIPILE_KEY=sim-demo-unipile
DEMO_INSTAGRAM_TOKEN=sim-$DEMO_INSTAGRAM

demo_new_password() { head -c 64 /dev/urandom | base64 | tr -d '+/=\nIl1O0o' | cut -c1-12 | tr -d '\n'; }

# demo_call METHOD PATH [BODY]: sets DEMO_STATUS and DEMO_ANSWER. What is secret in it stays off the command
# line, where others could read it.
demo_call() {
    local answer
    answer=$(printf '%s' "${3:-}" |
        curl -sS --max-time 30 -X "$1" -w '\n%{http_code}' -H 'Content-Type: application/json' \
            -H @<(printf '%s' "${DEMO_SESSION:+Authorization: Bearer $DEMO_SESSION}") \
            ${3:+--data-binary @-} "http://127.0.0.1:$POSTRIDER_PORT_API$2") ||
        die "the api does not answer" "Its log: $STATE/api.log"
    DEMO_STATUS=${answer##*$'\n'}
    DEMO_ANSWER=${answer%$'\n'*}
}

# demo_field NAME...: a member of the latest answer.
demo_field() {
    printf '%s' "$DEMO_ANSWER" | python3 -c 'import functools, json, sys
print(functools.reduce(lambda at, name: at[name], sys.argv[1:], json.load(sys.stdin)))' "$@"
}

# The latest call had to be answered so.
demo_wants() {
    [ "$DEMO_STATUS" = "$1" ] || die "the api answered $DEMO_STATUS when $2: $DEMO_ANSWER" \
        "Its log: $STATE/api.log. To forget the demo's data: ./dev down --wipe"
}

# Registers at the first start, and logs in at later ones.
demo_log_in() {
    local who
    who="\"email\": \"$DEMO_EMAIL\", \"password\": \"$(stack_secret demo_password)\""
    DEMO_SESSION=
    demo_call POST /api/auth/login "{$who}"
    if [ "$DEMO_STATUS" = 401 ]; then
        demo_call POST /api/auth/register "{$who, \"name\": \"Demo\", \"tenant_name\": \"demo\"}"
        demo_wants 201 "the demo's user was registered"
    else
        demo_wants 200 "the demo's user logged in"
    fi
    DEMO_SESSION=$(demo_field access_token)
    DEMO_TENANT=$(demo_field tenant id)
    DEMO_USER=$(demo_field user id)
}

# The providers' APIs, which report what is sent through them to our ingest.
demo_start_providers() {
    local url=http://127.0.0.1:$POSTRIDER_PORT_SIMULATOR
    process_start providers env "POSTRIDER_INGEST_URL=http://127.0.0.1:$POSTRIDER_PORT_INGEST" \
        "$POSTRIDER" simulate --tenant "$DEMO_TENANT"
    process_wait providers 30 "its API" curl -fsS --max-time 2 "$url/_sim/ready"
    curl -fsS --max-time 5 -X PUT -o /dev/null "$url/_sim/accounts" --data-binary @- <<END ||
{"accounts": [
  {"provider": "unipile", "account": "$DEMO_UNIPILE", "type": "WHATSAPP", "tenant": "$DEMO_TENANT"},
  {"provider": "instagram", "account": "$DEMO_INSTAGRAM", "tenant": "$DEMO_TENANT"}
]}
END
        die "the simulated providers took no accounts" "Its log: $STATE/providers.log"
    step providers "their APIs are simulated at $url"
}

# A channel through UniPile and one of Instagram's own, with what opens them, so that replies go out.
demo_connect() {
    demo_call GET /api/channels
    demo_wants 200 "the channels were listed"
    [[ $DEMO_ANSWER != *"\"$DEMO_UNIPILE\""*"\"$DEMO_INSTAGRAM\""* ]] || return 0
    demo_call POST /api/user/credentials "{\"unipile_api_key\": \"$DEMO_UNIPILE_KEY\",
        \"unipile_api_url\": \"http://127.0.0.1:$POSTRIDER_PORT_SIMULATOR/unipile\"}"
    demo_wants 200 "UniPile's credentials were stored"
    demo_call POST /api/channels/whatsapp/connect "{\"external_account_id\": \"$DEMO_UNIPILE\"}"
    demo_wants 201 "the WhatsApp account was connected"
    demo_call POST '/api/channels/instagram/connect?via=direct' \
        "{\"credentials\": {\"access_token\": \"$DEMO_INSTAGRAM_TOKEN\"}}"
    demo_wants 201 "the Instagram account was connected"
}

# Correctly signed webhooks of the demo's tenant, one a second, until stopped. The seed differs from run
# to run: the same events again would be dropped as the provider's duplicates.
demo_start_traffic() {
    process_start simulator env "POSTRIDER_INGEST_URL=http://127.0.0.1:$POSTRIDER_PORT_INGEST" \
        "$POSTRIDER" simulate webhooks --tenant "$DEMO_TENANT" \
        --account "unipile:$DEMO_UNIPILE:WHATSAPP,instagram:$DEMO_INSTAGRAM" \
        --rate 1 --conversations 12 --seed "$(date +%s)"
    step simulator "posts one signed webhook a second"
}
