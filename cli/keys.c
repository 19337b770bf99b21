/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider keys generate|rotate|status`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "mem.h"
#include "sealed.h"

#define TIMEOUT_MS  30000
#define ARENA_BYTES ((size_t)1 << 20)

static int print_out(struct buf *out)
{
    bool ok = verb_print(out);
    buf_done(out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int keys_generate_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    struct str id;
    if (!vault_generate(argv[0], &id, a, &err))
        return verb_fail("keys generate", &err);
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    struct json_out o = {.buf = &out};
    if (conf->json) {
        json_open(&o, '{');
        json_put_str(&o, "key_id", id);
        json_close(&o, '}');
        buf_putc(&out, '\n');
    } else {
        buf_putf(&out, "%.*s\n", STR_ARG(id));
    }
    return print_out(&out);
}

static bool has_ring(const struct cli_conf *conf, struct err *err)
{
    return conf->key_ring[0] ||
           err_set(err, ERR_INVALID, "which key ring? Set key_ring (POSTRIDER_KEY_RING)");
}

/* --- rotate ----------------------------------------------------------------------------------- */

/* The key under which all is to be: a new one, unless told to go on with the one that is active, or
 * a newer one waits to be made active. */
static bool choose_key(const struct cli_conf *conf, struct arena *a, struct str *id,
                       struct err *err)
{
    struct str *ids;
    size_t n, active;
    if (conf->add_only)
        return vault_add_key(conf->key_ring, false, id, a, err);
    if (!vault_keys(conf->key_ring, a, &ids, &n, &active, err))
        return false;
    if (active + 1 < n)
        return vault_activate_latest(conf->key_ring, id, a, err);
    if (!conf->resume)
        return vault_add_key(conf->key_ring, true, id, a, err);
    *id = ids[active];
    return true;
}

static void put_rotated(struct buf *out, bool json, struct str id, const struct sealed_progress *p)
{
    struct json_out o = {.buf = out};
    if (!json) {
        buf_putf(out, "active key %.*s\n%" PRId64 " secrets sealed anew\n", STR_ARG(id),
                 p->resealed);
        if (p->not_opened)
            buf_putf(out, "%" PRId64 " left, because they do not open: %s\n", p->not_opened,
                     p->first_not_opened);
        return;
    }
    json_open(&o, '{');
    json_put_str(&o, "key_id", id);
    json_put_int(&o, "resealed", p->resealed);
    json_put_int(&o, "not_opened", p->not_opened);
    if (p->not_opened)
        json_put_str(&o, "first_not_opened", str_of(p->first_not_opened));
    json_close(&o, '}');
    buf_putc(out, '\n');
}

/* With a ring that is there and a database that answers, and not before, is anything changed. */
static bool rotate(const struct cli_conf *conf, struct arena *a, struct pg *pg, struct str *id,
                   struct sealed_progress *progress, struct err *err)
{
    struct sealed_count counts[SEALED_COUNTS_MAX];
    size_t n;
    if (!sealed_count(pg, counts, &n, err) || !choose_key(conf, a, id, err))
        return false;
    struct vault *v = vault_open(conf->key_ring, err);
    bool ok = v && sealed_rotate(pg, v, progress, err);
    vault_close(v);
    return ok || err_wrap(err, "go on with `postrider keys rotate --resume`");
}

int keys_rotate_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    struct str id;
    struct sealed_progress progress = {0};
    if (!has_ring(conf, &err))
        return verb_fail("keys rotate", &err);
    if (conf->add_only) {
        if (!choose_key(conf, a, &id, &err))
            return verb_fail("keys rotate", &err);
    } else {
        auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
        if (!pg || !rotate(conf, a, pg, &id, &progress, &err))
            return verb_fail("keys rotate", &err);
    }
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    if (conf->add_only && !conf->json)
        buf_putf(&out, "added key %.*s: copy the key ring to every host, then rotate\n",
                 STR_ARG(id));
    else
        put_rotated(&out, conf->json, id, &progress);
    int status = print_out(&out);
    return progress.not_opened ? EXIT_FAILED : status;
}

/* --- status ----------------------------------------------------------------------------------- */

static const char *state_of(bool in_ring, bool is_active, int64_t rows)
{
    if (!in_ring)
        return "missing";
    return is_active ? "active" : rows ? "in use" : "unused";
}

static void put_key(struct buf *out, struct json_out *o, bool json, struct str id, int64_t rows,
                    const char *state)
{
    if (!json) {
        buf_putf(out, "%-32.*s  %-8s  %" PRId64 "\n", STR_ARG(id), state, rows);
        return;
    }
    json_open(o, '{');
    json_put_str(o, "key_id", id);
    json_put_str(o, "state", str_of(state));
    json_put_int(o, "secrets", rows);
    json_close(o, '}');
}

static int64_t take_rows(struct sealed_count *counts, size_t n, struct str id)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_c(id, counts[i].key_id)) {
            int64_t rows = counts[i].rows;
            counts[i].rows = 0;
            return rows;
        }
    return 0;
}

int keys_status_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    struct sealed_count counts[SEALED_COUNTS_MAX];
    struct str *ids;
    size_t n_counts, n, active;
    if (!has_ring(conf, &err))
        return verb_fail("keys status", &err);
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg || !sealed_count(pg, counts, &n_counts, &err) ||
        !vault_keys(conf->key_ring, a, &ids, &n, &active, &err))
        return verb_fail("keys status", &err);
    struct buf out;
    bool is_missing = false;
    buf_init(&out, VERB_OUT_MAX);
    struct json_out o = {.buf = &out};
    if (conf->json)
        json_open(&o, '[');
    else
        buf_putf(&out, "%-32s  %-8s  %s\n", "key", "state", "secrets");
    for (size_t i = 0; i < n; i++) {
        int64_t rows = take_rows(counts, n_counts, ids[i]);
        put_key(&out, &o, conf->json, ids[i], rows, state_of(true, i == active, rows));
    }
    for (size_t i = 0; i < n_counts; i++) {
        is_missing = is_missing || counts[i].rows;
        if (counts[i].rows)
            put_key(&out, &o, conf->json, str_of(counts[i].key_id), counts[i].rows,
                    state_of(false, false, counts[i].rows));
    }
    if (conf->json) {
        json_close(&o, ']');
        buf_putc(&out, '\n');
    }
    int status = print_out(&out);
    return is_missing ? EXIT_FAILED : status;
}
