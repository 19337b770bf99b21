/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider watch`: follows the inbound and updates topics and the stream, and shows each event as
 * one line. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "id.h"
#include "json.h"
#include "mem.h"
#include "provider.h"
#include "records.h"
#include "signals.h"
#include "stream_client.h"
#include "tenant_id.h"
#include "topic_reader.h"
#include "watch_line.h"

#define BATCH             200
#define RECORD_MAX        (64 << 20)
#define STREAM_TIMEOUT_MS 5000
#define STREAM_RETRY_MS   2000
#define TOKEN_TTL_MS      (12LL * 60 * 60 * 1000)

struct watch {
    const struct cli_conf *conf;
    struct topic_reader reader;
    const char *inbound, *updates; /* topics' names */
    struct codec *codec;
    struct arena *arena; /* one record or frame */
    struct stream_client *stream;
    struct str token; /* absent: the stream is not followed */
    int64_t stream_retry_ms;
    bool stream_told; /* that it is away: once is enough */
    struct journal journal;
    struct watch_style style;
    struct buf out;
    int64_t shown;
    int signals;
    bool reader_gone; /* nobody reads stdout any more */
};

static bool is_enough(const struct watch *w)
{
    return w->reader_gone || (w->conf->count > 0 && w->shown >= w->conf->count);
}

static void show(void *ctx, const struct journal_entry *e)
{
    struct watch *w = ctx;
    if (is_enough(w))
        return;
    w->shown++;
    buf_clear(&w->out);
    watch_line(&w->style, e, &w->out);
    w->reader_gone = !verb_print(&w->out);
}

static struct str first(struct str a, struct str b)
{
    return a.len ? a : b;
}

static void note_event(struct watch *w, struct journal_inbound *in, const struct event *ev)
{
    in->kind = ev ? str_of(event_kind_name(ev->kind)) : STR("unreadable");
    in->external_id = ev ? first(ev->external_id, ev->target_id) : STR_NONE;
    // What is about another message is found by that one.
    if (ev && ev->kind != EVENT_MESSAGE)
        in->external_id = first(ev->target_id, ev->external_id);
    struct str text = ev ? first(ev->text, ev->status) : STR_NONE;
    if (ev && !text.len && ev->n_parts)
        text = str_fmt(w->arena, "(%.*s)", STR_ARG(ev->parts[0].type));
    in->text = str_utf8(w->arena, text);
    journal_inbound(&w->journal, in, clock_ms());
}

static void on_inbound(struct watch *w, const struct record *r)
{
    struct err err;
    struct webhook_event v;
    if (!decode_webhook_event(w->codec, w->arena, r->value, &v, &err))
        return;
    if (w->conf->tenant[0] && v.tenant_id.len && !str_eq_c(v.tenant_id, w->conf->tenant))
        return;
    struct journal_inbound in = {.trace = traceparent_trace_id(record_header(r, "traceparent")),
                                 .provider = v.provider,
                                 .conversation = v.conversation,
                                 .received_at_ms = v.received_at_ms,
                                 .published_at_ms = r->timestamp_at_ms};
    const struct provider *p = provider_find(v.provider);
    struct unit unit = {.account = v.account,
                        .account_type = v.account_type,
                        .conversation = v.conversation,
                        .body = v.body};
    struct events events = {0};
    if (!p || !p->parse(w->arena, &unit, &events, &err)) {
        note_event(w, &in, NULL);
        return;
    }
    for (size_t i = 0; i < events.n; i++)
        note_event(w, &in, &events.items[i]);
}

/* External id of the message that an update's data is about. */
static struct str external_id_of(struct arena *a, const struct json *data)
{
    struct str id = json_text(a, json_get(data, "external_message_id"));
    return id.len ? id : json_text(a, json_get(data, "external_id"));
}

/* A message that we send: its status is what happened. One that went away into another is no news.
 */
static void note_own(struct watch *w, struct journal_update *u, const struct json *data)
{
    struct arena *a = w->arena;
    if (!str_eq_c(json_text(a, json_get(data, "direction")), "out") ||
        str_eq_c(u->kind, "message.deleted"))
        return;
    struct str body = json_text(a, json_get(data, "body"));
    u->status = json_text(a, json_get(data, "status"));
    u->provider = json_text(a, json_get(data, "provider"));
    u->conversation = json_text(a, json_get(data, "conversation_id"));
    u->text = str_utf8(
        a, body.len ? body : str_fmt(a, "(%.*s)", STR_ARG(json_text(a, json_get(data, "kind")))));
}

static void on_update(struct watch *w, const struct record *r)
{
    struct err err;
    struct update v;
    if (!decode_update(w->codec, w->arena, r->value, &v, &err))
        return;
    if (w->conf->tenant[0] && !str_eq_c(v.tenant_id, w->conf->tenant))
        return;
    const struct json *data = json_parse(w->arena, v.data, &err);
    struct journal_update u = {.trace = traceparent_trace_id(record_header(r, "traceparent")),
                               .id = v.id,
                               .kind = v.kind,
                               .object_id = v.object_id,
                               .external_id = external_id_of(w->arena, data),
                               .stored_at_ms = v.at_ms};
    note_own(w, &u, data);
    journal_update(&w->journal, &u, clock_ms());
}

static int64_t frame_time(struct arena *a, const struct json *at)
{
    int64_t at_ms = 0;
    if (!json_i64(at, &at_ms) && !clock_parse(json_text(a, at), &at_ms))
        return 0;
    return at_ms;
}

static void on_frame(void *ctx, struct str text)
{
    struct watch *w = ctx;
    struct err err;
    int64_t pushed_at_ms = clock_at_ms();
    arena_reset(w->arena);
    const struct json *frame = json_parse(w->arena, text, &err);
    struct str type = json_text(w->arena, json_get(frame, "type"));
    if (str_eq_c(type, "error")) {
        (void)fprintf(stderr, "postrider watch: the stream says: %.*s\n",
                      STR_ARG(json_text(w->arena, json_get(frame, "message"))));
        return;
    }
    if (!str_eq_c(type, "update"))
        return;
    const struct json *data = json_get(frame, "data");
    struct journal_update u = {.trace = json_text(w->arena, json_get(frame, "trace")),
                               .id = json_text(w->arena, json_get(frame, "id")),
                               .kind = json_text(w->arena, json_get(frame, "kind")),
                               .object_id = json_text(w->arena, json_get(data, "id")),
                               .external_id = external_id_of(w->arena, data),
                               .stored_at_ms = frame_time(w->arena, json_get(frame, "at"))};
    note_own(w, &u, data);
    journal_frame(&w->journal, &u, pushed_at_ms, clock_ms());
}

static void open_stream(struct watch *w)
{
    struct err err = {0};
    w->stream = stream_open(w->conf->stream_url, w->token, STREAM_TIMEOUT_MS, on_frame, w, &err);
    w->stream_retry_ms = clock_ms() + STREAM_RETRY_MS;
    if (!w->stream && !w->stream_told)
        (void)fprintf(stderr, "postrider watch: %s; trying again\n", err.msg);
    w->stream_told = !w->stream;
}

static void turn_stream(struct watch *w)
{
    struct err err = {0};
    if (w->stream && !stream_turn(w->stream, &err)) {
        (void)fprintf(stderr, "postrider watch: %s; trying again\n", err.msg);
        stream_close(TAKE(w->stream));
    }
    if (!w->stream && w->token.len && clock_ms() >= w->stream_retry_ms)
        open_stream(w);
}

static bool turn_topics(struct watch *w, struct err *err)
{
    struct record records[BATCH];
    int n = consumer_poll(w->reader.consumer, records, BATCH, 0, err);
    for (int i = 0; i < n; i++) {
        arena_reset(w->arena);
        if (strcmp(records[i].topic, w->inbound) == 0)
            on_inbound(w, &records[i]);
        else
            on_update(w, &records[i]);
        record_free(&records[i]);
    }
    return n >= 0;
}

static int loop(struct watch *w)
{
    struct err err = {0};
    struct pollfd fds[3] = {{.events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
    for (;;) {
        fds[0].fd = w->signals;
        fds[1].fd = consumer_fd(w->reader.consumer);
        fds[2].fd = w->stream ? stream_fd(w->stream) : -1;
        (void)poll(fds, ARRAY_LEN(fds), 50);
        if (fds[0].revents || is_enough(w))
            return EXIT_OK;
        if (!turn_topics(w, &err))
            return verb_fail("watch", &err);
        turn_stream(w);
        journal_expire(&w->journal, clock_ms());
    }
}

/* The token that is given, or one of our own for the tenant. */
static bool find_token(struct watch *w, struct arena *a, struct err *err)
{
    const struct cli_conf *conf = w->conf;
    w->token = str_of(conf->demo_token);
    if (w->token.len)
        return true;
    if (conf->jwt_secret[0] && conf->tenant[0])
        return tenant_token(a, conf->tenant, conf, TOKEN_TTL_MS, &w->token, err);
    (void)fprintf(stderr, "postrider watch: no token, so what is pushed is not seen: set "
                          "POSTRIDER_DEMO_TOKEN, or POSTRIDER_JWT_SECRET and --tenant\n");
    return true;
}

static bool open_all(struct watch *w, struct arena *a, struct err *err)
{
    const char *prefix = w->conf->topic_prefix;
    w->inbound = str_c(a, str_fmt(a, "%s%s", prefix, topic_name(TOPIC_INBOUND)));
    w->updates = str_c(a, str_fmt(a, "%s%s", prefix, topic_name(TOPIC_UPDATES)));
    const char *const names[] = {w->inbound, w->updates};
    if (!find_token(w, a, err))
        return false;
    w->codec = codec_new(w->conf->schema_registry_url, prefix, err);
    return w->codec && topic_reader_open(&w->reader, w->conf, names, 2, READ_END, 0, err);
}

static void begin(struct watch *w)
{
    w->style = (struct watch_style){.json = w->conf->json,
                                    .colours = isatty(STDOUT_FILENO) && !w->conf->json,
                                    .has_stream = w->token.len > 0};
    journal_init(&w->journal, w->conf->settle, w->token.len > 0, show, w);
    watch_head(&w->style, &w->out);
    w->reader_gone = !verb_print(&w->out);
    if (w->token.len)
        open_stream(w);
}

int watch_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct err err = {0};
    auto_arena a = arena_new(1 << 16);
    struct watch w = {.conf = conf, .arena = arena_new(RECORD_MAX), .signals = signals_open()};
    buf_init(&w.out, VERB_OUT_MAX);
    int status;
    if (open_all(&w, a, &err)) {
        begin(&w);
        status = loop(&w);
        journal_done(&w.journal);
    } else {
        status = verb_fail("watch", &err);
    }
    stream_close(w.stream);
    topic_reader_close(&w.reader);
    codec_free(w.codec);
    arena_free(w.arena);
    buf_done(&w.out);
    if (w.signals >= 0)
        (void)close(w.signals);
    return status;
}
