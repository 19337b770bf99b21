/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Structured log lines on stderr: JSON objects, or text when stderr is a terminal. Any thread.
 *
 *   log_warn("record parked", kv_str("provider", p->name), kv_int("offset", rec->offset));
 *
 * The message is a constant phrase to grep for; all that varies is a field. Always `tenant` and
 * `message_id` when known; never message text, tokens or phone numbers.
 * error: someone must act; warn: we lost or parked something; info: life cycle; debug: the rest. */
#include <stdint.h>

#include "str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_JSON, LOG_TEXT };

struct kv {
    const char *key; /* NULL ends the list */
    enum { KV_STR, KV_INT, KV_NUM, KV_BOOL } type;
    struct str s;
    int64_t i;
    double d;
};

/* Set once at start. `component` is the daemon's name and stays borrowed. */
void log_init(const char *component, enum log_level level, enum log_format format);
bool log_level_parse(struct str name, enum log_level *out);
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *msg, const struct kv *kvs);

static inline struct kv kv_str(const char *key, struct str v)
{
    return (struct kv){.key = key, .type = KV_STR, .s = v};
}
static inline struct kv kv_c(const char *key, const char *v)
{
    return (struct kv){.key = key, .type = KV_STR, .s = str_of(v)};
}
static inline struct kv kv_int(const char *key, int64_t v)
{
    return (struct kv){.key = key, .type = KV_INT, .i = v};
}
static inline struct kv kv_num(const char *key, double v)
{
    return (struct kv){.key = key, .type = KV_NUM, .d = v};
}
static inline struct kv kv_bool(const char *key, bool v)
{
    return (struct kv){.key = key, .type = KV_BOOL, .i = v};
}

#define LOG_AT(level, msg, ...)                                                      \
    do {                                                                             \
        if (log_is_on(level))                                                        \
            log_write(level, "" msg,                                                 \
                      (const struct kv[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}}); \
    } while (0)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)
