/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulated APIs stand on: bodies, faults, rates, the ledger. */
#include "accounts.h"
#include "body.h"
#include "faults.h"
#include "hooks.h"
#include "quota.h"
#include "sends.h"
#include "table.h"
#include "test.h"

#define ALL (SIM_BODY_NONE | SIM_BODY_JSON | SIM_BODY_FORM | SIM_BODY_MULTIPART)

/* --- bodies ----------------------------------------------------------------------------------- */

#define PART "\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhi\r\n"

static const struct {
    const char *type, *body;
    enum sim_body_read want;
    const char *text; /* of the field named text; NULL: there is none */
} bodies[] = {
    {"", "", SIM_READ_OK, NULL},
    {"application/json", "{\"text\":\"hi\"}", SIM_READ_OK, "hi"},
    {"Application/JSON; charset=utf-8", "{\"text\":7}", SIM_READ_OK, "7"},
    {"application/json", "{\"text\":{\"a\":1}}", SIM_READ_OK, "{\"a\":1}"},
    {"application/json", "{\"text\":\"hi\"", SIM_READ_MALFORMED, NULL},
    {"application/json", "", SIM_READ_MALFORMED, NULL},
    {"application/x-www-form-urlencoded", "a=1&text=h%69+you&b", SIM_READ_OK, "hi you"},
    {"application/x-www-form-urlencoded", "text=100%", SIM_READ_MALFORMED, NULL},
    {"application/x-www-form-urlencoded", "text=%zz", SIM_READ_MALFORMED, NULL},
    {"application/x-www-form-urlencoded", "text=%4", SIM_READ_MALFORMED, NULL},
    {"text/plain", "text=hi", SIM_READ_TYPE, NULL},
    {"", "text=hi", SIM_READ_TYPE, NULL},
    {"multipart/form-data; boundary=b", "--b" PART "--b--\r\n", SIM_READ_OK, "hi"},
    {"multipart/form-data; charset=x; boundary=\"b\"", "--b" PART "--b--", SIM_READ_OK, "hi"},
    {"multipart/form-data", "--b" PART "--b--\r\n", SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=c", "--b" PART "--b--\r\n", SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=b", "--b" PART "--b", SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=b", "--b" PART, SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=b", "--b" PART "--b--\r\nmore", SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=b", "--b\r\nX: y\r\n\r\nhi\r\n--b--", SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=b", "--b\r\nno colon\r\n\r\nhi\r\n--b--", SIM_READ_MALFORMED,
     NULL},
    {"multipart/form-data; boundary=b",
     "--b\r\nContent-Disposition: form-data; name=text\r\n\r\n\r\n--b\r\n\r\n--b--\r\n--b--",
     SIM_READ_MALFORMED, NULL},
    {"multipart/form-data; boundary=b", "", SIM_READ_MALFORMED, NULL},
    {"multipart/form-data\"; boundary=b", "--b" PART "--b--\r\n", SIM_READ_TYPE, NULL},
    {"multipart/form-data; boundary=b",
     "--b\r\nContent-Disposition: form-data\"; name=text\r\n\r\nhi\r\n--b--", SIM_READ_OK, "hi"},
    {"multipart/form-data; boundary=", "--" PART "----", SIM_READ_MALFORMED, NULL},
};

static void a_body_is_read_as_what_it_says_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        auto_arena a = arena_new(1 << 20);
        struct sim_body b;
        struct err why = {0};
        enum sim_body_read got =
            sim_body_parse(a, str_of(bodies[i].type), str_of(bodies[i].body), ALL, &b, &why);
        struct str text = got == SIM_READ_OK ? sim_field_text(&b, "text") : STR_NONE;
        if (got != bodies[i].want || !text.ptr != !bodies[i].text ||
            (text.ptr && !str_eq_c(text, bodies[i].text)))
            fail_msg("body %zu: %d, '%.*s', %s", i, (int)got, STR_ARG(text), why.msg);
        if (got != SIM_READ_OK)
            assert_true(why.msg[0]);
    }
}

