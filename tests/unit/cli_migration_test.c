/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "migration_plan.h"
#include "test.h"

static const struct embedded files[] = {
    {"0001_a.sql", "one", 3}, {"0002_b.sql", "two", 3}, {"0003_c.sql", "three", 5}, {0}};

static void what_is_applied_decides(void **state)
{
    (void)state;
    static const struct {
        const char *applied[4];
        int changed; /* which of them has another checksum; -1: none */
        bool ok;
        size_t first;
        const char *says;
    } cases[] = {
        {{NULL}, -1, true, 0, NULL},
        {{"0001_a.sql"}, -1, true, 1, NULL},
        {{"0001_a.sql", "0002_b.sql", "0003_c.sql"}, -1, true, 3, NULL},
        {{"0001_a.sql", "0003_c.sql"}, -1, false, 0, "0002_b.sql is missing"},
        {{"0002_b.sql"}, -1, false, 0, "0001_a.sql is missing"},
        {{"0001_a.sql", "0004_d.sql"}, -1, false, 0, "newer"},
        {{"0001_a.sql", "0002_b.sql"}, 0, false, 0, "0001_a.sql differs"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        struct applied applied[4];
        struct err err = {0};
        size_t n = 0, first = 99;
        for (; n < 4 && cases[i].applied[n]; n++) {
            struct str sum = STR("0000");
            for (const struct embedded *f = files; f->name; f++)
                if (strcmp(f->name, cases[i].applied[n]) == 0 && (int)n != cases[i].changed)
                    sum = migration_checksum(a, f);
            applied[n] = (struct applied){str_of(cases[i].applied[n]), sum};
        }
        assert_int_equal(migration_plan(files, applied, n, &first, &err), cases[i].ok);
        if (cases[i].ok)
            assert_int_equal(first, cases[i].first);
        else
            assert_non_null(strstr(err.msg, cases[i].says));
    }
}

static void checksums_are_sha256_in_hex(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 12);
    const struct embedded abc = {"x", "abc", 3};
    struct str sum = migration_checksum(a, &abc);
    assert_true(
        str_eq(sum, STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
}

static void embedded_migrations_are_numbered_without_a_gap(void **state)
{
    (void)state;
    for (int i = 0; sql_migrations[i].name; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%04d_", i + 1);
        assert_int_equal(strncmp(sql_migrations[i].name, number, 5), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_applied_decides),
        cmocka_unit_test(checksums_are_sha256_in_hex),
        cmocka_unit_test(embedded_migrations_are_numbered_without_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
