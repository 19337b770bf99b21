/* SPDX-License-Identifier: Apache-2.0 */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What each kind means to the outside: the one place that maps it. */
static const struct {
    const char *name;
    int http;
    bool parked;
} kinds[] = {
    [ERR_NONE] = {"none", 200, false},         [ERR_INVALID] = {"invalid", 400, true},
    [ERR_DENIED] = {"denied", 403, true},      [ERR_UNPROVEN] = {"unproven", 401, true},
    [ERR_ABSENT] = {"absent", 404, true},      [ERR_LIMITED] = {"limited", 413, true},
    [ERR_CONFLICT] = {"conflict", 409, false}, [ERR_BUSY] = {"busy", 503, false},
    [ERR_FAULT] = {"fault", 500, true},
};

static size_t kind_index(enum err_kind kind)
{
    size_t i = (size_t)kind;
    return i < sizeof(kinds) / sizeof(kinds[0]) ? i : ERR_FAULT;
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    // Formatted aside first: the arguments may point into the message that is being replaced.
    char msg[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
        msg[0] = '\0';
    va_end(ap);

    err->kind = kind;
    err->retry_after_ms = 0;
    memcpy(err->msg, msg, sizeof(msg));
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    char msg[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);

    if (n < 0)
        return false;
    size_t used = (size_t)n < sizeof(msg) ? (size_t)n : sizeof(msg) - 1;
    const char *parts[] = {": ", err->msg};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(parts[i]);
        size_t room = sizeof(msg) - 1 - used;
        if (len > room)
            len = room;
        memcpy(msg + used, parts[i], len);
        used += len;
    }
    msg[used] = '\0';
    memcpy(err->msg, msg, used + 1);
    return false;
}

const char *err_kind_name(enum err_kind kind)
{
    return kinds[kind_index(kind)].name;
}

int err_http_status(const struct err *err)
{
    // "Too many" says when to come again, "too large" never fits.
    if (err->kind == ERR_LIMITED && err->retry_after_ms > 0)
        return 429;
    return kinds[kind_index(err->kind)].http;
}

bool err_is_parked(enum err_kind kind)
{
    return kinds[kind_index(kind)].parked;
}