static void a_part_with_a_filename_is_a_file_and_keeps_every_byte(void **state)
{
    (void)state;
    static const char body[] = "--b\r\ncontent-disposition: form-data; name=\"f\"; "
                               "filename=\"a;b.bin\"\r\nContent-Type: image/png\r\n\r\n"
                               "x\0y\r\n--\r\n-b\r\n\r\n--b--\r\n";
    auto_arena a = arena_new(1 << 20);
    struct sim_body b;
    struct err why = {0};
    assert_int_equal(sim_body_parse(a, STR("multipart/form-data; boundary=b"),
                                    (struct str){body, sizeof body - 1}, ALL, &b, &why),
                     SIM_READ_OK);
    const struct sim_field *f = sim_field(&b, "f");
    if (!f) {
        fail_msg("the file is not found");
        return;
    }
    assert_true(f->is_file);
    assert_true(str_eq_c(f->filename, "a;b.bin") && str_eq_c(f->mime, "image/png"));
    assert_true(str_eq(f->value, ((struct str){"x\0y\r\n--\r\n-b\r\n", 13})));
    assert_false(sim_field_text(&b, "f").ptr); // a file is no text
}

static void more_fields_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct buf body;
    struct sim_body b;
    struct err why = {0};
    buf_init(&body, 65536);
    for (int i = 0; i <= SIM_FIELDS_MAX; i++)
        buf_putf(&body, "f%d=1&", i);
    assert_int_equal(
        sim_body_parse(a, STR("application/x-www-form-urlencoded"), buf_str(&body), ALL, &b, &why),
        SIM_READ_MALFORMED);
    assert_int_equal(why.kind, ERR_LIMITED);
    buf_done(&body);
}

/* --- faults ----------------------------------------------------------------------------------- */

static const struct sim_target a_send = {.provider = {"x", 1},
                                         .account = {"1", 1},
                                         .to = {"2", 1},
                                         .path = {"/2/dm", 5},
                                         .is_send = true};

/* How many of n sends a rule strikes. */
static int strikes(const char *rule, struct sim_target t, int n)
{
    struct sim_faults f;
    struct err err = {0};
    auto_arena a = arena_new(65536);
    int struck = 0;
    sim_faults_init(&f, 7);
    assert_true(sim_faults_set(&f, str_fmt(a, "{\"faults\":[%s]}", rule), &err));
    for (int i = 0; i < n; i++)
        struck += sim_faults_strike(&f, SIM_FAULT_ERROR, &t) != NULL;
    assert_int_equal(f.struck[SIM_FAULT_ERROR], struck);
    sim_faults_done(&f);
    return struck;
}

static void a_rule_strikes_those_that_it_is_for(void **state)
{
    (void)state;
    struct sim_target call = a_send;
    call.is_send = false;
    assert_int_equal(strikes("{\"fault\":\"error\"}", a_send, 5), 5);
    assert_int_equal(strikes("{\"fault\":\"error\",\"count\":2}", a_send, 5), 2);
    assert_int_equal(strikes("{\"fault\":\"error\",\"count\":2,\"skip\":4}", a_send, 5), 1);
    assert_int_equal(
        strikes("{\"fault\":\"error\",\"provider\":\"x\",\"account\":\"1\"}", a_send, 5), 5);
    assert_int_equal(strikes("{\"fault\":\"error\",\"account\":\"2\"}", a_send, 5), 0);
    assert_int_equal(strikes("{\"fault\":\"error\",\"to\":\"3\"}", a_send, 5), 0);
    assert_int_equal(strikes("{\"fault\":\"error\",\"path\":\"/dm\"}", a_send, 5), 5);
    assert_int_equal(strikes("{\"fault\":\"slow\"}", a_send, 5), 0);
    assert_int_equal(strikes("{\"fault\":\"error\"}", call, 5), 0);
    // A rule for all calls strikes when a call comes, and not once more when it is a send.
    assert_int_equal(strikes("{\"fault\":\"error\",\"on\":\"all\"}", call, 5), 5);
    assert_int_equal(strikes("{\"fault\":\"error\",\"on\":\"all\"}", a_send, 5), 0);
    struct sim_target late = a_send;
    late.was_nobody = true;
    assert_int_equal(strikes("{\"fault\":\"error\",\"on\":\"all\",\"account\":\"1\"}", late, 5), 5);
    assert_int_equal(strikes("{\"fault\":\"error\",\"probability\":0}", a_send, 1000), 0);
    int some = strikes("{\"fault\":\"error\",\"probability\":0.25}", a_send, 10000);
    assert_true(some > 2300 && some < 2700);
    assert_int_equal(strikes("{\"fault\":\"error\",\"probability\":0.25}", a_send, 10000), some);
}

