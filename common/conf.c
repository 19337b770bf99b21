/* SPDX-License-Identifier: Apache-2.0 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_value.h"
#include "crypto.h"
#include "mem.h"

#define FILE_MAX_BYTES   ((size_t)1 << 20)
#define SECRET_MAX_BYTES ((size_t)64 << 10)
#define NAME_MAX_BYTES   128
#define SOURCE_MAX_BYTES 160

/* Where a value came from; a later one wins. */
enum rank { FROM_NOWHERE, FROM_FILE, FROM_ENV, FROM_ARGS };

struct given {
    enum rank rank;
    char *text;
    char source[SOURCE_MAX_BYTES]; /* as the error names it */
};

struct loading {
    const struct conf_table *t;
    struct given *given; /* one a row */
    const char *file;    /* from --config; borrowed from argv */
    struct err *err;
};

static void wipe_free(char *text)
{
    if (text)
        crypto_wipe(text, strlen(text));
    free(text);
}

static void give(struct loading *l, size_t row, enum rank rank, struct str text, const char *source)
{
    struct given *g = &l->given[row];
    if (g->rank > rank)
        return;
    wipe_free(g->text);
    g->text = xstrndup(text.ptr ? text.ptr : "", text.len);
    g->rank = rank;
    (void)snprintf(g->source, sizeof(g->source), "%s", source);
}

static bool find_row(const struct conf_table *t, const char *name, size_t *row)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->rows[i].name, name) == 0) {
            *row = i;
            return true;
        }
    }
    return false;
}

/* The file's bytes, up to `max`. On success the caller wipes and frees *out. */
static bool read_whole(const char *path, size_t max, char **out, size_t *len, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_INVALID, "cannot open %s: %s", path, strerrordesc_np(errno));
    char *text = xalloc(max + 1);
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n <= max) {
        got = read(fd, text + n, max + 1 - n);
        if (got > 0)
            n += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    int failed = got < 0 ? errno : 0;
    (void)close(fd);
    const char *why = failed               ? strerrordesc_np(failed)
                      : n > max            ? "it is too large"
                      : memchr(text, 0, n) ? "it holds a NUL byte"
                                           : NULL;
    if (why) {
        crypto_wipe(text, n);
        free(text);
        return err_set(err, ERR_INVALID, "cannot read %s: %s", path, why);
    }
    text[n] = '\0';
    *out = text;
    *len = n;
    return true;
}

/* A secret that stands in a file of its own; the line end that editors add is not part of it. */
static bool give_secret_file(struct loading *l, size_t row, enum rank rank, const char *path,
                             const char *source)
{
    char *text = NULL;
    size_t len = 0;
    if (!read_whole(path, SECRET_MAX_BYTES, &text, &len, l->err))
        return err_wrap(l->err, "%s: setting %s from %s", l->t->daemon, l->t->rows[row].name,
                        source);
    struct str value = {text, len};
    while (str_ends(value, STR("\n")) || str_ends(value, STR("\r")))
        value.len--;
    give(l, row, rank, value, source);
    crypto_wipe(text, len);
    free(text);
    return true;
}

/* Names of the row in the environment, the first wins. Returns how many. */
static size_t env_names(const struct conf_table *t, const char *name, char out[3][NAME_MAX_BYTES])
{
    size_t n = 0;
    (void)snprintf(out[n++], NAME_MAX_BYTES, "POSTRIDER_%s_%s", t->daemon, name);
    (void)snprintf(out[n++], NAME_MAX_BYTES, "POSTRIDER_%s", name);
    // Deployments that existed before us have these names.
    if (str_starts(str_of(name), STR("instagram_")))
        (void)snprintf(out[n++], NAME_MAX_BYTES, "%s", name);
    for (size_t i = 0; i < n; i++) {
        for (char *p = out[i]; *p != '\0'; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p == '-' ? '_' : *p);
    }
    return n;
}

static const char *read_env(const char *name)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): settings are read before the first thread starts
    return getenv(name);
}

static bool load_env_name(struct loading *l, size_t row, const char *name)
{
    enum conf_type type = l->t->rows[row].type;
    const char *value = read_env(name);
    // Compose files and unit files set what they do not know to nothing: that is no number.
    if (value && *value == '\0' && !conf_is_text(type))
        value = NULL;
    if (type == CONF_SECRET) {
        char file_name[NAME_MAX_BYTES + 8];
        (void)snprintf(file_name, sizeof(file_name), "%s_FILE", name);
        const char *path = read_env(file_name);
        bool has_path = path && *path != '\0';
        if (has_path && value && *value != '\0')
            return err_set(l->err, ERR_INVALID, "%s: both %s and %s are set: keep one of them",
                           l->t->daemon, name, file_name);
        if (has_path)
            return give_secret_file(l, row, FROM_ENV, path, file_name);
    }
    if (value)
        give(l, row, FROM_ENV, str_of(value), name);
    return true;
}

