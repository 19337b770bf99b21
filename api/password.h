/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Passwords: argon2id (RFC 9106) by libsodium, on libuv's threads, a bounded number at once: each
 * takes `memory_bytes` for about a tenth of a second. One for each loop; loop thread. */
#include <uv.h>

#include "err.h"
#include "str.h"

struct api_passwords;

struct api_passwords_opts {
    uv_loop_t *loop;
    int running_max, waiting_max;
    int64_t memory_bytes;
};

#define API_PASSWORD_HASH_MAX 128

struct api_passwords *api_passwords_new(const struct api_passwords_opts *opts); /* returns owned */
/* No callback comes any more; what runs ends in the loop's next turns, and the memory with it. */
void api_passwords_free(struct api_passwords *p);
/* hash: what to store, "" if there was no memory for it. The password is copied, and wiped. False:
 * too many wait (ERR_BUSY), no callback comes. */
bool api_password_hash(struct api_passwords *p, struct str password,
                       void (*done)(void *ctx, const char *hash), void *ctx,
                       struct err *err) NODISCARD;
/* `hash` absent: there is none, which takes as long and is never right. */
bool api_password_verify(struct api_passwords *p, struct str password, struct str hash,
                         void (*done)(void *ctx, bool is_right), void *ctx,
                         struct err *err) NODISCARD;

/* Why this is no password to choose: NULL, or a sentence. Pure. Common passwords and what people
 * make of them (capitals, digits or signs at the end, 3 for e), a row of the keyboard or the
 * alphabet, the same again and again, and their own address are refused. */
const char *api_password_weakness(struct str password, struct str email, int64_t length_min);
