/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile, Telegram and X: each error that they document has the outcome that the reference gives
 * it, and texts are measured as each network does. */
#include <string.h>

#include "golden/send.h"
#include "test.h"

#define ARENA_MAX ((size_t)4 << 20)

/* What the reference says of an error. */
struct row {
    int status;
    const char *name;
    enum outcome outcome;
    enum send_scope scope;
};

static struct judgement judge(struct arena *a, const char *provider, enum send_kind kind,
                              int status, const char *body)
{
    struct send_account account = {.external_id = STR("1"), .token = SEND_TOKEN};
    struct send_message message = {.kind = kind, .to = STR("5"), .text = STR("Hi")};
    struct send_progress progress = {.n = 0};
    struct send_call call = {&account, &message, &progress, true};
    struct send_reply reply = {.status = status, .body = str_of(body), .attempt = 1};
    struct judgement j = {0};
    provider_find(str_of(provider))->judge(a, &call, &reply, &j);
    check_judgement(&j);
    return j;
}

static void check_rows(const char *provider, const char *before, const struct row *rows, size_t n)
{
    auto_arena a = arena_new(ARENA_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *body = str_c(a, str_fmt(a, "%s\"%s\"}", before, rows[i].name));
        struct judgement j = judge(a, provider, SEND_TEXT, rows[i].status, body);
        if (j.outcome != rows[i].outcome || j.scope != rows[i].scope)
            fail_msg("%s %d %s: %s of %s", provider, rows[i].status, rows[i].name,
                     outcome_name(j.outcome), send_scope_name(j.scope));
        // A read mark makes no message: nothing about it is ambiguous.
        j = judge(a, provider, SEND_READ, rows[i].status, body);
        enum outcome want = rows[i].outcome == OUTCOME_AMBIGUOUS ? OUTCOME_RETRY : rows[i].outcome;
        assert_int_equal(j.outcome, want);
    }
}

// clang-format off
#define AUTH      OUTCOME_AUTH, SEND_SCOPE_ACCOUNT
#define AUTH_APP  OUTCOME_AUTH, SEND_SCOPE_APP
#define PERMANENT OUTCOME_PERMANENT, SEND_SCOPE_NONE
#define RETRY     OUTCOME_RETRY, SEND_SCOPE_NONE
#define RATE      OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT
#define RATE_PAIR OUTCOME_RATE_LIMITED, SEND_SCOPE_PAIR
#define RATE_APP  OUTCOME_RATE_LIMITED, SEND_SCOPE_APP
#define AMBIGUOUS OUTCOME_AMBIGUOUS, SEND_SCOPE_NONE
#define WINDOW    OUTCOME_WINDOW, SEND_SCOPE_NONE

static const struct row unipile_rows[] = {
    {401, "missing_credentials", AUTH_APP}, {401, "insufficient_privileges", AUTH_APP},
    {401, "disconnected_account", AUTH}, {401, "disconnected_feature", AUTH},
    {401, "invalid_credentials", AUTH}, {401, "expired_credentials", AUTH},
    {401, "multiple_sessions", AUTH}, {401, "wrong_account", AUTH},
    {401, "checkpoint_error", AUTH}, {401, "invalid_checkpoint_solution", AUTH},
    {401, "captcha_not_supported", AUTH}, {401, "expired_link", AUTH},
    {401, "invalid_proxy_credentials", AUTH}, {401, "invalid_imap_configuration", AUTH},
    {401, "invalid_smtp_configuration", AUTH},
    {401, "invalid_credentials_but_valid_account_imap", AUTH},
    {403, "account_restricted", AUTH}, {403, "account_mismatch", AUTH},
    {403, "session_mismatch", AUTH}, {403, "unknown_authentication_context", AUTH},
    {403, "action_required", AUTH},
    {403, "insufficient_permissions", PERMANENT}, {403, "feature_not_subscribed", PERMANENT},
    {403, "subscription_required", PERMANENT}, {403, "resource_access_restricted", PERMANENT},
    {404, "resource_not_found", PERMANENT}, {404, "invalid_resource_identifier", PERMANENT},
    {400, "invalid_parameters", PERMANENT},
    {422, "invalid_recipient", PERMANENT}, {422, "no_connection_with_recipient", PERMANENT},
    {422, "blocked_recipient", PERMANENT}, {422, "user_unreachable", PERMANENT},
    {422, "invalid_message", PERMANENT}, {422, "unprocessable_entity", PERMANENT},
    {422, "cant_send_message", PERMANENT}, {422, "not_allowed_inmail", PERMANENT},
    {422, "insufficient_credits", PERMANENT}, {422, "recipient_rejected", PERMANENT},
    {422, "sender_rejected", PERMANENT}, {422, "parent_mail_not_found", PERMANENT},
    {422, "invalid_thread", PERMANENT}, {422, "invalid_headers", PERMANENT},
    {422, "invalid_reply_subject", PERMANENT}, {422, "send_as_denied", PERMANENT},
    {422, "invalid_folder", PERMANENT}, {422, "action_already_performed", PERMANENT},
    {422, "limit_too_high", PERMANENT}, {422, "unauthorized", PERMANENT},
    {422, "cannot_invite_attendee", PERMANENT}, {422, "already_invited_recently", PERMANENT},
    {422, "invalid_account", AUTH}, {422, "account_configuration_error", AUTH},
    {422, "cannot_resend_yet", RATE}, {422, "cannot_resend_within_24hrs", RATE},
    {422, "limit_exceeded", RATE}, {429, "too_many_requests", RATE},
    {422, "provider_unreachable", RETRY}, {422, "ip_rejected_by_server", RETRY},
    {422, "realtime_client_not_initialized", RETRY},
    {500, "unexpected_error", AMBIGUOUS}, {500, "provider_error", AMBIGUOUS},
    {500, "authentication_intent_error", AMBIGUOUS}, {501, "feature_not_implemented", PERMANENT},
    {503, "no_client_session", RETRY}, {503, "no_channel", RETRY}, {503, "no_handler", RETRY},
    {503, "network_down", RETRY}, {503, "service_unavailable", RETRY},
    {504, "request_timeout", AMBIGUOUS},
    // Names of tomorrow: by the status.
    {400, "new", PERMANENT}, {401, "new", AUTH}, {403, "new", AUTH}, {404, "new", PERMANENT},
    {408, "new", AMBIGUOUS}, {422, "new", PERMANENT}, {429, "new", RATE}, {500, "new", AMBIGUOUS},
    {501, "new", PERMANENT}, {502, "new", AMBIGUOUS}, {503, "new", RETRY}, {504, "new", AMBIGUOUS},
};

