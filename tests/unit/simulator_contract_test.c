/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters against the simulated APIs of their providers. Neither knows the other: what an adapter
 * builds is accepted and judged as sent; what is broken is refused, as the provider would, with an
 * error that the adapter takes for what it is; and each fault comes out as what it means. */
#include <dirent.h>
#include <stdio.h>

#include "simulated.h"
#include "test.h"

#define FILE_MAX  ((size_t)1 << 20)
#define CASES_MAX 256
#define CASES_MIN 5
#define STEPS_MAX 32

struct fixture {
    struct simulated *simulated;
    const struct provider *provider;
    const struct sim_api *api;
};

/* --- the messages: those of the golden files that an adapter can build ------------------------ */

static const struct json *read_case(struct arena *a, const char *folder, const char *name)
{
    struct err err = {0};
    FILE *f = fopen(str_c(a, str_fmt(a, "%s/%s", folder, name)), "rb");
    assert_non_null(f);
    char *text = arena_alloc(a, FILE_MAX);
    size_t n = fread(text, 1, FILE_MAX, f);
    (void)fclose(f);
    return json_parse(a, (struct str){text, n}, &err);
}

static bool case_open(struct arena *a, const struct fixture *f, const char *folder,
                      const char *name, struct send_case *c)
{
    const struct json *root = read_case(a, folder, name);
    assert_non_null(root);
    if (json_get(root, "reply") || json_get(root, "discover") || json_get(root, "webhook"))
        return false;
    send_case_read(a, root, c);
    c->progress = (struct send_progress){0};
    c->account.base_url = str_fmt(a, "http://127.0.0.1:%d/%s", f->simulated->port, f->api->name);
    c->account.token = str_fmt(a, "sim-%.*s", STR_ARG(c->account.external_id));
    c->account.api_version = STR_NONE;
    struct send_request r;
    struct err err = {0};
    struct send_call call = {&c->account, &c->message, &c->progress, true};
    return f->provider->build(a, &call, &r, &err);
}

/* Names of the folder's cases, in order. */
static size_t list_cases(struct arena *a, const char *folder, const char **names)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *d;
         dir && (d = readdir(dir));) { // NOLINT(concurrency-mt-unsafe): one thread
        if (strstr(d->d_name, ".in.json") && n < CASES_MAX)
            names[n++] = str_c(a, str_of(d->d_name));
    }
    if (dir)
        (void)closedir(dir);
    return n;
}

/* Steps until one does not say next; `how` breaks the final request. */
static struct judgement run_case(struct arena *a, const struct fixture *f, struct send_case *c,
                                 struct broken how)
{
    struct judgement j = {0};
    struct err err = {0};
    for (int step = 0; step < STEPS_MAX; step++) {
        struct send_request r;
        struct send_call call = {&c->account, &c->message, &c->progress, false};
        if (!f->provider->build(a, &call, &r, &err))
            fail_msg("step %d is not built: %s", step, err.msg);
        call.is_final = r.is_final;
        struct answer *answer = ARENA_NEW(a, struct answer);
        const struct broken whole = {WHOLE, 0};
        struct send_reply reply =
            simulated_call(f->simulated, a, &r, &c->message, r.is_final ? how : whole, answer);
        f->provider->judge(a, &call, &reply, &j);
        if (j.outcome != OUTCOME_NEXT)
            return j;
        assert_false(r.is_final);
        assert_true(send_progress_add(&c->progress, j.ref));
    }
    fail_msg("it does not end");
    return j;
}

typedef void on_case(struct arena *a, const struct fixture *f, struct send_case *c,
                     const char *name);

static int each_case(const struct fixture *f, on_case *then)
{
    auto_arena names_arena = arena_new(1 << 20);
    const char *names[CASES_MAX];
    const char *folder =
        str_c(names_arena, str_fmt(names_arena, "%s/golden/%s/send", TESTS_DIR, f->provider->name));
    size_t n = list_cases(names_arena, folder, names);
    int used = 0;
    for (size_t i = 0; i < n; i++) {
        auto_arena a = arena_new(EXCHANGE_ARENA);
        struct send_case c;
        if (!case_open(a, f, folder, names[i], &c))
            continue;
        then(a, f, &c, names[i]);
        used++;
    }
    return used;
}

