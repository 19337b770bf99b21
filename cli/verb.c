/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

static const struct conf_row all_rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct cli_conf, name), preset, min, max, help},
#include "cli_conf.def"
#include "conf_groups.def"
#include "conf_kafka.def"
#undef CONF
};

static const struct conf_row *find_row(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(all_rows); i++)
        if (str_eq_c(name, all_rows[i].name))
            return &all_rows[i];
    return NULL;
}

struct conf_table verb_table(const struct verb *v, struct conf_row room[VERB_ROWS_MAX])
{
    struct str rest = str_of(v->settings), name;
    size_t n = 0;
    while (rest.len) {
        (void)str_cut(rest, ' ', &name, &rest);
        if (name.len == 0)
            continue;
        bool optional = str_ends(name, STR("?"));
        name.len -= optional;
        const struct conf_row *row = find_row(name);
        assert(row && n < VERB_ROWS_MAX); // the table of verbs names only what is there
        room[n] = *row;
        if (optional)
            room[n].preset = "";
        n++;
    }
    return (struct conf_table){.daemon = VERB_PREFIX, .rows = room, .n = n};
}

static bool is_used(const char *name)
{
    struct conf_row room[VERB_ROWS_MAX];
    for (const struct verb *v = verbs; v->name; v++) {
        struct conf_table t = verb_table(v, room);
        for (size_t i = 0; i < t.n; i++)
            if (strcmp(t.rows[i].name, name) == 0)
                return true;
    }
    return false;
}

struct conf_table verb_table_all(struct conf_row room[VERB_ROWS_MAX])
{
    static_assert(ARRAY_LEN(all_rows) <= VERB_ROWS_MAX, "room for all rows");
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(all_rows); i++)
        if (is_used(all_rows[i].name))
            room[n++] = all_rows[i];
    return (struct conf_table){.daemon = VERB_PREFIX, .rows = room, .n = n};
}

int verb_fail(const char *name, const struct err *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "postrider %s: %s\n", name, err->msg);
    return err->kind == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

bool verb_print(const struct buf *text)
{
    bool ok = text->len == 0 || fwrite(text->ptr, 1, text->len, stdout) == text->len;
    ok = fflush(stdout) == 0 && ok;
    if (text->overflow)
        (void)fprintf(stderr, "postrider: the output was cut after %zu bytes: ask for less\n",
                      text->len);
    return ok && !text->overflow;
}

void verb_put_text(struct buf *out, struct str text, bool keep_lines)
{
    while (text.len) {
        uint32_t cp;
        bool valid;
        char bytes[4];
        text = str_skip(text, utf8_next(text, &cp, &valid));
        bool is_kept = keep_lines && (cp == '\n' || cp == '\t');
        if (!is_kept && (cp < ' ' || (cp >= 0x7F && cp < 0xA0)))
            cp = ' ';
        buf_put(out, bytes, utf8_put(cp, bytes));
    }
}

void verb_help(const struct verb *v, struct buf *out)
{
    struct conf_row room[VERB_ROWS_MAX];
    struct conf_table t = verb_table(v, room);
    buf_putf(out, "usage: postrider %s%s%s%s\n\n%s\n", v->name, v->args[0] ? " " : "", v->args,
             t.n ? " [options]" : "", v->summary);
    if (t.n == 0)
        return;
    buf_putc(out, '\n');
    conf_print_help(&t, out);
}

/* The table calls all verbs by one name; whoever typed one is told of that one. */
static void print_refusal(const struct verb *v, struct str msg)
{
    static const char hint[] = "`postrider " VERB_PREFIX " --help`";
    if (str_starts(msg, STR(VERB_PREFIX ": ")))
        msg = str_skip(msg, sizeof(VERB_PREFIX ": ") - 1);
    const char *at = memmem(msg.ptr, msg.len, hint, sizeof hint - 1);
    struct str before = {msg.ptr, at ? (size_t)(at - msg.ptr) : msg.len};
    struct str after = str_skip(msg, before.len + sizeof hint - 1);
    (void)fprintf(stderr, "postrider %s: %.*s", v->name, STR_ARG(before));
    if (at)
        (void)fprintf(stderr, "`postrider %s --help`%.*s", v->name, STR_ARG(after));
    (void)fputc('\n', stderr);
}

static int run_loaded(const struct verb *v, const struct cli_conf *conf, int n_rest, char **argv)
{
    struct err err = {0};
    if (n_rest < v->min_args || n_rest > v->max_args) {
        err_set(&err, ERR_INVALID, "want `postrider %s%s%s`: see `postrider %s --help`", v->name,
                v->args[0] ? " " : "", v->args, v->name);
        return verb_fail(v->name, &err);
    }
    return v->run(conf, n_rest, argv);
}

int verb_run(const struct verb *v, int argc, char **argv)
{
    struct conf_row room[VERB_ROWS_MAX];
    struct conf_table t = verb_table(v, room);
    struct cli_conf conf = {0};
    struct err err = {0};
    int n_rest = 0;
    bool loaded = conf_load(&t, &conf, argc, argv, &n_rest, &err);
    int status = loaded ? run_loaded(v, &conf, n_rest, argv) : EXIT_USAGE;
    if (!loaded)
        print_refusal(v, str_of(err.msg));
    conf_done(&t, &conf);
    return status;
}