static const struct row telegram_rows[] = {
    {429, "Too Many Requests: retry after 5", RATE_PAIR},
    {401, "Unauthorized", AUTH}, {404, "Not Found", AUTH}, {409, "Conflict: terminated", AUTH},
    {403, "Forbidden: bot was blocked by the user", PERMANENT},
    {403, "Forbidden: user is deactivated", PERMANENT},
    {403, "Forbidden: bot was kicked from the supergroup chat", PERMANENT},
    {403, "Forbidden: bot is not a member of the channel chat", PERMANENT},
    {403, "Forbidden: the group chat was deleted", PERMANENT},
    {403, "Forbidden: bot can't initiate conversation with a user", PERMANENT},
    {403, "Forbidden: bot can't send messages to bots", PERMANENT},
    {403, "Forbidden: BUSINESS_PEER_USAGE_MISSING", WINDOW},
    {403, "Forbidden: something new", PERMANENT},
    {400, "Bad Request: BUSINESS_PEER_USAGE_MISSING", WINDOW},
    {400, "Bad Request: BUSINESS_CONNECTION_INVALID", PERMANENT},
    {400, "Bad Request: chat not found", PERMANENT},
    {400, "[Error]: Bad Request: user not found", PERMANENT},
    {400, "Bad Request: PEER_ID_INVALID", PERMANENT},
    {400, "Bad Request: message is too long", PERMANENT},
    {400, "Bad Request: message caption is too long", PERMANENT},
    {400, "Bad Request: message text is empty", PERMANENT},
    {400, "Bad Request: failed to get HTTP URL content", RETRY},
    {400, "Bad Request: wrong file identifier/HTTP URL specified", PERMANENT},
    {400, "Bad Request: wrong type of the web page content", PERMANENT},
    {400, "Bad Request: IMAGE_PROCESS_FAILED", PERMANENT},
    {400, "Bad Request: not enough rights to send photos to the chat", PERMANENT},
    {400, "Bad Request: CHAT_SEND_GIFS_FORBIDDEN", PERMANENT},
    {400, "Bad Request: message to be replied not found", PERMANENT},
    {400, "Bad Request: REACTION_INVALID", PERMANENT},
    {400, "Bad Request: BUTTON_DATA_INVALID", PERMANENT},
    {400, "Bad Request: something new", PERMANENT},
    {413, "Request Entity Too Large", PERMANENT},
    {500, "Internal Server Error", AMBIGUOUS}, {502, "Bad Gateway", AMBIGUOUS},
};

