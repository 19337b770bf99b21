/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider quarantine list|show`. */
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crypto.h"
#include "database.h"
#include "id.h"
#include "json.h"
#include "mem.h"
#include "records.h"
#include "tenant_id.h"

#define TIMEOUT_MS  15000
#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

// clang-format off
static const char list_sql[] =
    "SELECT id, " UTC("received_at") ", tenant_id, provider, account, reason, detail, "
    UTC("replayed_at") " FROM quarantine WHERE ($1::uuid IS NULL OR tenant_id = $1::uuid) "
    "AND ($2::text IS NULL OR reason = $2) AND dropped_at IS NULL "
    "ORDER BY received_at DESC, id LIMIT $3::bigint";
// clang-format on

static int list(struct pg *pg, const char *tenant, const struct cli_conf *conf, struct err *err)
{
    static const char *const titles[] = {"id",      "received_at", "tenant_id", "provider",
                                         "account", "reason",      "detail",    "replayed_at"};
    char limit[24];
    (void)snprintf(limit, sizeof limit, "%lld", (long long)conf->limit);
    const char *const values[] = {tenant, conf->reason[0] ? conf->reason : NULL, limit};
    auto_result r = database_query(pg, list_sql, values, 3, err);
    if (!r)
        return verb_fail("quarantine list", err);
    return database_show(r, titles, ARRAY_LEN(titles), conf->json);
}

int quarantine_list_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct err err = {0};
    char tenant[UUID_TEXT + 1];
    if (conf->tenant[0] && !tenant_id_parse(conf->tenant, tenant, &err))
        return verb_fail("quarantine list", &err);
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("quarantine list", &err);
    return list(pg, conf->tenant[0] ? tenant : NULL, conf, &err);
}

static const char *const fields[] = {
    "id",        "tenant_id", "provider",    "account",   "reason",      "detail",     "topic",
    "partition", "offset",    "received_at", "stored_at", "replayed_at", "dropped_at", "headers"};

/* The body as people can read it: a record of ours decoded, else text; absent: neither. */
static struct str readable(struct arena *a, struct str bytes, const struct cli_conf *conf,
                           struct buf *room, bool *is_json)
{
    struct err err = {0};
    struct codec *codec = codec_new(conf->schema_registry_url, conf->topic_prefix, &err);
    *is_json = codec && decode_to_json(codec, a, bytes, room, &err);
    codec_free(codec);
    if (*is_json)
        return buf_str(room);
    return str_utf8(a, bytes).ptr == bytes.ptr ? bytes : STR_NONE;
}

static void put_body(struct json_out *o, struct arena *a, struct str bytes, struct str text,
                     bool is_json)
{
    if (is_json)
        json_put_raw(o, "record", text);
    else if (text.ptr)
        json_put_str(o, "body", text);
    else
        json_put_str(o, "body_base64", base64_encode(a, bytes));
}

static void put_fields(struct json_out *o, const struct pg_result *r)
{
    for (int i = 0; i < (int)ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i], "headers") == 0)
            json_put_raw(o, fields[i], pg_text(r, 0, i));
        else
            json_put_str(o, fields[i], pg_text(r, 0, i));
    }
}

static void put_field(struct buf *out, const char *name, struct str value)
{
    buf_putf(out, "%-12s ", name);
    verb_put_text(out, value, false);
    buf_putc(out, '\n');
}

static int show(const struct pg_result *r, const struct cli_conf *conf)
{
    struct buf out, room;
    auto_arena a = arena_new(64 << 20);
    struct str bytes = STR_NONE;
    bool is_json;
    buf_init(&out, VERB_OUT_MAX);
    buf_init(&room, VERB_OUT_MAX);
    // It comes in base64, because it may be anything.
    if (!base64_decode(a, pg_text(r, 0, ARRAY_LEN(fields)), &bytes))
        bytes = STR_NONE;
    struct str text = readable(a, bytes, conf, &room, &is_json);
    struct json_out o = {.buf = &out};
    if (conf->json) {
        json_open(&o, '{');
        put_fields(&o, r);
        put_body(&o, a, bytes, text, is_json);
        json_close(&o, '}');
    } else {
        for (int i = 0; i < (int)ARRAY_LEN(fields); i++)
            if (!pg_null(r, 0, i))
                put_field(&out, fields[i], pg_text(r, 0, i));
        buf_putc(&out, '\n');
        // In a file it is to stand as it came.
        if (text.ptr && isatty(STDOUT_FILENO) == 1)
            verb_put_text(&out, text, true);
        else
            buf_put_str(&out, text.ptr ? text : base64_encode(a, bytes));
    }
    buf_putc(&out, '\n');
    bool ok = verb_print(&out);
    buf_done(&out);
    buf_done(&room);
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* The columns of `fields`, then the body. */
// clang-format off
static const char show_sql[] =
    "SELECT id, tenant_id, provider, account, reason, detail, topic, partition, \"offset\", "
    UTC("received_at") ", " UTC("stored_at") ", " UTC("replayed_at") ", " UTC("dropped_at") ", "
    "headers, translate(encode(body, 'base64'), E'\\n', '') "
    "FROM quarantine WHERE id = $1::uuid";
// clang-format on

int quarantine_show_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    struct err err = {0};
    struct uuid id;
    if (!uuid_parse(str_of(argv[0]), &id)) {
        err_set(&err, ERR_INVALID, "'%.64s' is not a record's id: see `postrider quarantine list`",
                argv[0]);
        return verb_fail("quarantine show", &err);
    }
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("quarantine show", &err);
    const char *const values[] = {argv[0]};
    auto_result r = database_query(pg, show_sql, values, 1, &err);
    if (r && pg_rows(r) == 1)
        return show(r, conf);
    if (r)
        err_set(&err, ERR_ABSENT, "there is no quarantined record %s", argv[0]);
    return verb_fail("quarantine show", &err);
}
