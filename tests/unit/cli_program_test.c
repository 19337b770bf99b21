/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "docs.h"
#include "mem.h"
#include "program.h"
#include "stream_client.h"
#include "test.h"
#include "topic_reader.h"

static void the_nearest_subcommand_is_suggested(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *nearest;
    } cases[] = {{"ingset", "ingest"},
                 {"rooter", "router"},
                 {"notifer", "notifier"},
                 {"migrat", "migrate"},
                 {"docter", "doctor"},
                 {"topic", "topics"},
                 {"tenant crate", "tenant create"},
                 {"channel lst", "channel list"},
                 {"simulat", "simulate"},
                 {"xyzzyxyzzyxyzzy", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = program_nearest(cases[i].typed);
        if (cases[i].nearest)
            assert_string_equal(got, cases[i].nearest);
        else
            assert_null(got);
    }
}

static void verbs_of_two_words_win_over_one(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *verb;
        int n;
    } cases[] = {{{"config"}, "config", 1},
                 {{"config", "docs"}, "config docs", 2},
                 {{"config", "--json"}, "config", 1},
                 {{"tenant", "create", "x"}, "tenant create", 2},
                 {{"tenant"}, NULL, 0},
                 {{"tail", "inbound"}, "tail", 1},
                 {{"nothing"}, NULL, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int argc = 0, n;
        char *words[3];
        memcpy(words, cases[i].words, sizeof words);
        while (argc < 3 && cases[i].words[argc])
            argc++;
        const struct verb *v = program_verb(argc, words, &n);
        assert_int_equal(v != NULL, cases[i].verb != NULL);
        if (!v)
            continue;
        assert_string_equal(v->name, cases[i].verb);
        assert_int_equal(n, cases[i].n);
    }
}

static const struct conf_row *row_of(const struct conf_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    return NULL;
}

static void a_verb_demands_only_what_it_uses(void **state)
{
    (void)state;
    struct conf_row room[VERB_ROWS_MAX];
    for (const struct verb *v = verbs; v->name; v++) {
        // Unknown names of settings would end the process here.
        struct conf_table t = verb_table(v, room);
        const struct conf_row *url = row_of(&t, "database_url");
        if (strcmp(v->name, "topics") == 0)
            assert_null(url);
        if (strcmp(v->name, "migrate") == 0)
            assert_true(url && !url->preset);
        if (strcmp(v->name, "doctor") == 0)
            assert_true(url && url->preset);
    }
}

static int told_argc;
static char told_first[32];

static int tell(const struct cli_conf *conf, int argc, char **argv)
{
    told_argc = argc;
    (void)snprintf(told_first, sizeof told_first, "%s/%d/%d", argc ? argv[0] : "", conf->json,
                   (int)conf->limit);
    return EXIT_OK;
}

static void words_and_options_may_mix(void **state)
{
    (void)state;
    static const struct verb v = {"test", "ID", "Test.", "limit json", 1, 1, tell};
    char *good[] = {"--limit", "7", "id", "--json"};
    assert_int_equal(verb_run(&v, 4, good), EXIT_OK);
    assert_int_equal(told_argc, 1);
    assert_string_equal(told_first, "id/1/7");
    char *missing[] = {"--json"};
    assert_int_equal(verb_run(&v, 1, missing), EXIT_USAGE);
    char *many[] = {"a", "b"};
    assert_int_equal(verb_run(&v, 2, many), EXIT_USAGE);
    char *unknown[] = {"a", "--nope", "1"};
    assert_int_equal(verb_run(&v, 3, unknown), EXIT_USAGE);
    char *range[] = {"a", "--limit", "0"};
    assert_int_equal(verb_run(&v, 3, range), EXIT_USAGE);
}

static void help_names_options_and_secrets(void **state)
{
    (void)state;
    for (const struct verb *v = verbs; v->name; v++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        verb_help(v, &out);
        buf_putc(&out, '\0');
        assert_non_null(strstr(out.ptr, v->summary));
        if (strstr(v->settings, "json"))
            assert_non_null(strstr(out.ptr, "--json"));
        if (strstr(v->settings, "database_url"))
            assert_non_null(strstr(out.ptr, "POSTRIDER_DATABASE_URL"));
        buf_done(&out);
    }
}

static void stream_urls_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *path;
    } cases[] = {{"ws://127.0.0.1:8081/v1/stream", "127.0.0.1", "8081", "/v1/stream"},
                 {"ws://host/v1/stream?cursor=1", "host", "80", "/v1/stream?cursor=1"},
                 {"ws://host:9", "host", "9", "/"},
                 {"wss://host/", NULL, NULL, NULL},
                 {"ws://", NULL, NULL, NULL},
                 {"ws://host:x/", NULL, NULL, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stream_url u;
        struct err err = {0};
        bool ok = stream_url_parse(str_of(cases[i].text), &u, &err);
        assert_int_equal(ok, cases[i].host != NULL);
        if (!ok)
            continue;
        assert_string_equal(u.host, cases[i].host);
        assert_string_equal(u.port, cases[i].port);
        assert_string_equal(u.path, cases[i].path);
    }
}

static void positions_are_words_or_numbers(void **state)
{
    (void)state;
    enum reader_from from;
    int64_t offset;
    struct err err = {0};
    assert_true(reader_from_parse("beginning", &from, &offset, &err) && from == READ_BEGINNING);
    assert_true(reader_from_parse("end", &from, &offset, &err) && from == READ_END);
    assert_true(reader_from_parse("42", &from, &offset, &err) && from == READ_OFFSET);
    assert_int_equal(offset, 42);
    assert_false(reader_from_parse("-1", &from, &offset, &err));
    assert_false(reader_from_parse("start", &from, &offset, &err));
}

static void secrets_are_judged(void **state)
{
    (void)state;
    const char *said;
    assert_int_equal(check_secret(STR(""), 8, true, &said), CHECK_FAIL);
    assert_int_equal(check_secret(STR(""), 8, false, &said), CHECK_WARN);
    assert_int_equal(check_secret(STR("short"), 8, false, &said), CHECK_FAIL);
    assert_int_equal(check_secret(STR("long enough"), 8, true, &said), CHECK_OK);
}

static void strangers_text_does_not_drive_the_terminal(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 256);
    verb_put_text(&out,
                  STR("a\033[2Jb\r\n\tc\x7f\xc2\x9b"
                      "d\xc3\xa9\xff"),
                  false);
    assert_true(str_eq(buf_str(&out), STR("a [2Jb   c  d\xc3\xa9\xef\xbf\xbd")));
    buf_clear(&out);
    verb_put_text(&out, STR("a\033\r\n\tc"), true);
    assert_true(str_eq(buf_str(&out), STR("a  \n\tc")));
    buf_done(&out);
}

static void output_that_is_cut_is_no_success(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    buf_put_c(&out, "a\n");
    assert_true(verb_print(&out));
    buf_put_c(&out, "and more");
    assert_false(verb_print(&out));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_subcommand_is_suggested),
        cmocka_unit_test(verbs_of_two_words_win_over_one),
        cmocka_unit_test(a_verb_demands_only_what_it_uses),
        cmocka_unit_test(words_and_options_may_mix),
        cmocka_unit_test(help_names_options_and_secrets),
        cmocka_unit_test(stream_urls_are_read_strictly),
        cmocka_unit_test(positions_are_words_or_numbers),
        cmocka_unit_test(secrets_are_judged),
        cmocka_unit_test(strangers_text_does_not_drive_the_terminal),
        cmocka_unit_test(output_that_is_cut_is_no_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