static bool load_env(struct loading *l)
{
    for (size_t i = 0; i < l->t->n; i++) {
        char names[3][NAME_MAX_BYTES];
        size_t n = env_names(l->t, l->t->rows[i].name, names);
        // From the last to the first, so that the first wins.
        while (n > 0) {
            if (!load_env_name(l, i, names[--n]))
                return false;
        }
    }
    return true;
}

/* What stands before a `#` that begins the line or follows white space. */
static struct str without_comment(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '#' && (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
            line.len = i;
    }
    return str_trim(line);
}

static bool load_line(struct loading *l, struct str line, int number)
{
    char source[SOURCE_MAX_BYTES], name[NAME_MAX_BYTES];
    struct str key, value;
    line = without_comment(line);
    if (line.len == 0)
        return true;
    (void)snprintf(source, sizeof(source), "%s:%d", l->file, number);
    if (!str_cut(line, '=', &key, &value))
        return err_set(l->err, ERR_INVALID, "%s: %s: want `name = value`", l->t->daemon, source);
    key = str_trim(key);
    value = str_trim(value);
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(key));

    size_t row;
    if (find_row(l->t, name, &row)) {
        give(l, row, FROM_FILE, value, source);
        return true;
    }
    bool is_file = str_ends(key, STR("_file")) && key.len < sizeof(name);
    if (is_file)
        name[key.len - strlen("_file")] = '\0';
    if (is_file && find_row(l->t, name, &row) && l->t->rows[row].type == CONF_SECRET) {
        char *path = xstrndup(value.ptr, value.len);
        bool ok = give_secret_file(l, row, FROM_FILE, path, source);
        free(path);
        return ok;
    }
    return err_set(l->err, ERR_INVALID,
                   "%s: %s: there is no setting %.*s: see `postrider %s --help` for all of them",
                   l->t->daemon, source, STR_ARG(key), l->t->daemon);
}

static bool load_file(struct loading *l)
{
    if (!l->file)
        return true;
    char *text = NULL;
    size_t len = 0;
    if (!read_whole(l->file, FILE_MAX_BYTES, &text, &len, l->err))
        return err_wrap(l->err, "%s: --config", l->t->daemon);
    struct str rest = {text, len}, line;
    bool ok = true;
    for (int number = 1; ok && rest.len > 0; number++) {
        str_cut(rest, '\n', &line, &rest);
        ok = load_line(l, line, number);
    }
    crypto_wipe(text, len); // secrets may stand in it
    free(text);
    return ok;
}

static bool load_option(struct loading *l, const char *word, const char *name, const char *value)
{
    size_t row = 0;
    bool is_config = strcmp(name, "config") == 0;
    if (!is_config && !find_row(l->t, name, &row))
        return err_set(l->err, ERR_INVALID,
                       "%s: unknown option %s: see `postrider %s --help` for all of them",
                       l->t->daemon, word, l->t->daemon);
    if (!is_config && l->t->rows[row].type == CONF_SECRET) {
        char names[3][NAME_MAX_BYTES];
        env_names(l->t, name, names);
        return err_set(l->err, ERR_INVALID,
                       "%s: setting %s is a secret and is not taken from the command line, where "
                       "others can read it: set %s or %s_FILE",
                       l->t->daemon, name, names[1], names[1]);
    }
    if (!value)
        return err_set(l->err, ERR_INVALID, "%s: option %s wants a value", l->t->daemon, word);
    if (is_config) {
        l->file = value;
        return true;
    }
    char source[SOURCE_MAX_BYTES];
    (void)snprintf(source, sizeof(source), "--%s", name);
    give(l, row, FROM_ARGS, str_of(value), source);
    return true;
}

/* A switch that stands alone, `--json`, is on. */
static bool is_flag(const struct conf_table *t, const char *name, const char *following)
{
    size_t row;
    if (!find_row(t, name, &row) || t->rows[row].type != CONF_BOOL)
        return false;
    return !following || (strcmp(following, "true") != 0 && strcmp(following, "false") != 0);
}

