/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of Graph's codes against a list made of the documentation alone, limits at their very
 * edge, and what golden files cannot say. */
#include <string.h>

#include "meta_send.h"
#include "provider.h"
#include "test.h"

struct row {
    int64_t code, subcode;
    enum outcome outcome;
    enum send_scope scope;
};

#define R OUTCOME_RETRY
#define L OUTCOME_RATE_LIMITED
#define A OUTCOME_AUTH
#define W OUTCOME_WINDOW
#define P OUTCOME_PERMANENT

#define NONE    SEND_SCOPE_NONE
#define PAIR    SEND_SCOPE_PAIR
#define ACCOUNT SEND_SCOPE_ACCOUNT
#define APP     SEND_SCOPE_APP

static const struct row messaging_rows[] = {
    {1, 0, R, NONE},           {2, 0, R, NONE},         {2, 1545133, R, NONE},
    {1, 1357046, R, NONE},     {4, 0, L, APP},          {4, 2018354, L, APP},
    {17, 0, L, ACCOUNT},       {32, 0, L, ACCOUNT},     {341, 0, L, APP},
    {613, 0, L, ACCOUNT},      {80001, 0, L, ACCOUNT},  {80002, 0, L, ACCOUNT},
    {80006, 0, L, ACCOUNT},    {80007, 0, L, ACCOUNT},  {9, 2018352, L, ACCOUNT},
    {102, 0, A, ACCOUNT},      {190, 0, A, ACCOUNT},    {190, 458, A, ACCOUNT},
    {190, 459, A, ACCOUNT},    {190, 460, A, ACCOUNT},  {190, 463, A, ACCOUNT},
    {190, 464, A, ACCOUNT},    {190, 467, A, ACCOUNT},  {3, 0, A, APP},
    {10, 0, A, ACCOUNT},       {10, 2018278, W, NONE},  {10, 2534022, W, NONE},
    {200, 0, A, ACCOUNT},      {230, 0, A, ACCOUNT},    {299, 0, A, ACCOUNT},
    {368, 0, A, ACCOUNT},      {100, 0, P, NONE},       {100, 33, P, NONE},
    {100, 2018001, P, NONE},   {506, 0, P, NONE},       {551, 0, P, NONE},
    {551, 1545041, P, NONE},   {36000, 0, P, NONE},     {100, 2534014, P, NONE},
    {100, 2534001, P, NONE},   {100, 2534025, P, NONE}, {100, 2534013, L, ACCOUNT},
    {12345, 2534014, P, NONE},
};

static const struct row whatsapp_rows[] = {
    {0, 0, A, ACCOUNT},      {3, 0, A, ACCOUNT},      {10, 0, A, ACCOUNT},
    {190, 0, A, ACCOUNT},    {200, 0, A, ACCOUNT},    {299, 0, A, ACCOUNT},
    {131005, 0, A, ACCOUNT}, {133010, 0, A, ACCOUNT}, {131031, 0, A, ACCOUNT},
    {131045, 0, A, ACCOUNT}, {131037, 0, A, ACCOUNT}, {368, 0, A, ACCOUNT},
    {131042, 0, A, ACCOUNT}, {4, 0, L, APP},          {80007, 0, L, ACCOUNT},
    {613, 0, L, ACCOUNT},    {130429, 0, L, ACCOUNT}, {131048, 0, L, ACCOUNT},
    {131056, 0, L, PAIR},    {131064, 0, L, ACCOUNT}, {133016, 0, L, ACCOUNT},
    {131047, 0, W, NONE},    {470, 0, W, NONE},       {131000, 0, R, NONE},
    {131016, 0, R, NONE},    {131057, 0, R, NONE},    {1, 0, R, NONE},
    {2, 0, R, NONE},         {135000, 0, R, NONE},    {131053, 0, R, NONE},
    {131052, 0, R, NONE},    {131026, 0, P, NONE},    {131049, 0, P, NONE},
    {131050, 0, P, NONE},    {131008, 0, P, NONE},    {131009, 0, P, NONE},
    {100, 0, P, NONE},       {33, 0, P, NONE},        {131021, 0, P, NONE},
    {131030, 0, P, NONE},    {131051, 0, P, NONE},    {131062, 0, P, NONE},
    {131063, 0, P, NONE},    {130472, 0, P, NONE},    {130497, 0, P, NONE},
    {130501, 0, P, NONE},    {131044, 0, P, NONE},    {132000, 0, P, NONE},
    {132001, 0, P, NONE},    {132005, 0, P, NONE},    {132007, 0, P, NONE},
    {132008, 0, P, NONE},    {132012, 0, P, NONE},    {132015, 0, P, NONE},
    {132016, 0, P, NONE},    {132068, 0, P, NONE},    {132069, 0, P, NONE},
    {137000, 0, P, NONE},
};

