/* SPDX-License-Identifier: Apache-2.0 */
/* Every tests/golden/<provider>/NN-what.in.json gives its .out.json (UPDATE_GOLDEN=1 rewrites it),
 * keeps the properties, and agrees with what oracle.json says of it. The oracle was not made by
 * this code. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "golden/properties.h"
#include "test.h"

static struct str read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return STR_NONE;
    char *text = arena_alloc(a, (size_t)4 << 20);
    size_t n = fread(text, 1, (size_t)4 << 20, f);
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

/* --- the oracle ------------------------------------------------------------------------------- */

static const cJSON *oracle;

static void expect_str(const char *file, const cJSON *row, const char *member, struct str got)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(row, member);
    if (!want)
        return;
    if (cJSON_IsNull(want) ? got.len != 0 : !str_eq_c(got, want->valuestring))
        fail_msg("%s: %s is '%.*s', the oracle says '%s'", file, member, STR_ARG(got),
                 cJSON_IsNull(want) ? "null" : want->valuestring);
}

static void expect_type(const char *file, const cJSON *content, size_t i, struct str got)
{
    const cJSON *want = cJSON_GetArrayItem(content, (int)i);
    if (!want || !str_eq_c(got, want->valuestring))
        fail_msg("%s: content %zu is '%.*s'", file, i, STR_ARG(got));
}

/* The oracle lists the text as the first of the parts. */
static void expect_content(const char *file, const cJSON *row, const struct event *e)
{
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(row, "content");
    if (!content)
        return;
    size_t n = 0;
    if (e->text.len)
        expect_type(file, content, n++, STR("text"));
    for (size_t i = 0; i < e->n_parts; i++)
        expect_type(file, content, n++, e->parts[i].type);
    assert_int_equal(n, cJSON_GetArraySize(content));
}

static struct str extra_text(struct arena *a, const struct event *e, const char *key)
{
    struct err err = {0};
    return e->extra.ptr ? json_text(a, json_get(json_parse(a, e->extra, &err), key)) : STR_NONE;
}

static bool extra_is(struct arena *a, const struct event *e, const char *key)
{
    struct err err = {0};
    return e->extra.ptr && json_truthy(json_get(json_parse(a, e->extra, &err), key));
}

/* Words of the oracle, and ours where they differ. "ignored" may also be no event, for what is
 * known and useless. */
static const struct {
    const char *theirs, *ours;
} words[] = {
    {"ignored", "unknown"},
    {"account_error", "account_status"},
    {"restricted", "error"},
    {"quality", ""}, // told, and the account works as before
};

static const char *our_word(const cJSON *theirs)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(theirs->valuestring, words[i].theirs) == 0)
            return words[i].ours;
    }
    return theirs->valuestring;
}

static void expect_word(const char *file, const cJSON *row, const char *member, struct str got)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(row, member);
    if (cJSON_IsString(want) && !str_eq_c(got, our_word(want)))
        fail_msg("%s: %s is '%.*s', the oracle says '%s'", file, member, STR_ARG(got),
                 want->valuestring);
}

static void expect_number(const char *file, const cJSON *row, const char *member, struct str got)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(row, member);
    int64_t n = 0;
    if (want && (!str_i64(got, &n) || n != (int64_t)want->valuedouble))
        fail_msg("%s: %s is '%.*s', the oracle says %.0f", file, member, STR_ARG(got),
                 want->valuedouble);
}