/* `--x=VALUE`, or `--x` with `following` as its value; *used tells whether that was taken. */
static bool load_word(struct loading *l, const char *word, const char *following, bool *used)
{
    char name[NAME_MAX_BYTES];
    struct str head, value;
    bool has_value = str_cut(str_skip(str_of(word), 2), '=', &head, &value);
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(head));
    for (char *p = name; *p != '\0'; p++)
        *p = (char)(*p == '-' ? '_' : *p);
    // A single dash begins no option of ours; "" is no setting's name, so it is refused as unknown.
    if (word[1] != '-')
        name[0] = '\0';

    *used = false;
    if (has_value)
        return load_option(l, word, name, value.ptr);
    if (is_flag(l->t, name, following))
        return load_option(l, word, name, "true");
    *used = following != NULL;
    return load_option(l, word, name, following);
}

static bool load_args(struct loading *l, int argc, char **argv, int *n_rest)
{
    int rest = 0;
    bool options = true;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] != '\0') {
            bool used;
            if (!load_word(l, word, i + 1 < argc ? argv[i + 1] : NULL, &used))
                return false;
            i += used;
        } else if (n_rest) {
            argv[rest++] = word;
        } else {
            return err_set(l->err, ERR_INVALID,
                           "%s: unexpected word '%.80s': see `postrider %s --help`", l->t->daemon,
                           word, l->t->daemon);
        }
    }
    if (n_rest)
        *n_rest = rest;
    return true;
}

static bool missing(const struct loading *l, const struct conf_row *row)
{
    char names[3][NAME_MAX_BYTES];
    size_t n = env_names(l->t, row->name, names);
    struct buf how;
    buf_init(&how, 512);
    for (size_t i = 0; i < n; i++)
        buf_putf(&how, "%s%s", i == 0 ? "" : " or ", names[i]);
    if (row->type == CONF_SECRET)
        buf_putf(&how, " (or %s_FILE, the name of a file that holds it)", names[1]);
    else
        buf_putf(&how, " or --%s", row->name);
    err_set(l->err, ERR_INVALID,
            "%s: setting %s is required: set %.*s, or %s = VALUE in a --config file", l->t->daemon,
            row->name, STR_ARG(buf_str(&how)), row->name);
    buf_done(&how);
    return false;
}

static bool refuse(const struct loading *l, const struct conf_row *row, const char *source,
                   const char *text)
{
    struct buf want;
    buf_init(&want, 256);
    conf_describe(row, &want);
    bool secret = row->type == CONF_SECRET;
    err_set(l->err, ERR_INVALID, "%s: setting %s from %s is %s%.60s%s: want %.*s", l->t->daemon,
            row->name, source, secret ? "" : "'", secret ? "not usable" : text, secret ? "" : "'",
            STR_ARG(buf_str(&want)));
    buf_done(&want);
    return false;
}

static bool set_row(const struct loading *l, size_t i, void *conf)
{
    const struct conf_row *row = &l->t->rows[i];
    const struct given *g = &l->given[i];
    const char *text = g->text ? g->text : row->preset;
    const char *source = g->text ? g->source : "its default";
    if (!text || (*text == '\0' && !row->preset))
        return missing(l, row);

    char *at = (char *)conf + row->offset;
    int64_t v = 0;
    bool is_text = conf_is_text(row->type);
    if (is_text)
        v = (int64_t)strlen(text);
    else if (!conf_parse_number(row->type, str_of(text), &v))
        return refuse(l, row, source, text);
    if (!conf_in_range(row, v))
        return refuse(l, row, source, text);

    if (is_text) {
        char *copy = xstrdup(text);
        memcpy(at, &copy, sizeof(copy));
    } else if (row->type == CONF_BOOL) {
        bool yes = v != 0;
        memcpy(at, &yes, sizeof(yes));
    } else {
        memcpy(at, &v, sizeof(v));
    }
    return true;
}

bool conf_load(const struct conf_table *t, void *conf, int argc, char **argv, int *n_rest,
               struct err *err)
{
    struct loading l = {.t = t, .err = err, .given = xalloc(t->n * sizeof(*l.given))};
    bool ok = load_args(&l, argc, argv, n_rest) && load_file(&l) && load_env(&l);
    for (size_t i = 0; ok && i < t->n; i++)
        ok = set_row(&l, i, conf);
    if (!ok)
        conf_done(t, conf);
    for (size_t i = 0; i < t->n; i++)
        wipe_free(l.given[i].text);
    free(l.given);
    return ok;
}

void conf_done(const struct conf_table *t, void *conf)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!conf_is_text(t->rows[i].type))
            continue;
        char *at = (char *)conf + t->rows[i].offset, *text;
        memcpy(&text, at, sizeof(text));
        wipe_free(text);
        text = NULL;
        memcpy(at, &text, sizeof(text));
    }
}