/* --- accepted --------------------------------------------------------------------------------- */

static void expect_accepted(struct arena *a, const struct fixture *f, struct send_case *c,
                            const char *name)
{
    const struct sim_sends *sends = f->simulated->server->sends;
    uint64_t before = sim_sends_last(sends);
    const struct send_message *m = &c->message;
    struct judgement j = run_case(a, f, c, (struct broken){WHOLE, 0});
    bool is_of_others = false; // uploaded earlier, and not to us
    for (size_t i = 0; i < m->n_media; i++)
        is_of_others |= m->media[i].ref.len > 0;
    if (is_of_others && j.outcome == OUTCOME_PERMANENT)
        return;
    if (j.outcome != OUTCOME_SENT)
        fail_msg("%s %s: %s, %.*s (%.*s)", f->provider->name, name, outcome_name(j.outcome),
                 STR_ARG(j.code), STR_ARG(j.detail));
    assert_int_equal(sim_sends_last(sends), before + 1);
    const struct sim_sent *row = sim_sends_get(sends, before + 1);
    if (!send_makes_message(m->kind))
        return;
    if (!str_eq(row->send.external_id, j.external_id))
        fail_msg("%s %s: '%.*s' was sent, '%.*s' is judged", f->provider->name, name,
                 STR_ARG(row->send.external_id), STR_ARG(j.external_id));
    if (m->text.len && row->send.text.len)
        assert_true(str_eq(row->send.text, str_utf8(a, m->text)));
}

static void what_an_adapter_builds_is_accepted(void **state)
{
    const struct fixture *f = *state;
    int n = each_case(f, expect_accepted);
    print_message("%s: %d messages accepted\n", f->api->name, n);
    assert_true(n >= CASES_MIN);
}

/* --- refused ---------------------------------------------------------------------------------- */

/* What a provider does without: a request is still good without the field, or with the field as
 * another type, where the provider reads any type as text. */
static const struct {
    const char *provider, *field;
    enum breakage what;
} optional[] = {
    {"unipile", "account_id", WITHOUT_FIELD},
    {"unipile", "quote_id", WITHOUT_FIELD},
    {"unipile", "text", WITHOUT_FIELD},        // beside a file
    {"unipile", "attachments", WITHOUT_FIELD}, // beside a text
    {"unipile", "voice_message", WITHOUT_FIELD},
    {"telegram", "business_connection_id", WITHOUT_FIELD},
    {"telegram", "business_connection_id", WRONG_TYPE},
    {"telegram", "caption", WITHOUT_FIELD},
    {"telegram", "caption", WRONG_TYPE},
    {"telegram", "reaction", WITHOUT_FIELD}, // takes it away
    {"telegram", "reply_markup", WITHOUT_FIELD},
    {"telegram", "reply_parameters", WITHOUT_FIELD},
    {"telegram", "text", WRONG_TYPE}, // what is no text in JSON is taken as it stands
    {"telegram", "title", WRONG_TYPE},
    {"telegram", "address", WRONG_TYPE},
    {"instagram", "reply_to", WITHOUT_FIELD},
    {"messenger", "reply_to", WITHOUT_FIELD},
    {"whatsapp", "recipient_type", WITHOUT_FIELD},
    {"whatsapp", "type", WITHOUT_FIELD}, // then it is text
    {"whatsapp", "context", WITHOUT_FIELD},
    {"whatsapp", "biz_opaque_callback_data", WITHOUT_FIELD},
    {"whatsapp", "typing_indicator", WITHOUT_FIELD}, // then it only marks as read
    {"x", "text", WITHOUT_FIELD},                    // beside a file
    {"x", "attachments", WITHOUT_FIELD},
};

static bool is_optional(const struct fixture *f, struct str field, enum breakage what)
{
    for (size_t i = 0; i < ARRAY_LEN(optional); i++)
        if (str_eq_c(str_of(optional[i].provider), f->api->name) &&
            str_eq_c(field, optional[i].field) && optional[i].what == what)
            return true;
    return false;
}

static int refused;

