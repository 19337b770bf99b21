/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What went wrong, and what the caller should do about it.
 *
 * A fallible function returns bool and takes a last `struct err *err`, owned by the caller. The
 * kind drives behaviour (HTTP answer, park or retry), `msg` is for people: what, where, what to do.
 * The one mapping from kind to HTTP status and to the fate of a Kafka record is in err.c. */
#include <stdbool.h>
#include <stdint.h>

#define NODISCARD         __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum err_kind {
    ERR_NONE,
    ERR_INVALID,  /* can never work as given */
    ERR_DENIED,   /* signature, token or permission refused: a proof was given and it is wrong */
    ERR_UNPROVEN, /* signature, token or permission refused: no proof was given */
    ERR_ABSENT,   /* the thing named does not exist */
    ERR_LIMITED,  /* too large, too many */
    ERR_CONFLICT, /* state moved under us: read again, once */
    ERR_BUSY,     /* may work later */
    ERR_FAULT,    /* our bug */
};

struct err {
    enum err_kind kind;
    int64_t retry_after_ms; /* with ERR_BUSY and ERR_LIMITED: when to try again; 0: as you like */
    char msg[320];
};

/* Both return false, so that `return err_set(...)` and `return err_wrap(...)` read as failure. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put "fmt: " before the message. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *err_kind_name(enum err_kind kind);
int err_http_status(const struct err *err);
/* True: a Kafka record that fails so is parked (quarantined) and committed; false: it is retried.
 */
bool err_is_parked(enum err_kind kind);