static const struct send_account account = {.external_id = {"300", 3},
                                            .token = {"secret-token", 12}};
static const struct send_progress nothing;

static void judge(const char *provider, const struct row *row, struct judgement *out,
                  struct arena *a)
{
    const struct send_message m = {.kind = SEND_TEXT, .to = STR("1"), .text = STR("x")};
    struct send_call call = {&account, &m, &nothing, true};
    struct str body = str_fmt(a, "{\"error\":{\"code\":%lld,\"error_subcode\":%lld}}",
                              (long long)row->code, (long long)row->subcode);
    struct send_reply reply = {.status = 400, .body = body, .attempt = 1};
    provider_find(str_of(provider))->judge(a, &call, &reply, out);
}

static void check_rows(const char *provider, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        auto_arena a = arena_new((size_t)1 << 20);
        struct judgement j = {0};
        judge(provider, &rows[i], &j, a);
        if (j.outcome != rows[i].outcome || j.scope != rows[i].scope || !j.reason.len)
            fail_msg("%s: %lld/%lld is %s (%s): %.*s", provider, (long long)rows[i].code,
                     (long long)rows[i].subcode, outcome_name(j.outcome), send_scope_name(j.scope),
                     STR_ARG(j.reason));
    }
}

static void codes_mean_what_is_documented(void **state)
{
    (void)state;
    check_rows("instagram", messaging_rows, ARRAY_LEN(messaging_rows));
    check_rows("messenger", messaging_rows, ARRAY_LEN(messaging_rows));
    check_rows("whatsapp", whatsapp_rows, ARRAY_LEN(whatsapp_rows));
}

static bool is_listed(const struct row *rows, size_t n, int64_t first, int64_t last,
                      int64_t subcode)
{
    for (size_t i = 0; i < n; i++) {
        bool is_code = first == GRAPH_ANY || (rows[i].code >= first && rows[i].code <= last);
        if (is_code && (subcode == GRAPH_ANY || rows[i].subcode == subcode))
            return true;
    }
    return false;
}

static void no_row_is_untested(void **state)
{
    (void)state;
    for (size_t i = 0; i < graph_codes_common.n; i++) {
        const struct graph_code *r = &graph_codes_common.rows[i];
        assert_true(
            is_listed(messaging_rows, ARRAY_LEN(messaging_rows), r->first, r->last, r->subcode));
    }
    for (size_t i = 0; i < graph_codes_whatsapp.n; i++) {
        const struct graph_code *r = &graph_codes_whatsapp.rows[i];
        for (int64_t code = r->first; code <= r->last; code++)
            assert_true(is_listed(whatsapp_rows, ARRAY_LEN(whatsapp_rows), code, code, r->subcode));
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

/* `n` times the letter, which may have several bytes. */
static struct str repeated(struct arena *a, const char *letter, size_t n)
{
    size_t len = strlen(letter);
    char *text = arena_alloc(a, n * len + 1);
    for (size_t i = 0; i < n * len; i++)
        text[i] = letter[i % len];
    return (struct str){text, n * len};
}

static bool builds(struct arena *a, const char *provider, const struct send_message *m,
                   struct err *err)
{
    struct send_call call = {&account, m, &nothing, false};
    struct send_request r = {0};
    *err = (struct err){0};
    return provider_find(str_of(provider))->build(a, &call, &r, err);
}

static void texts_fit_to_the_last_letter(void **state)
{
    (void)state;
    static const struct {
        const char *provider, *letter;
        size_t max;
    } limits[] = {
        {"instagram", "a", 1000},
        {"instagram", "\xC3\xA9", 500},
        {"messenger", "a", 2000},
        {"messenger", "\xC3\xA9", 2000},
        {"messenger", "\xF0\x9F\x8C\x8D", 2000},
        {"whatsapp", "\xC3\xA9", 4096},
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        auto_arena a = arena_new((size_t)4 << 20);
        struct err err = {0};
        struct send_message m = {.kind = SEND_TEXT, .to = STR("1")};
        m.text = repeated(a, limits[i].letter, limits[i].max);
        assert_true(builds(a, limits[i].provider, &m, &err));
        m.text = repeated(a, limits[i].letter, limits[i].max + 1);
        assert_false(builds(a, limits[i].provider, &m, &err));
        assert_int_equal(err.kind, ERR_INVALID);
        assert_non_null(strstr(err.msg, "shorten it"));
    }
}

static void every_kind_is_built_or_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const providers[] = {"instagram", "messenger", "whatsapp"};
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        for (int k = 0; k <= SEND_KINDS; k++) {
            auto_arena a = arena_new((size_t)1 << 20);
            struct err err = {0};
            struct send_message m = {.kind = (enum send_kind)k, .to = STR("1")};
            if (!builds(a, providers[i], &m, &err))
                assert_true(err.kind == ERR_INVALID && err.msg[0]);
        }
    }
}

