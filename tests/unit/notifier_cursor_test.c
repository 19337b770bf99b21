/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor.h"
#include "mem.h"
#include "test.h"

static const struct {
    const char *text;
    bool good;
    struct cursor cursor;
} cases[] = {
    {"0-0", true, {0, 0}},
    {"3-17", true, {3, 17}},
    {"2147483647-9223372036854775807", true, {INT32_MAX, INT64_MAX}},
    {"", false, {0, 0}},
    {"-", false, {0, 0}},
    {"3", false, {0, 0}},
    {"3-", false, {0, 0}},
    {"-3", false, {0, 0}},
    {"3--1", false, {0, 0}},
    {"-1-3", false, {0, 0}},
    {"03-1", false, {0, 0}},
    {"3-01", false, {0, 0}},
    {"+3-1", false, {0, 0}},
    {"3-1 ", false, {0, 0}},
    {" 3-1", false, {0, 0}},
    {"3-1-2", false, {0, 0}},
    {"3_1", false, {0, 0}},
    {"2147483648-1", false, {0, 0}},
    {"1-9223372036854775808", false, {0, 0}},
    {"1-99999999999999999999999999999999999999", false, {0, 0}},
};

static void only_texts_that_we_write_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cursor c = {-7, -7};
        bool good = notifier_cursor_parse(str_of(cases[i].text), &c);
        if (good != cases[i].good)
            fail_msg("'%s' is %s", cases[i].text, good ? "read" : "refused");
        if (good) {
            assert_int_equal(c.partition, cases[i].cursor.partition);
            assert_true(c.offset == cases[i].cursor.offset);
            char text[CURSOR_TEXT];
            size_t n = notifier_cursor_format(c, text);
            assert_true(str_eq_c((struct str){text, n}, cases[i].text));
        } else {
            assert_int_equal(c.partition, -7);
        }
    }
}

/* From Kafka's own UtilsTest.testMurmur2, and its producer's toPositive(hash) % n. */
static const struct {
    const char *key;
    uint32_t hash;
} hashes[] = {
    {"21", (uint32_t)-973932308},
    {"foobar", (uint32_t)-790332482},
    {"a-little-bit-long-string", (uint32_t)-985981536},
    {"a-little-bit-longer-string", (uint32_t)-1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", (uint32_t)-58897971},
    {"abc", 479470107},
};

static void a_key_goes_where_kafkas_producer_puts_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        for (int32_t n = 1; n < 50; n++)
            assert_int_equal(notifier_cursor_partition(str_of(hashes[i].key), n),
                             (int32_t)((hashes[i].hash & 0x7fffffffU) % (uint32_t)n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_texts_that_we_write_are_read),
        cmocka_unit_test(a_key_goes_where_kafkas_producer_puts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