static void expect_refused(struct arena *a, const struct fixture *f, struct send_case *c,
                           const char *name, struct broken how, struct str field)
{
    uint64_t before = sim_sends_last(f->simulated->server->sends);
    struct judgement j = run_case(a, f, c, how);
    bool is_refused =
        j.outcome == OUTCOME_PERMANENT || (how.what == WRONG_PATH && j.outcome == OUTCOME_AUTH);
    if (is_refused) {
        assert_true(j.reason.len > 0);
        assert_int_equal(sim_sends_last(f->simulated->server->sends), before);
        refused++;
        return;
    }
    if (j.outcome != OUTCOME_SENT || !is_optional(f, field, how.what))
        fail_msg("%s %s: broken in way %d at '%.*s' and %s, %.*s", f->provider->name, name,
                 (int)how.what, STR_ARG(field), outcome_name(j.outcome), STR_ARG(j.detail));
}

static void expect_all_refused(struct arena *a, const struct fixture *f, struct send_case *c,
                               const char *name)
{
    static const enum breakage others[] = {WRONG_CONTENT_TYPE, CUT_BODY, WRONG_PATH};
    struct judgement first = run_case(a, f, c, (struct broken){WHOLE, 0});
    if (first.outcome != OUTCOME_SENT)
        return; // a file of others
    struct send_request r;
    struct err err = {0};
    struct send_call call = {&c->account, &c->message, &c->progress, true};
    assert_true(f->provider->build(a, &call, &r, &err));
    struct str field = STR_NONE;
    size_t n = request_fields(a, &r, SIZE_MAX, &field);
    for (size_t i = 0; i < n; i++) {
        (void)request_fields(a, &r, i, &field);
        expect_refused(a, f, c, name, (struct broken){WITHOUT_FIELD, i}, field);
        expect_refused(a, f, c, name, (struct broken){WRONG_TYPE, i}, field);
        if (str_eq_c(field, "text"))
            expect_refused(a, f, c, name, (struct broken){LONG_TEXT, i}, STR("long text"));
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (r.body_kind != BODY_NONE)
            expect_refused(a, f, c, name, (struct broken){others[i], 0}, STR("all"));
}

static void what_is_broken_is_refused(void **state)
{
    const struct fixture *f = *state;
    refused = 0;
    (void)each_case(f, expect_all_refused);
    print_message("%s: %d broken requests refused\n", f->api->name, refused);
    assert_true(refused >= CASES_MIN);
}

static void expect_auth(struct arena *a, const struct fixture *f, struct send_case *c,
                        const char *name)
{
    static const char *const tokens[] = {"7:nobody", "sim-expired-7", "sim-revoked-7"};
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        c->account.token = str_of(tokens[i]);
        struct judgement j = run_case(a, f, c, (struct broken){WHOLE, 0});
        if (j.outcome != OUTCOME_AUTH)
            fail_msg("%s %s with %s: %s", f->provider->name, name, tokens[i],
                     outcome_name(j.outcome));
    }
}

static void a_bad_token_is_refused_as_such(void **state)
{
    const struct fixture *f = *state;
    assert_true(each_case(f, expect_auth) >= CASES_MIN);
}

/* --- faults ----------------------------------------------------------------------------------- */

#define OUTCOME_BIT(o) (1u << (o))