static void expect_event(struct arena *a, const char *file, const cJSON *row, const struct event *e)
{
    static const char *const directions[] = {"", "in", "out"};
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(row, "kind");
    bool ignored = strcmp(kind->valuestring, "ignored") == 0;
    expect_word(file, row, "kind", str_of(event_kind_name(e->kind)));
    expect_str(file, row, "direction", str_of(directions[e->direction]));
    expect_str(file, row, "account_key", e->account);
    expect_str(file, row, "conversation_id", e->conversation);
    if (!ignored) {
        expect_str(file, row, "sender", e->sender);
        expect_str(file, row, "recipient", e->recipient);
    }
    expect_str(file, row, "external_id", e->external_id);
    expect_str(file, row, "target_id", e->target_id);
    expect_str(file, row, "reply_to", e->reply_to);
    expect_str(file, row, "payload", e->payload);
    expect_str(file, row, "referral", e->referral);
    expect_str(file, row, "reaction", e->text);
    expect_word(file, row, "status", e->status);
    expect_str(file, row, "client_ref", e->client_ref);
    expect_str(file, row, "metadata", e->client_ref);
    expect_number(file, row, "error_code", e->provider_status);
    expect_number(file, row, "watermark_ms", str_fmt(a, "%lld", (long long)e->watermark_at_ms));
    expect_str(file, row, "provider_status", e->provider_status);
    expect_str(file, row, "system", extra_text(a, e, "system"));
    expect_str(file, row, "story_id", extra_text(a, e, "story_id"));
    expect_str(file, row, "tenant_ref", extra_text(a, e, "tenant_ref"));
    expect_str(file, row, "new_id", extra_text(a, e, "new_id"));
    expect_str(file, row, "value", extra_text(a, e, "value"));
    const cJSON *ts = cJSON_GetObjectItemCaseSensitive(row, "ts_ms");
    assert_true(e->at_ms == (cJSON_IsNull(ts) ? 0 : (int64_t)ts->valuedouble));
    static const char *const flags[] = {"standby", "test"};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, flags[i])),
                         extra_is(a, e, flags[i]));
    expect_content(file, row, e);
}

static void check_oracle(const struct provider *p, const char *stem, struct str body)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(body.len));
    const char *file = str_c(a, str_fmt(a, "%s/%s", p->name, stem));
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(oracle, file);
    if (!rows)
        return;
    struct unit unit = {.body = body, .account = PATH_REST};
    struct events ev = {0};
    struct err err = {0};
    assert_true(p->parse(a, &unit, &ev, &err));

    const cJSON *account = cJSON_GetObjectItemCaseSensitive(rows, "account_key");
    size_t n = 0;
    const cJSON *row = NULL;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(rows, "events"))
    {
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(row, "kind");
        if (n == ev.n && strcmp(kind->valuestring, "ignored") == 0)
            continue;
        assert_true(n < ev.n);
        if (!cJSON_HasObjectItem(row, "account_key"))
            assert_true(str_eq_c(ev.items[n].account, account->valuestring));
        expect_event(a, file, row, &ev.items[n++]);
    }
    assert_int_equal(n, ev.n);
}

/* --- the files -------------------------------------------------------------------------------- */

static void check_file(const struct provider *p, const char *folder, const char *stem)
{
    auto_arena files = arena_new((size_t)16 << 20);
    struct str body = read_file(files, str_c(files, str_fmt(files, "%s/%s.in.json", folder, stem)));
    assert_non_null(body.ptr);
    (void)check_body(p, body);
    check_oracle(p, stem, body);

    auto_arena a = arena_new(2 * PROVIDER_ARENA_MAX(body.len));
    struct buf got;
    buf_init(&got, DUMP_MAX);
    dump_body(&got, p, a, body);
    const char *path = str_c(files, str_fmt(files, "%s/%s.out.json", folder, stem));
    const char *update = getenv("UPDATE_GOLDEN"); // NOLINT(concurrency-mt-unsafe): one thread
    if (update && *update == '1')
        write_file(path, buf_str(&got));
    struct str want = read_file(files, path);
    if (!str_eq(want, buf_str(&got)))
        fail_msg("%s differs (UPDATE_GOLDEN=1 rewrites it); now:\n%.*s", path,
                 STR_ARG(buf_str(&got)));
    buf_done(&got);
}

static int check_folder(const struct provider *p)
{
    auto_arena a = arena_new(4096);
    const char *folder = str_c(a, str_fmt(a, "%s/golden/%s", TESTS_DIR, p->name));
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

static void golden_files_are_read_as_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; provider_at(i); i++) {
        int n = check_folder(provider_at(i));
        print_message("%s: %d golden files\n", provider_at(i)->name, n);
        assert_true(n >= 30);
    }
}

static int load_oracle(void **state)
{
    auto_arena a = arena_new((size_t)16 << 20);
    struct str text = read_file(a, TESTS_DIR "/golden/oracle.json");
    oracle = cJSON_ParseWithLength(text.ptr, text.len);
    *state = NULL;
    return oracle ? 0 : -1;
}

static int free_oracle(void **state)
{
    (void)state;
    cJSON_Delete((cJSON *)oracle);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files_are_read_as_they_say),
    };
    return cmocka_run_group_tests(tests, load_oracle, free_oracle);
}
