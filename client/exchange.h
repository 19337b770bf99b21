/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An adapter's exchange with its provider's API, for real: build, HTTPS, judge; through all steps
 * of an upload; the list, the check and the webhook of an account; and what a conversation has. The
 * one place where an adapter's pure side meets fetch. Who calls names what is to be done and gets a
 * judgement; secrets are wiped from what is ours as soon as they are handed over. Loop thread.
 *
 * What a tenant names is guarded (guard.h): an account's base_url, and the address of a medium that
 * we have to fetch ourselves. Files are streamed, never whole in memory. */
#include "fetch.h"
#include "outgoing.h"
#include "provider.h"

struct exchange;

/* Opens what a message's media names (send_media.file). */
struct exchange_files {
    /* Bytes of `file` from `from` on; length 0: to its end. source->size_bytes is -1 when it is not
     * known. When source->read has said FETCH_LATER, on_ready(ready_ctx) is to be called once there
     * is more. `source` is used until close; ERR_BUSY: it may be there later. */
    bool (*open)(void *ctx, struct str file, int64_t from, int64_t length,
                 void (*on_ready)(void *ready_ctx), void *ready_ctx, struct fetch_source *source,
                 struct err *err);
    void (*close)(void *ctx, struct fetch_source *source);
    void *ctx;
};

struct exchange_opts {
    struct fetch *fetch;
    const struct exchange_files
        *files;         /* NULL: no message has files; it stays while exchanges run */
    int64_t timeout_ms; /* of each request; with a file of so many bytes longer: 4 s a MiB */
    size_t answer_max_bytes;
    int64_t media_max_bytes; /* of a file that we fetch for the provider; 0: 100 MB */
};

struct exchange_done {
    /* OUTCOME_SENT: it is done, for lists, check and webhook too. */
    struct judgement judgement;
    struct found_accounts accounts; /* discover */
    struct webhook_found webhook;
    struct sent_list sent;
    int status; /* of the last answer; 0: none */
    int64_t
        called_at_ms; /* wall time at which the last request was handed to the network; 0: none was
                       */
    bool was_called;  /* a final request left, or may have left, for the provider */
};

/* on_done comes once, from a later turn of the loop; `d` and all in it live until it returns.
 * `account`, `message` and what they point to must live until then. may_start: as
 * fetch_request.may_start, asked before the final request. The exchange frees itself after on_done.
 * NULL: err, and on_done does not come (ERR_INVALID: the adapter cannot send this, with the reason
 * for the person; ERR_BUSY: not now). */
struct exchange *exchange_send(const struct exchange_opts *o, const struct provider *p,
                               const struct send_account *account,
                               const struct send_message *message, unsigned attempt,
                               bool (*may_start)(void *ctx),
                               void (*on_done)(void *ctx, const struct exchange_done *d), void *ctx,
                               struct err *err);
/* `cursor` absent: the first page; it is copied. */
struct exchange *exchange_discover(const struct exchange_opts *o, const struct provider *p,
                                   enum discover_what what, const struct send_account *account,
                                   struct str cursor,
                                   void (*on_done)(void *ctx, const struct exchange_done *d),
                                   void *ctx, struct err *err);
struct exchange *exchange_webhook(const struct exchange_opts *o, const struct provider *p,
                                  const struct webhook_ask *ask, const struct send_account *account,
                                  void (*on_done)(void *ctx, const struct exchange_done *d),
                                  void *ctx, struct err *err);
/* A page of what a conversation has. What `ask` points to must live until on_done. */
struct exchange *exchange_list(const struct exchange_opts *o, const struct provider *p,
                               const struct sent_ask *ask, const struct send_account *account,
                               void (*on_done)(void *ctx, const struct exchange_done *d), void *ctx,
                               struct err *err);
/* on_done comes, in a later turn, as for a request that failed in its phase. Before a fetch is
 * freed, cancel its exchanges and turn the loop until they are done. */
void exchange_cancel(struct exchange *x);
