/* SPDX-License-Identifier: Apache-2.0 */
/* WhatsApp: batches of any shape, who a message is about, and room for hostile bodies. */
#include "fields.h"
#include "golden/properties.h"
#include "test.h"

#define HEAD                                                                                      \
    "{\"object\":\"whatsapp_business_account\",\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":" \
    "\"messages\",\"value\":{\"metadata\":{\"phone_number_id\":\"2\"},"
#define TAIL "]}}]}]}"

static const struct provider *whatsapp;

static uint32_t draw(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

/* Who: a number, a hidden number, both, in a group or not, or nobody. */
static void put_person(struct buf *b, uint32_t *seed, const char *number, const char *user_id)
{
    uint32_t who = draw(seed, 5), shape = draw(seed, 8);
    if (shape != 0)
        buf_putf(b, ",\"%s\":\"1555010%04u\"", number, who);
    if (shape <= 2)
        buf_putf(b, ",\"%s\":\"US.%u\"", user_id, who);
    if (shape == 3)
        buf_putf(b, ",\"group_id\":\"G%u\"", who % 2);
}

static void put_item(struct buf *b, uint32_t *seed, size_t list, int *id)
{
    static const char *const types[] = {
        "\"text\",\"text\":{\"body\":\"x\"}",
        "\"reaction\",\"reaction\":{\"message_id\":\"w1\",\"emoji\":\"y\"}",
        "\"edit\",\"edit\":{\"original_message_id\":\"w1\",\"message\":{\"type\":\"text\"}}",
        "\"image\",\"image\":{\"id\":\"7\",\"caption\":\"c\"}",
        "\"hologram\"",
    };
    static const char *const statuses[] = {"sent", "read", "failed", "brand_new"};
    if (list == 3) {
        buf_putf(b, "{\"code\":%d}", (*id)++);
        return;
    }
    buf_putf(b, "{\"id\":\"w%d\",\"timestamp\":\"%d\"", *id, 1767225600 + *id);
    (*id)++;
    if (list == 2) {
        buf_putf(b, ",\"status\":\"%s\"", statuses[draw(seed, ARRAY_LEN(statuses))]);
        put_person(b, seed, "recipient_id", "recipient_user_id");
    } else {
        buf_putf(b, ",\"type\":%s", types[draw(seed, ARRAY_LEN(types))]);
        put_person(b, seed, list ? "to" : "from", list ? "to_user_id" : "from_user_id");
    }
    buf_putc(b, '}');
}

static void put_contacts(struct buf *b, uint32_t *seed)
{
    uint32_t n = draw(seed, 7);
    buf_put_c(b, "\"contacts\":[");
    for (uint32_t i = 0; i < n; i++) {
        buf_putf(b, "%s{\"profile\":{\"name\":\"name %u\"}", i ? "," : "", draw(seed, 100));
        if (draw(seed, 3))
            buf_putf(b, ",\"wa_id\":\"1555010%04u\"", draw(seed, 5));
        if (draw(seed, 3) == 0)
            buf_putf(b, ",\"user_id\":\"US.%u\"", draw(seed, 5));
        buf_putc(b, '}');
    }
    buf_putc(b, ']');
}

static void put_change(struct buf *b, uint32_t *seed, int *id)
{
    static const char *const lists[] = {"messages", "message_echoes", "statuses", "errors"};
    if (draw(seed, 6) == 0) {
        buf_putf(b, "{\"field\":\"account_update\",\"value\":{\"event\":\"E%d\"}}", (*id)++);
        return;
    }
    buf_put_c(b, "{\"field\":\"messages\",\"value\":{");
    put_contacts(b, seed);
    buf_putf(b, ",\"metadata\":{\"phone_number_id\":\"3%u\"}", draw(seed, 2));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        uint32_t n = draw(seed, 4);
        buf_putf(b, ",\"%s\":[", lists[i]);
        for (uint32_t j = 0; j < n; j++) {
            buf_put_c(b, j ? "," : "");
            put_item(b, seed, i, id);
        }
        buf_putc(b, ']');
    }
    buf_put_c(b, "}}");
}

/* Any batch: no item lost, none twice, each with the name of whom it is about, whatever unit it
 * ends in. check_body asserts it; here is what it is asked. */
