/* SPDX-License-Identifier: Apache-2.0 */
/* Every tests/golden/<provider>/send/NN-what.in.json gives its .out.json (UPDATE_GOLDEN=1 rewrites
 * it), and agrees with its member "expect": the request's body as the provider's documentation has
 * it, or the outcome that an answer must have. "expect" was not made by this code. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "golden/send.h"
#include "test.h"

#define CASE_ARENA ((size_t)64 << 20)
#define FILE_MAX   ((size_t)1 << 20)

#define PROVIDERS_MAX 16
#define CASES_MIN     20

static struct str read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return STR_NONE;
    char *text = arena_alloc(a, FILE_MAX);
    size_t n = fread(text, 1, FILE_MAX, f);
    (void)fclose(f);
    return (struct str){text, n};
}

static void write_file(const char *path, struct str text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
}

/* Each member of `want` is in `got`; what is compared is JSON, not its spelling. */
static void compare_expected(const char *path, const struct json *want, struct str got)
{
    cJSON *w = cJSON_ParseWithLength(want->span.ptr, want->span.len);
    cJSON *g = cJSON_ParseWithLength(got.ptr, got.len);
    const cJSON *inner = g && g->child && cJSON_IsObject(g->child) ? g->child : g;
    const cJSON *e = NULL;
    assert_non_null(w);
    assert_non_null(g);
    cJSON_ArrayForEach(e, w)
    {
        const cJSON *has = cJSON_GetObjectItemCaseSensitive(inner, e->string);
        if (!cJSON_Compare(e, has, true))
            fail_msg("%s: %s is not as expected:\n%.*s", path, e->string, STR_ARG(got));
    }
    cJSON_Delete(w);
    cJSON_Delete(g);
}

static void check_file(const struct provider *p, const char *folder, const char *stem)
{
    auto_arena a = arena_new(CASE_ARENA);
    struct err err = {0};
    const char *in = str_c(a, str_fmt(a, "%s/%s.in.json", folder, stem));
    const struct json *root = json_parse(a, read_file(a, in), &err);
    if (!root)
        fail_msg("%s: %s", in, err.msg);
    struct send_case c;
    send_case_read(a, root, &c);

    struct buf got, again;
    buf_init(&got, FILE_MAX);
    buf_init(&again, FILE_MAX);
    dump_send_case(&got, p, a, &c);
    dump_send_case(&again, p, a, &c);
    assert_true(str_eq(buf_str(&got), buf_str(&again)));
    assert_false(has_secret(buf_str(&got), c.account.token));

    const char *out = str_c(a, str_fmt(a, "%s/%s.out.json", folder, stem));
    const char *update = getenv("UPDATE_GOLDEN"); // NOLINT(concurrency-mt-unsafe): one thread
    if (update && *update == '1')
        write_file(out, buf_str(&got));
    if (!str_eq(read_file(a, out), buf_str(&got)))
        fail_msg("%s differs (UPDATE_GOLDEN=1 rewrites it); now:\n%.*s", out,
                 STR_ARG(buf_str(&got)));
    if (json_get(root, "expect"))
        compare_expected(in, json_get(root, "expect"), buf_str(&got));
    buf_done(&got);
    buf_done(&again);
}

static int check_folder(const struct provider *p)
{
    auto_arena a = arena_new(4096);
    const char *folder = str_c(a, str_fmt(a, "%s/golden/%s/send", TESTS_DIR, p->name));
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *d;
         dir && (d = readdir(dir));) { // NOLINT(concurrency-mt-unsafe): one thread
        char *end = strstr(d->d_name, ".in.json");
        if (!end)
            continue;
        *end = '\0';
        check_file(p, folder, d->d_name);
        n++;
    }
    if (dir)
        (void)closedir(dir);
    return n;
}

static void cases_give_what_they_say(void **state)
{
    const struct provider *p = *state;
    int n = check_folder(p);
    print_message("%s: %d cases of sending\n", p->name, n);
    assert_true(n >= CASES_MIN);
}

int main(void)
{
    struct CMUnitTest tests[PROVIDERS_MAX] = {0};
    size_t n = 0;
    for (size_t i = 0; provider_at(i); i++) {
        const struct provider *p = provider_at(i);
        if (p->build && n < PROVIDERS_MAX)
            tests[n++] =
                (struct CMUnitTest){p->name, cases_give_what_they_say, NULL, NULL, (void *)p};
    }
    return _cmocka_run_group_tests("cases of sending", tests, n, NULL, NULL);
}
