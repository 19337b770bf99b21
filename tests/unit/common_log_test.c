/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: threads */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "test.h"

/* Standard error goes to a file during a test; what fails meanwhile is printed by cmocka later. */
static char path[] = "/tmp/postrider-log-test-XXXXXX";
static int file = -1, saved = -1;

static int capture(void **state)
{
    (void)state;
    file = mkstemp(path);
    saved = dup(STDERR_FILENO);
    return file >= 0 && saved >= 0 && dup2(file, STDERR_FILENO) >= 0 ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    int back = dup2(saved, STDERR_FILENO);
    close(saved);
    close(file);
    unlink(path);
    memset(path + sizeof(path) - 7, 'X', 6);
    return back < 0 ? -1 : 0;
}

static struct str written(struct arena *a)
{
    off_t size = lseek(file, 0, SEEK_END);
    assert_true(size >= 0);
    char *text = arena_alloc(a, (size_t)size + 1);
    assert_int_equal(pread(file, text, (size_t)size, 0), size);
    return (struct str){text, (size_t)size};
}

static void a_line_is_a_json_object(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    log_init("router", LOG_INFO, LOG_JSON);
    log_warn("record parked", kv_c("provider", "instagram"), kv_int("offset", -42),
             kv_num("lag", 1.5), kv_bool("again", true), kv_str("tenant", STR_NONE),
             kv_num("nan", NAN));
    struct str text = written(a);
    assert_true(str_ends(text, STR("}\n")));
    struct err err;
    const struct json *line = json_parse(a, text, &err);
    assert_non_null(line);
    int64_t v;
    assert_true(clock_parse(json_text(a, json_get(line, "time")), &v));
    assert_true(str_eq(json_text(a, json_get(line, "level")), STR("warn")));
    assert_true(str_eq(json_text(a, json_get(line, "component")), STR("router")));
    assert_true(str_eq(json_text(a, json_get(line, "msg")), STR("record parked")));
    assert_true(str_eq(json_text(a, json_get(line, "provider")), STR("instagram")));
    assert_true(json_i64(json_get(line, "offset"), &v));
    assert_int_equal(v, -42);
    assert_true(str_eq(json_text(a, json_get(line, "lag")), STR("1.5")));
    assert_true(json_is(json_get(line, "again"), JSON_TRUE));
    assert_null(json_get(line, "tenant"));
    assert_null(json_get(line, "nan"));
    assert_int_equal(line->n, 10);
}

static void what_is_logged_cannot_end_the_line_or_drive_the_terminal(void **state)
{
    (void)state;
    static const enum log_format formats[] = {LOG_JSON, LOG_TEXT};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        auto_arena a = arena_new(1 << 20);
        size_t before = written(a).len;
        log_init("ingest", LOG_INFO, formats[i]);
        log_info("x",
                 kv_str("name",
                        STR("a\n{\"level\":\"error\"}\r\x1b[2J\x7f\xC2\x9B\0\xff \"\\ \xC3\xA9")));
        struct str text = str_skip(written(a), before);
        size_t newlines = 0;
        for (size_t k = 0; k < text.len; k++) {
            unsigned char c = (unsigned char)text.ptr[k];
            newlines += c == '\n';
            assert_true(c == '\n' || (c >= 0x20 && c != 0x7F));
        }
        assert_int_equal(newlines, 1);
        assert_null(memmem(text.ptr, text.len, "\xC2\x9B", 2));
        assert_ptr_equal(str_utf8(a, text).ptr, text.ptr);
    }
}

static void text_is_for_people(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    log_init("sender", LOG_DEBUG, LOG_TEXT);
    log_debug("claim", kv_c("id", "abc-1"), kv_c("why", "two words"), kv_c("none", ""),
              kv_int("n", 3));
    struct str text = written(a);
    assert_true(str_eq(str_skip(text, 12),
                       STR(" DEBUG sender: claim id=abc-1 why=\"two words\" none=\"\" n=3\n")));
}

static void lower_levels_are_not_written(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    log_init("x", LOG_WARN, LOG_JSON);
    log_debug("no");
    log_info("no");
    assert_int_equal(written(a).len, 0);
    log_warn("yes");
    log_error("yes");
    assert_true(written(a).len > 0);
    assert_false(log_is_on(LOG_INFO));
    assert_true(log_is_on(LOG_ERROR));
}

static void level_names_are_read(void **state)
{
    (void)state;
    enum log_level level = LOG_INFO;
    assert_true(log_level_parse(STR("error"), &level));
    assert_int_equal(level, LOG_ERROR);
    assert_true(log_level_parse(STR("debug"), &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_parse(STR("WARN"), &level));
    assert_false(log_level_parse(STR_NONE, &level));
}

static void a_long_line_is_cut_and_still_json(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    static char text[20000];
    memset(text, 'a', sizeof(text) - 1);
    log_init("x", LOG_INFO, LOG_JSON);
    struct str escaped = {"\1\1\1", 3};
    struct str value = str_of(text);
    errno = EAGAIN;
    log_info("long", kv_str("a", value), kv_str("b", value), kv_str("c", value), kv_str("d", value),
             kv_str("e", escaped));
    assert_int_equal(errno, EAGAIN);
    struct str line = written(a);
    assert_true(line.len <= 4096);
    struct err err;
    const struct json *v = json_parse(a, line, &err);
    assert_non_null(v);
    assert_true(json_truthy(json_get(v, "cut")));
    assert_true(str_ends(json_text(a, json_get(v, "a")), STR("aaa...")));
    assert_null(json_get(v, "d"));
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_info("from a thread", kv_int("i", i), kv_c("who", arg),
                 kv_c("fill", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    log_init("x", LOG_INFO, LOG_JSON);
    // As a supervisor sees it, who opens the file for appending.
    int flags = fcntl(file, F_GETFL);
    assert_int_equal(fcntl(file, F_SETFL, flags | O_APPEND), 0);
    pthread_t threads[4];
    char names[4][2] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    auto_arena a = arena_new(1 << 22);
    struct str rest = written(a), line;
    size_t n = 0;
    for (; str_cut(rest, '\n', &line, &rest); n++) {
        auto_arena one = arena_new(1 << 16);
        struct err err;
        assert_non_null(json_parse(one, line, &err));
    }
    assert_int_equal(n, 2000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, capture, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_a_json_object),
        TEST(what_is_logged_cannot_end_the_line_or_drive_the_terminal),
        TEST(text_is_for_people),
        TEST(lower_levels_are_not_written),
        TEST(level_names_are_read),
        TEST(a_long_line_is_cut_and_still_json),
        TEST(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