static void batches_of_any_shape_keep_their_events(void **state)
{
    (void)state;
    size_t n_units = 0;
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t seed = round * 7919u + 1, n = 1 + draw(&seed, 5);
        int id = 1;
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, "{\"object\":\"whatsapp_business_account\",\"entry\":[");
        for (uint32_t i = 0; i < n; i++) {
            buf_putf(&b, "%s{\"id\":\"2%u\",\"time\":1767225600,\"changes\":[", i ? "," : "", i);
            for (uint32_t j = draw(&seed, 4); j > 0; j--) {
                put_change(&b, &seed, &id);
                buf_put_c(&b, j > 1 ? "," : "");
            }
            buf_put_c(&b, "]}");
        }
        buf_put_c(&b, "]}");
        assert_true(check_body(whatsapp, buf_str(&b)));

        auto_arena a = arena_new(1 << 20);
        struct unit all = {.body = buf_str(&b)};
        struct events ev = {0};
        struct units units = {0};
        struct webhook in = {.body = all.body};
        struct err err = {0};
        assert_true(whatsapp->parse(a, &all, &ev, &err));
        assert_int_equal(ev.n, id - 1);
        assert_true(whatsapp->split(a, &in, &units, &err));
        n_units += units.n;
        buf_done(&b);
    }
    assert_true(n_units > 300);
}

static void a_unit_carries_no_contact_of_others(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct webhook in = {.body = STR(HEAD "\"contacts\":[{\"wa_id\":\"15550100002\"},{\"wa_id\":"
                                          "\"15550100003\"},{\"wa_id\":\"15550100004\"}],"
                                          "\"messages\":[{\"from\":\"15550100002\",\"id\":\"a\"},"
                                          "{\"from\":\"15550100003\",\"id\":\"b\"}" TAIL)};
    struct units units = {0};
    struct err err = {0};
    assert_true(whatsapp->split(a, &in, &units, &err));
    assert_int_equal(units.n, 2);
    for (size_t i = 0; i < units.n; i++) {
        struct str body = units.items[i].body;
        bool second = memmem(body.ptr, body.len, "0003", 4) != NULL;
        assert_true((memmem(body.ptr, body.len, "0002", 4) != NULL) != second);
        assert_null(memmem(body.ptr, body.len, "0004", 4));
        assert_true(str_eq_c(units.items[i].account, "2"));
    }
}

/* A thousand messages of a thousand people with a thousand contacts: each unit is small. */
static void contacts_do_not_multiply(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_c(&b, HEAD "\"contacts\":[");
    for (int i = 0; i < 1000; i++)
        buf_putf(&b, "%s{\"wa_id\":\"1555%07d\",\"profile\":{\"name\":\"n%d\"}}", i ? "," : "", i,
                 i);
    buf_put_c(&b, "],\"messages\":[");
    for (int i = 999; i >= 0; i--)
        buf_putf(
            &b,
            "{\"from\":\"1555%07d\",\"id\":\"w%d\",\"type\":\"text\",\"text\":{\"body\":\"x\"}}%s",
            i, i, i ? "," : "");
    buf_put_c(&b, TAIL);
    assert_false(b.overflow);
    assert_true(check_body(whatsapp, buf_str(&b)));
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(b.len));
    struct units units = {0};
    struct webhook in = {.body = buf_str(&b)};
    struct err err = {0};
    assert_true(whatsapp->split(a, &in, &units, &err));
    assert_int_equal(units.n, 1000);
    for (size_t i = 0; i < units.n; i++)
        assert_true(units.items[i].body.len < 400);
    buf_done(&b);
}