/* --- secrets ---------------------------------------------------------------------------------- */

static void a_token_is_scrubbed_and_wiped(void **state)
{
    (void)state;
    auto_arena a = arena_new((size_t)1 << 20);
    struct str clean = send_scrub(a, STR("is tok, and tok"), STR("tok"));
    assert_true(str_eq_c(clean, "is ***, and ***"));
    assert_true(str_eq_c(send_scrub(a, STR("a*b"), STR("*")), "***"));
    assert_true(str_eq_c(send_scrub(a, STR("text"), STR_NONE), "text"));

    struct err err = {0};
    struct send_request r = {0};
    const struct send_message m = {.kind = SEND_TYPING, .to = STR("1")};
    struct send_call call = {&account, &m, &nothing, false};
    assert_true(provider_find(STR("messenger"))->build(a, &call, &r, &err));
    assert_true(r.headers[0].is_secret);
    assert_true(str_eq_c(r.headers[0].value, "Bearer secret-token"));
    send_request_wipe(&r);
    assert_int_equal(r.headers[0].value.ptr[7], 0);
    assert_true(str_eq_c(account.token, "secret-token"));
}

static void an_expired_token_is_told_from_a_withdrawn_one(void **state)
{
    (void)state;
    auto_arena a = arena_new((size_t)1 << 20);
    struct judgement j = {0};
    judge("instagram", &(struct row){190, 463, A, ACCOUNT}, &j, a);
    assert_true(j.is_expired);
    judge("instagram", &(struct row){190, 460, A, ACCOUNT}, &j, a);
    assert_false(j.is_expired);
    judge("whatsapp", &(struct row){10, 463, A, ACCOUNT}, &j, a);
    assert_false(j.is_expired);
}

static void a_webhook_is_delivered_where_ingest_listens(void **state)
{
    (void)state;
    static const struct {
        const char *provider, *url;
    } rows[] = {
        {"unipile", "https://gateway.example/webhooks/unipile/TENANT"},
        {"telegram", "https://gateway.example/webhooks/telegram/TENANT/300"},
        {"instagram", "https://gateway.example/webhooks/instagram"},
        {"x", "https://gateway.example/webhooks/x"},
    };
    auto_arena a = arena_new((size_t)1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct provider *p = provider_find(str_of(rows[i].provider));
        struct str url =
            provider_webhook_url(a, p, STR("https://gateway.example"), STR("TENANT"), STR("300"));
        assert_true(str_eq_c(url, rows[i].url));
        assert_int_equal(p->secret_header != NULL, p->scope == SCOPE_TENANT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_mean_what_is_documented),
        cmocka_unit_test(an_expired_token_is_told_from_a_withdrawn_one),
        cmocka_unit_test(a_webhook_is_delivered_where_ingest_listens),
        cmocka_unit_test(no_row_is_untested),
        cmocka_unit_test(texts_fit_to_the_last_letter),
        cmocka_unit_test(every_kind_is_built_or_refused_with_a_sentence),
        cmocka_unit_test(a_token_is_scrubbed_and_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
