/* SPDX-License-Identifier: Apache-2.0 */
#include "password.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "mem.h"

#define PASSES 2 /* RFC 9106 §4, with less memory than its first choice */

struct job {
    uv_work_t work;
    struct api_passwords *owner;
    struct job *next;
    struct str password; /* our copy */
    bool is_verify, is_right;
    char hash[API_PASSWORD_HASH_MAX];
    void (*on_hash)(void *ctx, const char *hash);
    void (*on_verify)(void *ctx, bool is_right);
    void *ctx;
};

struct api_passwords {
    struct api_passwords_opts opts;
    struct job *waiting, **waiting_end;
    int n_waiting, n_running;
    bool closing;
};

_Static_assert(API_PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "room for a hash");

struct api_passwords *api_passwords_new(const struct api_passwords_opts *opts)
{
    struct api_passwords *p = xalloc(sizeof *p);
    p->opts = *opts;
    p->waiting_end = &p->waiting;
    return p;
}

static void job_free(struct job *j)
{
    crypto_wipe((char *)j->password.ptr, j->password.len);
    free((char *)j->password.ptr);
    free(j);
}

void api_passwords_free(struct api_passwords *p)
{
    if (!p)
        return;
    p->closing = true;
    while (p->waiting) {
        struct job *j = p->waiting;
        p->waiting = j->next;
        job_free(j);
    }
    if (!p->n_running)
        free(p);
}

/* On a thread of libuv's. */
static void on_work(uv_work_t *work)
{
    struct job *j = work->data;
    if (!j->is_verify) {
        if (crypto_pwhash_str_alg(j->hash, j->password.ptr, j->password.len, PASSES,
                                  (size_t)j->owner->opts.memory_bytes,
                                  crypto_pwhash_ALG_ARGON2ID13) != 0)
            j->hash[0] = 0;
        return;
    }
    char ignored[crypto_pwhash_STRBYTES];
    if (!j->hash[0]) { // as long as with one
        j->is_right = crypto_pwhash_str_alg(ignored, j->password.ptr, j->password.len, PASSES,
                                            (size_t)j->owner->opts.memory_bytes,
                                            crypto_pwhash_ALG_ARGON2ID13) > 0; // never
        return;
    }
    j->is_right = crypto_pwhash_str_verify(j->hash, j->password.ptr, j->password.len) == 0;
}

static void run_next(struct api_passwords *p);

static void on_worked(uv_work_t *work, int status)
{
    (void)status;
    struct job *j = work->data;
    struct api_passwords *p = j->owner;
    p->n_running--;
    if (!p->closing && j->is_verify)
        j->on_verify(j->ctx, j->is_right);
    else if (!p->closing)
        j->on_hash(j->ctx, j->hash);
    job_free(j);
    if (!p->closing)
        run_next(p);
    else if (!p->n_running)
        free(p);
}

static void run_next(struct api_passwords *p)
{
    while (p->waiting && p->n_running < p->opts.running_max) {
        struct job *j = p->waiting;
        p->waiting = j->next;
        if (!p->waiting)
            p->waiting_end = &p->waiting;
        p->n_waiting--;
        p->n_running++;
        (void)uv_queue_work(p->opts.loop, &j->work, on_work, on_worked);
    }
}

static struct job *new_job(struct api_passwords *p, struct str password, void *ctx, struct err *err)
{
    if (p->n_waiting >= p->opts.waiting_max) {
        err_set(err, ERR_BUSY, "too many passwords wait to be checked");
        return NULL;
    }
    struct job *j = xalloc(sizeof *j);
    j->work.data = j;
    j->owner = p;
    j->password =
        (struct str){xstrndup(password.ptr ? password.ptr : "", password.len), password.len};
    j->ctx = ctx;
    return j;
}

static void enqueue(struct api_passwords *p, struct job *j)
{
    *p->waiting_end = j;
    p->waiting_end = &j->next;
    p->n_waiting++;
    run_next(p);
}

bool api_password_hash(struct api_passwords *p, struct str password,
                       void (*done)(void *ctx, const char *hash), void *ctx, struct err *err)
{
    struct job *j = new_job(p, password, ctx, err);
    if (!j)
        return false;
    j->on_hash = done;
    enqueue(p, j);
    return true;
}

bool api_password_verify(struct api_passwords *p, struct str password, struct str hash,
                         void (*done)(void *ctx, bool is_right), void *ctx, struct err *err)
{
    struct job *j = new_job(p, password, ctx, err);
    if (!j)
        return false;
    j->is_verify = true;
    j->on_verify = done;
    if (hash.len < sizeof j->hash)
        memcpy(j->hash, hash.ptr ? hash.ptr : "", hash.len);
    enqueue(p, j);
    return true;
}
