/* SPDX-License-Identifier: Apache-2.0 */
/* What is simulated is what the providers' own parsers read: kind, ids, texts and times of each
 * event come back as the ledger has them. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "provider.h"
#include "test.h"
#include "webhooks.h"

#define EVENTS 3000

static const char tenant[] = "01890a5d-ac96-774b-bcce-b302099a8057";

static struct sim_account accounts[] = {
    {&sim_unipile, {"acc-whatsapp", 12}, {"WHATSAPP", 8}},
    {&sim_unipile, {"acc-instagram", 13}, {"INSTAGRAM", 9}},
    {&sim_instagram, {"17841400000000001", 17}, {"instagram", 9}},
    {&sim_instagram, {"17841400000000002", 17}, {"instagram", 9}},
    {&sim_messenger, {"100000000000201", 15}, {"page", 4}},
    {&sim_messenger, {"100000000000202", 15}, {"page", 4}},
    {&sim_whatsapp, {"300000000000501", 15}, {"whatsapp_business_account", 25}},
    {&sim_whatsapp, {"300000000000502", 15}, {"whatsapp_business_account", 25}},
    {&sim_telegram, {"500000601", 9}, {"bot", 3}},
    {&sim_telegram, {"500000602", 9}, {"bot", 3}},
    {&sim_x, {"1500000000000000701", 19}, {"user", 4}},
    {&sim_x, {"1300000000000000702", 19}, {"user", 4}},
};

static struct sim_plan *new_plan(uint64_t seed, const struct sim_account *who, uint32_t n)
{
    struct sim_plan_opts opts = {.seed = seed,
                                 .accounts = who,
                                 .n_accounts = n,
                                 .conversations = 7,
                                 .mix = {4, 3, 2, 2, 2, 2, 1},
                                 .start_at_ms = 1767225600000,
                                 .step_us = 300};
    return sim_plan_new(&opts);
}

struct http {
    struct str proof_name, proof;
};

static struct str header(const void *http, const char *name)
{
    const struct http *h = http;
    return str_ieq(h->proof_name, str_of(name)) ? h->proof : STR_NONE;
}

static struct str query(const void *http, const char *name)
{
    (void)http, (void)name;
    return STR_NONE;
}

/* The header line that proves the body, out of the request's head. */
static struct http proof_of(struct str head)
{
    static const char *const names[] = {"Unipile-Auth", "X-Hub-Signature-256",
                                        "X-Telegram-Bot-Api-Secret-Token",
                                        "x-twitter-webhooks-signature"};
    struct str line;
    while (head.len) {
        struct str name, value;
        str_cut(head, '\n', &line, &head);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (str_cut(line, ':', &name, &value) && str_eq_c(name, names[i]))
                return (struct http){name, str_trim(value)};
    }
    return (struct http){0};
}

static void assert_str(struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("got '%.*s', want '%.*s'", STR_ARG(got), STR_ARG(want));
}

static void assert_event(const struct sim_plan *plan, const struct sim_event *want,
                         const struct event *got)
{
    char room[1024];
    struct buf b = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    const struct sim_account *a = sim_plan_account(plan, want->account);
    bool is_message = want->kind == SIM_MESSAGE || want->kind == SIM_ECHO;
    assert_string_equal(event_kind_name(got->kind), sim_kind_name(want->kind));
    assert_str(got->account, a->id);
    a->provider->conversation_id(&b, plan, want);
    assert_str(got->conversation, buf_str(&b));
    buf_clear(&b);
    a->provider->message_id(&b, plan, want);
    if (want->kind == SIM_READ && a->provider->reads_by_time)
        assert_true(got->watermark_at_ms == want->at_ms);
    else
        assert_str(is_message ? got->external_id : got->target_id, buf_str(&b));
    if (is_message)
        assert_int_equal(got->direction, want->target_is_out ? DIR_OUT : DIR_IN);
    if (is_message || want->kind == SIM_EDITED) {
        buf_clear(&b);
        sim_event_text(&b, want);
        assert_str(got->text, buf_str(&b));
    }
    if (want->kind == SIM_REACTION)
        assert_int_equal(got->text.len == 0, want->removes);
    bool timeless = (a->provider->timeless & SIM_BIT(want->kind)) != 0;
    assert_true(got->at_ms == (timeless ? 0 : want->at_ms));
}

/* Of the events of a body the one that came back as `got`: units come by conversation. Times of one
 * kind differ, but where they are whole seconds. */