static void a_rule_that_is_wrong_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"faults\":{}}",
        "{\"faults\":[{\"fault\":\"nothing\"}]}",
        "{\"faults\":[{\"fault\":\"error\",\"provder\":\"x\"}]}",
        "{\"faults\":[{\"fault\":\"error\",\"count\":\"many\"}]}",
        "{\"faults\":[{\"fault\":\"error\",\"status\":200}]}",
        "{\"faults\":[{\"fault\":\"error\",\"probability\":1.1}]}",
        "{\"faults\":[{\"fault\":\"error\",\"on\":\"some\"}]}",
    };
    struct sim_faults f;
    struct err err = {0};
    sim_faults_init(&f, 1);
    assert_true(sim_faults_set(&f, STR("{\"faults\":[{\"fault\":\"error\"}]}"), &err));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(sim_faults_set(&f, str_of(wrong[i]), &err));
        assert_int_equal(f.n, 1);
    }
    sim_faults_clear(&f);
    assert_null(sim_faults_strike(&f, SIM_FAULT_ERROR, &a_send));
    sim_faults_done(&f);
}

/* --- rates ------------------------------------------------------------------------------------ */

static struct sim_quota take(struct sim_quotas *q, const char *account, const char *to, int64_t at)
{
    return sim_quotas_take(q, STR("x"), str_of(account), str_of(to), at);
}

static void a_bucket_lets_its_burst_through_and_then_its_rate(void **state)
{
    (void)state;
    struct sim_quotas *q = sim_quotas_new();
    assert_false(take(q, "a", "1", 0).is_limited);
    const struct sim_limit limit = {.account = {.burst = 3, .per_minute = 60}};
    sim_quotas_limit(q, STR("x"), STR(""), &limit);
    for (int i = 2; i >= 0; i--) {
        struct sim_quota got = take(q, "a", "1", 1000);
        assert_true(got.is_limited && !got.is_refused);
        assert_int_equal(got.remaining, i);
    }
    struct sim_quota refused = take(q, "a", "1", 1500);
    assert_true(refused.is_refused && !refused.is_pair);
    assert_int_equal(refused.wait_ms, 500);
    assert_false(take(q, "b", "1", 1500).is_refused); // another account has its own
    assert_true(take(q, "a", "1", 1999).is_refused);
    assert_false(take(q, "a", "1", 2000).is_refused);
    assert_true(take(q, "a", "1", 2000).is_refused);
    sim_quotas_free(q);
}

static void a_window_fills_up_at_its_end(void **state)
{
    (void)state;
    struct sim_quotas *q = sim_quotas_new();
    const struct sim_limit limit = {.account = {.burst = 2, .window_ms = 900000}};
    sim_quotas_limit(q, STR("x"), STR("a"), &limit);
    assert_int_equal(take(q, "a", "1", 1000).reset_ms, 900000);
    assert_false(take(q, "a", "1", 500000).is_refused);
    assert_int_equal(take(q, "a", "1", 600000).wait_ms, 301000);
    assert_true(take(q, "a", "1", 900999).is_refused);
    assert_int_equal(take(q, "a", "1", 901000).remaining, 1);
    sim_quotas_free(q);
}

static void a_pair_has_a_bucket_and_a_refusal_costs_nothing(void **state)
{
    (void)state;
    struct sim_quotas *q = sim_quotas_new();
    const struct sim_limit limit = {.account = {.burst = 2, .per_minute = 60},
                                    .pair = {.burst = 1, .per_minute = 60}};
    sim_quotas_limit(q, STR("x"), STR(""), &limit);
    assert_false(take(q, "a", "1", 0).is_refused);
    struct sim_quota again = take(q, "a", "1", 0);
    assert_true(again.is_refused && again.is_pair);
    assert_false(take(q, "a", "2", 0).is_refused); // the refusal took nothing of the account
    struct sim_quota third = take(q, "a", "3", 0);
    assert_true(third.is_refused && !third.is_pair);
    assert_false(take(q, "a", "3", 1000).is_refused); // nor this one of the pair
    sim_quotas_free(q);
}