static const struct row x_rows[] = {
    {401, "about:blank", AUTH},
    {401, "https://api.twitter.com/2/problems/unsupported-authentication", AUTH},
    {403, "https://api.twitter.com/2/problems/client-forbidden", AUTH_APP},
    {403, "https://api.twitter.com/2/problems/not-authorized-for-resource", AUTH},
    {403, "https://api.twitter.com/2/problems/oauth1-permissions", AUTH},
    {403, "about:blank", PERMANENT},
    {400, "https://api.twitter.com/2/problems/invalid-request", PERMANENT},
    {400, "about:blank", PERMANENT},
    {404, "https://api.twitter.com/2/problems/resource-not-found", PERMANENT},
    {404, "about:blank", PERMANENT},
    {429, "https://api.twitter.com/2/problems/rate-limit-exceeded", RATE},
    {429, "about:blank", RATE},
    {429, "https://api.twitter.com/2/problems/usage-capped", RATE_APP},
    {500, "about:blank", AMBIGUOUS}, {502, "about:blank", AMBIGUOUS},
    {503, "about:blank", AMBIGUOUS}, {504, "about:blank", AMBIGUOUS},
};
// clang-format on

static void unipile_errors_are_judged_by_their_type(void **state)
{
    (void)state;
    check_rows("unipile", "{\"title\":\"t\",\"type\":", unipile_rows, ARRAY_LEN(unipile_rows));
}

static void telegram_errors_are_judged_by_their_description(void **state)
{
    (void)state;
    check_rows("telegram", "{\"ok\":false,\"description\":", telegram_rows,
               ARRAY_LEN(telegram_rows));
}

static void x_errors_are_judged_by_their_type(void **state)
{
    (void)state;
    check_rows("x", "{\"title\":\"t\",\"type\":", x_rows, ARRAY_LEN(x_rows));
}

/* --- total ------------------------------------------------------------------------------------ */

static void every_answer_has_a_judgement(void **state)
{
    (void)state;
    static const char *const providers[] = {"unipile", "telegram", "x"};
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"errors\":[1]}",
        "{\"type\":7,\"description\":{}}",
        "{\"detail\":\"it was secret-token\",\"description\":\"it was secret-token\"}"};
    static const int statuses[] = {0, 100, 200, 201, 204, 301, 400, 401, 403, 404, 429, 500, 999};
    for (size_t p = 0; p < ARRAY_LEN(providers); p++) {
        for (size_t b = 0; b < ARRAY_LEN(bodies); b++) {
            for (size_t s = 0; s < ARRAY_LEN(statuses); s++) {
                auto_arena a = arena_new(ARENA_MAX);
                struct judgement j = judge(a, providers[p], SEND_TEXT, statuses[s], bodies[b]);
                assert_int_not_equal(j.outcome, OUTCOME_SENT);
                assert_true(j.outcome != OUTCOME_NEXT);
            }
        }
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

/* `n` times `unit`. */
static struct str repeated(struct arena *a, const char *unit, size_t n)
{
    size_t len = strlen(unit);
    char *text = arena_alloc(a, n * len);
    for (size_t i = 0; i < n * len; i++)
        text[i] = unit[i % len];
    return (struct str){text, n * len};
}

static bool takes(const char *provider, const char *to, const char *unit, size_t n, bool is_caption)
{
    auto_arena a = arena_new(ARENA_MAX);
    struct send_account account = {.external_id = STR("1"), .token = SEND_TOKEN};
    struct send_message m = {.kind = is_caption ? SEND_MEDIA : SEND_TEXT, .to = str_of(to)};
    struct send_progress progress = {.n = 0};
    struct send_call call = {&account, &m, &progress, true};
    struct send_request r;
    struct err err = {0};
    m.text = repeated(a, unit, n);
    m.media[0] = (struct send_media){.type = STR("image"), .url = STR("https://m.example/a")};
    m.n_media = is_caption;
    bool ok = provider_find(str_of(provider))->build(a, &call, &r, &err);
    assert_true(ok || err.kind == ERR_INVALID);
    return ok;
}

static void texts_are_measured_as_the_network_does(void **state)
{
    (void)state;
    // Telegram counts UTF-16 units: an emoji is two.
    assert_true(takes("telegram", "5", "x", 4096, false));
    assert_false(takes("telegram", "5", "x", 4097, false));
    assert_true(takes("telegram", "5", "\xC3\xA9", 4096, false));
    assert_true(takes("telegram", "5", "\xF0\x9F\x91\x8D", 2048, false));
    assert_false(takes("telegram", "5", "\xF0\x9F\x91\x8D", 2049, false));
    assert_true(takes("telegram", "5", "x", 1024, true));
    assert_false(takes("telegram", "5", "x", 1025, true));
    // X counts characters.
    assert_true(takes("x", "5", "\xF0\x9F\x91\x8D", 10000, false));
    assert_false(takes("x", "5", "x", 10001, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unipile_errors_are_judged_by_their_type),
        cmocka_unit_test(telegram_errors_are_judged_by_their_description),
        cmocka_unit_test(x_errors_are_judged_by_their_type),
        cmocka_unit_test(every_answer_has_a_judgement),
        cmocka_unit_test(texts_are_measured_as_the_network_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