static const struct sim_event *find_event(const struct sim_plan *plan,
                                          const struct sim_event *events, size_t n,
                                          const struct event *got)
{
    char room[1024];
    struct buf b = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    if (n == 1)
        return events;
    for (size_t i = 0; i < n; i++) {
        const struct sim_event *e = &events[i];
        if (e->at_ms != got->at_ms ||
            strcmp(sim_kind_name(e->kind), event_kind_name(got->kind)) != 0)
            continue;
        buf_clear(&b);
        sim_plan_account(plan, e->account)->provider->message_id(&b, plan, e);
        struct str id = got->kind == EVENT_MESSAGE ? got->external_id : got->target_id;
        if (!id.len || str_eq(id, buf_str(&b)))
            return e;
    }
    return NULL;
}

/* Digests of the event keys that came back. */
struct keys {
    uint64_t digests[EVENTS];
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Post `n` events as one body and read it back; keys NULL: do not collect. */
static void round_trip(const struct sim_plan *plan, const struct sim_provider *sp,
                       const struct sim_secrets *mine, const struct secrets *theirs,
                       const struct sim_event *events, size_t n, struct keys *keys)
{
    struct buf head, body;
    struct err err = {0};
    auto_arena a = arena_new(16 << 20);
    buf_init(&head, 1 << 16);
    buf_init(&body, 8 << 20);
    sim_request(&head, &body, plan, sp, mine, STR("localhost"), events, n);
    struct http http = proof_of(buf_str(&head));
    struct webhook in = {.body = buf_str(&body), .header = header, .query = query, .http = &http};
    if (sp->app == SIM_APP_NONE) {
        in.tenant_id = str_of(tenant);
        in.path_rest = sim_plan_account(plan, events[0].account)->id;
    }

    const struct provider *p = provider_find(str_of(sp->name));
    assert_non_null(p);
    if (!p->verify(&in, theirs, &err))
        fail_msg("verify: %s", err.msg);
    struct units units = {0};
    if (!p->split(a, &in, &units, &err))
        fail_msg("split: %s", err.msg);
    size_t seen = 0;
    for (size_t u = 0; u < units.n; u++) {
        struct events got = {0};
        if (!p->parse(a, &units.items[u], &got, &err))
            fail_msg("parse: %s", err.msg);
        for (size_t i = 0; i < got.n; i++, seen++) {
            const struct sim_event *want = find_event(plan, events, n, &got.items[i]);
            assert_non_null(want);
            assert_event(plan, want, &got.items[i]);
            if (keys)
                keys->digests[keys->n++] = str_hash(got.items[i].key) ^ sim_mix(want->account);
            if (got.items[i].account_type.len)
                assert_str(got.items[i].account_type, sim_plan_account(plan, want->account)->type);
        }
    }
    assert_int_equal(seen, n);
    buf_done(&head);
    buf_done(&body);
}

static void events_of_each_kind_come_back_from_the_parsers(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct hmac *app = hmac_new(STR("synthetic-app-secret"));
    struct hmac *master = hmac_new(STR("master"));
    struct str derived = webhook_secret(a, master, STR("unipile"), str_of(tenant), STR("1"));
    struct sim_secrets mine = {str_of(tenant), derived, app};
    struct secrets theirs = {.keys = &app, .plain = &derived, .n_keys = 1, .n_plain = 1};
    struct sim_plan *plan = new_plan(7, accounts, ARRAY_LEN(accounts));
    int seen[SIM_KINDS] = {0};
    static struct keys keys;
    for (int i = 0; i < EVENTS; i++) {
        struct sim_event e;
        sim_plan_next(plan, &e);
        seen[e.kind]++;
        round_trip(plan, sim_plan_account(plan, e.account)->provider, &mine, &theirs, &e, 1, &keys);
    }
    for (int k = 0; k < SIM_KINDS; k++)
        assert_true(seen[k] > 20);
    // Two events of one key would be one to a router.
    qsort(keys.digests, keys.n, sizeof keys.digests[0], by_value);
    assert_int_equal(keys.n, EVENTS);
    for (size_t i = 1; i < keys.n; i++)
        assert_true(keys.digests[i - 1] != keys.digests[i]);
    sim_plan_free(plan);
    hmac_free(app);
    hmac_free(master);
}

static void a_batch_of_accounts_comes_back_whole(void **state)
{
    (void)state;
    struct hmac *app = hmac_new(STR("synthetic-app-secret"));
    struct sim_secrets mine = {.app = app};
    struct secrets theirs = {.keys = &app, .n_keys = 1};
    static struct sim_event events[1000];
    // Two accounts each of Instagram, Messenger and WhatsApp.
    for (size_t first = 2; first <= 6; first += 2) {
        struct sim_plan_opts opts = {.seed = 3,
                                     .accounts = accounts + first,
                                     .n_accounts = 2,
                                     .conversations = 5,
                                     .mix = {4, 3, 2, 2, 2, 2, 1},
                                     .start_at_ms = 1767225600000,
                                     .step_us = 2000};
        struct sim_plan *plan = sim_plan_new(&opts);
        for (size_t n = 2; n <= 1000; n *= 7) {
            for (size_t i = 0; i < n; i++)
                sim_plan_next(plan, &events[i]);
            round_trip(plan, accounts[first].provider, &mine, &theirs, events, n, NULL);
        }
        sim_plan_free(plan);
    }
    hmac_free(app);
}

static void nothing_happens_that_a_provider_does_not_have(void **state)
{
    (void)state;
    struct sim_plan *plan = new_plan(5, accounts, ARRAY_LEN(accounts));
    for (int i = 0; i < 20 * EVENTS; i++) {
        struct sim_event e;
        sim_plan_next(plan, &e);
        const struct sim_provider *p = sim_plan_account(plan, e.account)->provider;
        assert_true((p->kinds(e.conversation) & SIM_BIT(e.kind)) != 0);
        assert_true(e.at_ms % p->tick_ms == 0);
    }
    sim_plan_free(plan);
}

static void a_wrong_secret_is_refused(void **state)
{
    (void)state;
    struct hmac *right = hmac_new(STR("right")), *wrong = hmac_new(STR("wrong"));
    struct sim_secrets mine = {.app = wrong};
    struct sim_plan *plan = new_plan(1, accounts + 2, 2);
    struct sim_event e;
    struct buf head, body;
    struct err err = {0};
    buf_init(&head, 1 << 16);
    buf_init(&body, 1 << 16);
    sim_plan_next(plan, &e);
    sim_request(&head, &body, plan, &sim_instagram, &mine, STR("localhost"), &e, 1);
    struct http http = proof_of(buf_str(&head));
    struct webhook in = {.body = buf_str(&body), .header = header, .query = query, .http = &http};
    struct secrets theirs = {.keys = &right, .n_keys = 1};
    assert_false(provider_find(STR("instagram"))->verify(&in, &theirs, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    buf_done(&head);
    buf_done(&body);
    sim_plan_free(plan);
    hmac_free(right);
    hmac_free(wrong);
}

static void the_signature_is_that_of_a_known_vector(void **state)
{
    (void)state;
    struct hmac *app = hmac_new(STR("synthetic-app-secret"));
    struct sim_secrets s = {.app = app};
    struct buf out;
    buf_init(&out, 4096);
    sim_instagram.proof(&out, &s, STR("{\"text\":\"\\u00e5\"}"));
    assert_str(proof_of(buf_str(&out)).proof,
               STR("sha256=61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16"));
    buf_done(&out);
    hmac_free(app);
}

static void text_is_escaped_as_the_providers_do(void **state)
{
    (void)state;
    static const struct {
        const char *text, *utf8, *ascii;
    } cases[] = {
        {"a\"b\\c\n", "a\\\"b\\\\c\\n", "a\\\"b\\\\c\\n"},
        {"é", "é", "\\u00e9"},
        {"シ", "シ", "\\u30b7"},
        {"x🙏y", "x🙏y", "x\\ud83d\\ude4fy"},
        {"", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 256);
        sim_put_json(&out, str_of(cases[i].text), false);
        assert_str(buf_str(&out), str_of(cases[i].utf8));
        buf_clear(&out);
        sim_put_json(&out, str_of(cases[i].text), true);
        assert_str(buf_str(&out), str_of(cases[i].ascii));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_each_kind_come_back_from_the_parsers),
        cmocka_unit_test(a_batch_of_accounts_comes_back_whole),
        cmocka_unit_test(nothing_happens_that_a_provider_does_not_have),
        cmocka_unit_test(a_wrong_secret_is_refused),
        cmocka_unit_test(the_signature_is_that_of_a_known_vector),
        cmocka_unit_test(text_is_escaped_as_the_providers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
