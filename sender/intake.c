/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "kafka.h"
#include "log.h"
#include "mem.h"
#include "records.h"
#include "stats.h"

#define BATCH          256
#define HANDED_MAX     8192 /* commands that the loop has not taken yet */
#define POLL_MS        50
#define COMMIT_MS      1000
#define QUEUE_BYTES    (4 << 20)
#define FETCH_WAIT_MS  100
#define ARENA_BYTES    ((size_t)1 << 20)
#define PARTITIONS_MAX 1024
#define TOPIC_MAX      300

struct sender_intake {
    struct sender_intake_opts opts;
    char topic[TOPIC_MAX], group[TOPIC_MAX];
    struct consumer *consumer;
    struct codec *codec;
    struct arena *arena;
    struct mailbox *mailbox;
    pthread_t thread;
    bool has_thread;
    struct partition positions[PARTITIONS_MAX]; /* to be committed; topics are this->topic */
    size_t n_positions;
    int64_t committed_ms;
    atomic_bool stopping, failed;
    pthread_mutex_t mutex;
    pthread_cond_t taken;
    /* under the mutex */
    struct sender_command *handed;
    size_t n_handed;
};

/* --- in the thread -------------------------------------------------------------------------- */

static void refuse(const struct record *rec, const char *why)
{
    // Its row is commanded again by the scheduler, so nothing is lost by passing over it.
    log_warn("command passed over", kv_c("why", why), kv_int("partition", rec->partition),
             kv_int("offset", rec->offset));
}

static bool read_command(struct sender_intake *in, const struct record *rec,
                         struct sender_command *out)
{
    struct send_command c;
    struct err err = {0};
    arena_reset(in->arena);
    *out = (struct sender_command){0};
    if (!decode_send_command(in->codec, in->arena, rec->value, &c, &err)) {
        refuse(rec, err.msg);
        return false;
    }
    out->provider = provider_find(c.provider);
    if (!out->provider || !out->provider->build || !uuid_parse(c.tenant_id, &out->tenant_id) ||
        !uuid_parse(c.channel_id, &out->channel_id) ||
        !uuid_parse(c.conversation_id, &out->conversation_id)) {
        refuse(rec, "it names nothing that can be sent");
        return false;
    }
    out->at_us = clock_us();
    out->class = c.priority > 0 ? CLASS_BULK : CLASS_REPLY;
    struct str trace = record_header(rec, "traceparent");
    if (trace.len == TRACEPARENT_TEXT)
        memcpy(out->trace, trace.ptr, TRACEPARENT_TEXT);
    return true;
}

static void hand_over(struct sender_intake *in, const struct sender_command *commands, size_t n)
{
    pthread_mutex_lock(&in->mutex);
    while (in->n_handed + n > HANDED_MAX && !atomic_load(&in->stopping)) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&in->taken, &in->mutex, &until);
    }
    if (in->n_handed + n <= HANDED_MAX) {
        memcpy(in->handed + in->n_handed, commands, n * sizeof *commands);
        in->n_handed += n;
    }
    pthread_mutex_unlock(&in->mutex);
    mailbox_ring(in->mailbox);
}

static void note_position(struct sender_intake *in, const struct record *rec)
{
    for (size_t i = 0; i < in->n_positions; i++) {
        if (in->positions[i].partition != rec->partition)
            continue;
        in->positions[i].offset = rec->offset + 1;
        return;
    }
    if (in->n_positions < PARTITIONS_MAX)
        in->positions[in->n_positions++] =
            (struct partition){in->topic, rec->partition, rec->offset + 1};
}

static void commit(struct sender_intake *in, bool now)
{
    struct err err = {0};
    if (!in->n_positions || (!now && clock_ms() - in->committed_ms < COMMIT_MS))
        return;
    in->committed_ms = clock_ms();
    if (consumer_commit(in->consumer, in->positions, in->n_positions, &err))
        in->n_positions = 0;
    else // they will come again: each is obeyed once, because a claim is made once
        log_debug("positions not committed", kv_c("why", err.msg));
}

static void on_revoke(void *ctx, const struct partition *parts, size_t n)
{
    struct sender_intake *in = ctx;
    (void)parts, (void)n;
    commit(in, true);
    in->n_positions = 0;
}

