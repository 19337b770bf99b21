/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "api.h"
#include "fetch.h"
#include "id.h"
#include "kafka.h"
#include "log.h"
#include "mem.h"
#include "storage.h"

#define RECORD_MAX     4096
#define TOPIC_MAX      250
#define KEY_MAX        (2 * UUID_TEXT + 2)
#define S3_CONNECTIONS 8
#define S3_TRANSFERS   32
#define S3_CONNECT_MS  10000
#define S3_TIMEOUT_MS  600000 /* of one file up: a large one over a slow line */

struct api_inbox {
    struct codec *codec;
    struct buf record;
    char topic[TOPIC_MAX];
    struct fetch *fetch; /* NULL: no bucket */
    struct storage *storage;
};

static bool make_storage(struct api_inbox *x, uv_loop_t *loop, const struct api_conf *conf,
                         struct err *err)
{
    if (!conf->media_folder[0])
        return true;
    if (conf->media_s3_url[0])
        x->fetch = fetch_new(&(struct fetch_opts){.loop = loop,
                                                  .max_per_host = S3_CONNECTIONS,
                                                  .max_transfers = S3_TRANSFERS,
                                                  .connect_timeout_ms = S3_CONNECT_MS},
                             err);
    if (conf->media_s3_url[0] && !x->fetch)
        return false;
    x->storage = storage_new(&(struct storage_opts){.loop = loop,
                                                    .folder = conf->media_folder,
                                                    .s3_url = conf->media_s3_url,
                                                    .s3_region = conf->media_s3_region,
                                                    .s3_key_id = conf->media_s3_key_id,
                                                    .s3_secret = conf->media_s3_secret,
                                                    .fetch = x->fetch,
                                                    .timeout_ms = S3_TIMEOUT_MS},
                             err);
    return x->storage != NULL;
}

struct api_inbox *api_inbox_new(uv_loop_t *loop, const struct api_conf *conf, struct err *err)
{
    struct api_inbox *x = xalloc(sizeof *x);
    buf_init(&x->record, RECORD_MAX);
    (void)snprintf(x->topic, sizeof x->topic, "%s%s", conf->topic_prefix,
                   topic_name(TOPIC_OUTBOUND));
    x->codec = codec_new(conf->schema_registry_url, conf->topic_prefix, err);
    if (x->codec && make_storage(x, loop, conf, err))
        return x;
    api_inbox_free(x);
    return NULL;
}

void api_inbox_free(struct api_inbox *x)
{
    if (!x)
        return;
    storage_free(x->storage);
    fetch_free(x->fetch);
    codec_free(x->codec);
    buf_done(&x->record);
    free(x);
}

struct storage *api_inbox_storage(const struct api_inbox *x)
{
    return x->storage;
}

void api_inbox_wake(struct api *api, const struct send_command *cmd)
{
    struct api_inbox *x = api->inbox;
    char trace[TRACEPARENT_TEXT + 1], key[KEY_MAX];
    struct err err = {0};
    traceparent_next(STR_NONE, trace);
    int n = snprintf(key, sizeof key, "%.*s:%.*s", STR_ARG(cmd->channel_id),
                     STR_ARG(cmd->conversation_id));
    buf_clear(&x->record);
    bool ok = encode_send_command(x->codec, cmd, &x->record, &err);
    struct record_out rec = {
        .topic = x->topic,
        .key = {key, n < KEY_MAX ? (size_t)n : KEY_MAX - 1},
        .value = buf_str(&x->record),
        .headers = {{"traceparent", str_of(trace)},
                    {"postrider-provider", cmd->provider},
                    {"postrider-schema", str_of(record_name(RECORD_SEND_COMMAND))}},
        .n_headers = 3,
        .partition = -1,
    };
    if (!ok || !producer_send(api->producer, &rec, NULL, &err))
        log_debug("no command for a message: the scheduler will find it",
                  kv_str("message_id", cmd->message_id), kv_c("why", err.msg));
}