static void bodies_made_to_be_large_find_room_or_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
    } cases[] = {
        {HEAD "\"messages\":[", "0,", "0" TAIL},
        {HEAD "\"contacts\":[", "{\"wa_id\":3},", "0],\"messages\":[{\"from\":\"3\"}" TAIL},
        {HEAD "\"messages\":[", "{\"from\":\"3\",\"id\":4,\"type\":\"order\"},", "0" TAIL},
        {HEAD "\"messages\":[{\"from\":\"3\",\"id\":\"4\",\"type\":\"contacts\",\"contacts\":[",
         "0,", "0]}" TAIL},
        {HEAD
         "\"messages\":[{\"from\":\"3\",\"id\":\"4\",\"type\":\"contacts\",\"contacts\":[{\"x\":[",
         "0,", "0]}]}" TAIL},
        {HEAD
         "\"messages\":[{\"from\":\"3\",\"id\":\"4\",\"type\":\"order\",\"order\":{\"product_items\":\"",
         "\xff", "\"}}" TAIL},
        {HEAD "\"messages\":[],\"statuses\":[",
         "{\"recipient_id\":1,\"id\":1,\"status\":\"read\"},", "0" TAIL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, cases[i].head);
        while (b.len < (1 << 20) - 200)
            buf_put_c(&b, cases[i].item);
        buf_put_c(&b, cases[i].tail);
        assert_false(b.overflow);
        (void)check_body(whatsapp, buf_str(&b));
        buf_done(&b);
    }
}

static void the_account_has_one_type_and_platform(void **state)
{
    (void)state;
    struct str normal = whatsapp->normal_type(STR("WhatsApp_Business_Account"));
    assert_true(str_eq_c(normal, "whatsapp_business_account"));
    assert_true(str_eq_c(whatsapp->normal_type(STR("page")), "page"));
    assert_string_equal(whatsapp->platform(normal), "whatsapp");
    assert_string_equal(whatsapp->app, "meta");
}

static int setup(void **state)
{
    (void)state;
    whatsapp = provider_find(STR("whatsapp"));
    return whatsapp ? 0 : -1;
}

static void a_number_says_what_business_it_belongs_to(void **state)
{
    (void)state;
    static const struct {
        const char *body, *account, *parent; /* parent NULL: it says none */
    } cases[] = {
        {HEAD "\"messages\":[{\"id\":\"w1\",\"from\":\"15550100002\",\"type\":\"text\",\"text\":{"
              "\"body\":\"x\"}}" TAIL,
         "2", "1"},
        {HEAD
         "\"statuses\":[{\"id\":\"w1\",\"status\":\"read\",\"recipient_id\":\"15550100002\"}" TAIL,
         "2", "1"},
        {"{\"object\":\"whatsapp_business_account\",\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":"
         "\"account_update\",\"value\":{\"event\":\"ACCOUNT_DELETED\"}}]}]}",
         "1", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct unit unit = {.body = str_of(cases[i].body)};
        auto_arena a = arena_new(PROVIDER_ARENA_MAX(unit.body.len));
        struct events events = {0};
        struct err err = {0};
        assert_true(whatsapp->parse(a, &unit, &events, &err));
        assert_int_equal(events.n, 1);
        assert_true(str_eq_c(events.items->account, cases[i].account));
        assert_true(str_eq(events.items->parent, str_of(cases[i].parent)));
    }
}

static void a_number_as_people_write_it_becomes_e164(void **state)
{
    (void)state;
    static const struct {
        const char *written, *want;
    } cases[] = {
        {"+1 (555) 010-0002", "+15550100002"},
        {"+49 (0)30 / 901820", "+4930901820"},
        {" +44.20.7946.0018 ", "+442079460018"},
        {"+15550100002", "+15550100002"},
        {"1 555 010 0002", NULL},
        {"+1 555 CALL", NULL},
        {"+", NULL},
        {"", NULL},
        {"+0 555 0100002", NULL},
        {"+1 555 010 0002 0003 0004", NULL},
        {"+1 555\xc2\xa0"
         "010",
         NULL},
    };
    auto_arena a = arena_new(1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (!str_eq(phone_written(a, str_of(cases[i].written)), str_of(cases[i].want)))
            fail_msg("'%s'", cases[i].written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_any_shape_keep_their_events),
        cmocka_unit_test(a_unit_carries_no_contact_of_others),
        cmocka_unit_test(contacts_do_not_multiply),
        cmocka_unit_test(bodies_made_to_be_large_find_room_or_are_refused),
        cmocka_unit_test(the_account_has_one_type_and_platform),
        cmocka_unit_test(a_number_says_what_business_it_belongs_to),
        cmocka_unit_test(a_number_as_people_write_it_becomes_e164),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