static bool turn(struct sender_intake *in)
{
    struct record recs[BATCH];
    struct sender_command commands[BATCH];
    struct err err = {0};
    size_t n = 0;
    int got = consumer_poll(in->consumer, recs, BATCH, POLL_MS, &err);
    if (got < 0) {
        log_error("outbound cannot be read", kv_c("why", err.msg));
        return false;
    }
    for (int i = 0; i < got; i++) {
        if (read_command(in, &recs[i], &commands[n]))
            n++;
        note_position(in, &recs[i]);
        record_free(&recs[i]);
    }
    if (n)
        hand_over(in, commands, n);
    commit(in, false);
    return true;
}

static bool open_consumer(struct sender_intake *in, struct err *err)
{
    const struct sender_conf *conf = in->opts.conf;
    const char *topics[] = {in->topic};
    struct consumer_opts opts = {.kafka = {.brokers = conf->kafka_brokers,
                                           .properties = conf->kafka_properties,
                                           .client_id = in->opts.instance},
                                 .group = in->group,
                                 .instance_id = in->opts.instance,
                                 .assignor = conf->assignor,
                                 .topics = topics,
                                 .n_topics = 1,
                                 .fetch_wait_ms = FETCH_WAIT_MS,
                                 .queue_max_bytes = QUEUE_BYTES,
                                 .session_timeout_ms = conf->session_timeout,
                                 .on_revoke = on_revoke,
                                 .ctx = in};
    in->consumer = consumer_new(&opts, err);
    return in->consumer != NULL;
}

static void *run(void *ctx)
{
    struct sender_intake *in = ctx;
    bool ok = true;
    while (ok && !atomic_load(&in->stopping))
        ok = turn(in);
    commit(in, true);
    if (!ok) {
        atomic_store(&in->failed, true);
        mailbox_ring(in->mailbox);
    }
    return NULL;
}

/* --- on the loop ---------------------------------------------------------------------------- */

static void on_mail(void *ctx)
{
    struct sender_intake *in = ctx;
    struct sender_command some[BATCH];
    bool more = true;
    while (more) {
        pthread_mutex_lock(&in->mutex);
        size_t n = in->n_handed < BATCH ? in->n_handed : BATCH;
        memcpy(some, in->handed, n * sizeof *some);
        in->n_handed -= n;
        memmove(in->handed, in->handed + n, in->n_handed * sizeof *some);
        more = in->n_handed > 0;
        pthread_cond_signal(&in->taken);
        pthread_mutex_unlock(&in->mutex);
        if (n && !atomic_load(&in->stopping))
            in->opts.on_commands(in->opts.ctx, some, n);
    }
    if (atomic_load(&in->failed))
        in->opts.on_failed(in->opts.ctx);
}

static void init_sync(struct sender_intake *in)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&in->taken, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&in->mutex, NULL);
}

struct sender_intake *sender_intake_new(const struct sender_intake_opts *opts, struct err *err)
{
    struct sender_intake *in = xalloc(sizeof *in);
    in->opts = *opts;
    init_sync(in);
    in->handed = xalloc(HANDED_MAX * sizeof *in->handed);
    in->arena = arena_new(ARENA_BYTES);
    in->mailbox = mailbox_new(opts->loop, on_mail, in);
    (void)snprintf(in->topic, sizeof in->topic, "%s%s", opts->conf->topic_prefix,
                   topic_name(TOPIC_OUTBOUND));
    if (*opts->conf->group)
        (void)snprintf(in->group, sizeof in->group, "%s", opts->conf->group);
    else
        (void)snprintf(in->group, sizeof in->group, "%ssender", opts->conf->topic_prefix);
    in->codec = codec_new(opts->conf->schema_registry_url, opts->conf->topic_prefix, err);
    bool ok = in->codec && open_consumer(in, err);
    if (ok && pthread_create(&in->thread, NULL, run, in) != 0)
        ok = err_set(err, ERR_BUSY, "no thread for the intake");
    in->has_thread = ok;
    if (ok)
        return in;
    sender_intake_free(in);
    return NULL;
}

void sender_intake_not_ready(struct sender_intake *in, struct buf *why)
{
    if (!consumer_is_connected(in->consumer))
        buf_put_c(why, "Kafka (outbound): no broker is connected\n");
}

void sender_intake_stop(struct sender_intake *in)
{
    if (in)
        atomic_store(&in->stopping, true);
}

void sender_intake_free(struct sender_intake *in)
{
    if (!in)
        return;
    sender_intake_stop(in);
    if (in->has_thread)
        pthread_join(in->thread, NULL);
    consumer_free(in->consumer);
    codec_free(in->codec);
    mailbox_free(in->mailbox);
    arena_free(in->arena);
    pthread_cond_destroy(&in->taken);
    pthread_mutex_destroy(&in->mutex);
    free(in->handed);
    free(in);
}