static const struct {
    const char *rule;
    enum sim_fault fault;
    unsigned outcomes;
    int accepted; /* how many sends the ledger has of it */
} faults[] = {
    {"{\"fault\":\"rate_limit\",\"retry_after\":60,\"count\":1}", SIM_FAULT_RATE_LIMIT,
     OUTCOME_BIT(OUTCOME_RATE_LIMITED), 0},
    {"{\"fault\":\"error\",\"status\":503,\"count\":1}", SIM_FAULT_ERROR,
     OUTCOME_BIT(OUTCOME_RETRY) | OUTCOME_BIT(OUTCOME_AMBIGUOUS), 0},
    {"{\"fault\":\"error\",\"status\":500,\"count\":1}", SIM_FAULT_ERROR,
     OUTCOME_BIT(OUTCOME_RETRY) | OUTCOME_BIT(OUTCOME_AMBIGUOUS), 0},
    {"{\"fault\":\"drop_before\",\"count\":1}", SIM_FAULT_DROP_BEFORE,
     OUTCOME_BIT(OUTCOME_AMBIGUOUS), 0},
    {"{\"fault\":\"drop_after\",\"count\":1}", SIM_FAULT_DROP_AFTER, OUTCOME_BIT(OUTCOME_AMBIGUOUS),
     1},
    {"{\"fault\":\"malformed\",\"count\":1}", SIM_FAULT_MALFORMED, OUTCOME_BIT(OUTCOME_AMBIGUOUS),
     1},
    {"{\"fault\":\"expired\",\"count\":1}", SIM_FAULT_EXPIRED, OUTCOME_BIT(OUTCOME_AUTH), 0},
    {"{\"fault\":\"revoked\",\"count\":1}", SIM_FAULT_REVOKED, OUTCOME_BIT(OUTCOME_AUTH), 0},
    {"{\"fault\":\"window\",\"count\":1}", SIM_FAULT_WINDOW,
     OUTCOME_BIT(OUTCOME_WINDOW) | OUTCOME_BIT(OUTCOME_PERMANENT), 0},
    {"{\"fault\":\"refused\",\"count\":1}", SIM_FAULT_REFUSED, OUTCOME_BIT(OUTCOME_PERMANENT), 0},
    {"{\"fault\":\"slow\",\"ms\":20,\"count\":1}", SIM_FAULT_SLOW, OUTCOME_BIT(OUTCOME_SENT), 1},
};

static void strike(struct arena *a, const struct fixture *f, struct send_case *c, const char *name,
                   size_t i)
{
    struct sim_server *s = f->simulated->server;
    struct err err = {0};
    c->progress = (struct send_progress){0};
    uint64_t before = sim_sends_last(s->sends);
    int64_t struck = s->faults.struck[faults[i].fault];
    assert_true(sim_faults_set(&s->faults, str_fmt(a, "{\"faults\":[%s]}", faults[i].rule), &err));
    struct judgement j = run_case(a, f, c, (struct broken){WHOLE, 0});
    if (!(faults[i].outcomes & OUTCOME_BIT(j.outcome)))
        fail_msg("%s %s with %s: %s", f->provider->name, name, faults[i].rule,
                 outcome_name(j.outcome));
    assert_int_equal(s->faults.struck[faults[i].fault], struck + 1);
    assert_int_equal(sim_sends_last(s->sends), before + (uint64_t)faults[i].accepted);
    if (faults[i].fault == SIM_FAULT_RATE_LIMIT && j.wait_ms != 60000)
        assert_true(j.wait_ms >= 30000); // UniPile names none
}

static void expect_faults(struct arena *a, const struct fixture *f, struct send_case *c,
                          const char *name)
{
    struct err err = {0};
    if (c->message.kind != SEND_TEXT)
        return;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        strike(a, f, c, name, i);
    assert_true(sim_faults_set(&f->simulated->server->faults, STR("{\"faults\":[]}"), &err));
}

static void a_fault_is_judged_as_what_it_is(void **state)
{
    (void)each_case(*state, expect_faults);
}

int main(void)
{
    static const struct CMUnitTest each[] = {
        cmocka_unit_test(what_an_adapter_builds_is_accepted),
        cmocka_unit_test(what_is_broken_is_refused),
        cmocka_unit_test(a_bad_token_is_refused_as_such),
        cmocka_unit_test(a_fault_is_judged_as_what_it_is),
    };
    struct CMUnitTest tests[64] = {0};
    struct fixture fixtures[16];
    struct simulated s;
    size_t n = 0, used = 0;
    simulated_open(&s);
    for (size_t i = 0; sim_apis[i] && used < ARRAY_LEN(fixtures); i++) {
        const struct provider *p = provider_find(str_of(sim_apis[i]->name));
        fixtures[used] = (struct fixture){&s, p, sim_apis[i]};
        for (size_t k = 0; p && k < ARRAY_LEN(each); k++) {
            tests[n] = each[k];
            tests[n++].initial_state = &fixtures[used];
        }
        used++;
    }
    int failed = _cmocka_run_group_tests("adapters and simulated APIs", tests, n, NULL, NULL);
    simulated_close(&s);
    return failed;
}