static void who_sends_while_told_to_wait_is_counted(void **state)
{
    (void)state;
    struct sim_quotas *q = sim_quotas_new();
    struct buf out;
    buf_init(&out, 4096);
    (void)take(q, "a", "1", 0);
    sim_quotas_count(q, STR("x"), STR("a"), 100);
    sim_quotas_told_to_wait(q, STR("x"), STR("a"), 5000);
    (void)take(q, "a", "1", 4999);
    (void)take(q, "a", "1", 5000);
    sim_quotas_count(q, STR("x"), STR("a"), 5000);
    sim_quotas_count(q, STR("x"), STR("a"), 5999);
    sim_quotas_json(q, &out);
    assert_true(str_eq_c(buf_str(&out),
                         "[{\"provider\":\"x\",\"account\":\"a\",\"accepted\":3,\"refused\":1,"
                         "\"too_early\":1,\"busiest_second\":2}]"));
    buf_done(&out);
    sim_quotas_free(q);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void the_ledger_keeps_the_last_ones_and_their_numbers(void **state)
{
    (void)state;
    static const struct sim_api api = {.name = "x"};
    struct sim_sends *s = sim_sends_new(3, NULL);
    struct buf out;
    char id[] = "m0";
    buf_init(&out, 65536);
    for (int i = 1; i <= 5; i++) {
        id[1] = (char)('0' + i);
        const struct sim_send send = {.kind = STR("text"), .external_id = str_of(id)};
        (void)sim_sends_add(s, &api, STR("a"), 1000, &send, i == 5);
    }
    assert_int_equal(sim_sends_last(s), 5);
    assert_null(sim_sends_get(s, 2));
    assert_true(str_eq_c(sim_sends_get(s, 3)->send.external_id, "m3"));
    assert_null(sim_sends_get(s, 6));
    assert_null(sim_sends_find(s, &api, STR("m1")));
    assert_int_equal(sim_sends_find(s, &api, STR("m4"))->number, 4);
    sim_sends_json(s, 4, STR("x"), STR_NONE, &out);
    assert_true(str_eq_c(buf_str(&out),
                         "{\"number\":5,\"at_ms\":1000,\"provider\":\"x\",\"account\":\"a\","
                         "\"kind\":\"text\",\"external_id\":\"m5\",\"answered\":false}\n"));
    sim_sends_clear(s);
    assert_null(sim_sends_get(s, 5));
    const struct sim_send send = {.kind = STR("text")};
    assert_int_equal(sim_sends_add(s, &api, STR("a"), 1, &send, false)->number, 6);
    buf_done(&out);
    sim_sends_free(s);
}

static void a_table_holds_what_it_was_given_up_to_its_limit(void **state)
{
    (void)state;
    struct sim_table *t = sim_table_new(sizeof(int), 1000);
    auto_arena a = arena_new(1 << 20);
    for (int i = 0; i < 1000; i++)
        *(int *)sim_table_get(t, str_fmt(a, "name %d", i), true) = i;
    assert_null(sim_table_get(t, STR("one more"), true));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(*(int *)sim_table_get(t, str_fmt(a, "name %d", i), false), i);
    assert_null(sim_table_get(t, STR("name 1000"), false));
    sim_table_clear(t);
    assert_null(sim_table_get(t, STR("name 1"), false));
    sim_table_free(t);
}

static void an_account_is_told_once_and_changed_later(void **state)
{
    (void)state;
    struct sim_accounts *s = sim_accounts_new();
    struct err err = {0};
    assert_true(sim_accounts_set(
        s, STR("{\"accounts\":[{\"provider\":\"x\",\"account\":\"1\",\"type\":\"user\"}]}"), &err));
    assert_true(sim_accounts_set(
        s, STR("{\"accounts\":[{\"provider\":\"x\",\"account\":\"1\",\"name\":\"N\"}]}"), &err));
    const struct sim_known *k = sim_accounts_find(s, STR("x"), STR("1"), false);
    assert_true(str_eq_c(k->type, "user") && str_eq_c(k->name, "N") && k->is_told);
    assert_null(sim_accounts_find(s, STR("y"), STR("1"), false));
    assert_false(sim_accounts_set(s, STR("{\"accounts\":[{\"provider\":\"x\"}]}"), &err));
    assert_false(sim_accounts_set(
        s, STR("{\"accounts\":[{\"provider\":\"x\",\"account\":\"1\",\"tenant\":\"t\"}]}"), &err));
    sim_accounts_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read_as_what_it_says_it_is),
        cmocka_unit_test(a_part_with_a_filename_is_a_file_and_keeps_every_byte),
        cmocka_unit_test(more_fields_than_there_is_room_for_are_refused),
        cmocka_unit_test(a_rule_strikes_those_that_it_is_for),
        cmocka_unit_test(a_rule_that_is_wrong_changes_nothing),
        cmocka_unit_test(a_bucket_lets_its_burst_through_and_then_its_rate),
        cmocka_unit_test(a_window_fills_up_at_its_end),
        cmocka_unit_test(a_pair_has_a_bucket_and_a_refusal_costs_nothing),
        cmocka_unit_test(who_sends_while_told_to_wait_is_counted),
        cmocka_unit_test(the_ledger_keeps_the_last_ones_and_their_numbers),
        cmocka_unit_test(a_table_holds_what_it_was_given_up_to_its_limit),
        cmocka_unit_test(an_account_is_told_once_and_changed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
