/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files that people send: bytes under a key, in a folder or in an S3-compatible service. One
 * interface for who stores (api) and who reads (api, sender); the settings are the rows of
 * conf_media.def.
 *
 * A file is written once, never changed, and removed only when no row names it. It is collected in
 * a draft on the local disk, whatever its size, and there under its key, whole and durable, only
 * when it is kept; so that a reader never meets half of one. Nothing is ever held whole in memory.
 * Loop thread. */
#include <uv.h>

#include "crypto.h"
#include "err.h"

struct storage;
struct storage_draft;
struct storage_file;
struct fetch;

struct storage_opts {
    uv_loop_t *loop;
    const char *folder; /* of the files; with S3 of the drafts alone */
    const char
        *s3_url; /* of the bucket, "https://s3.eu-central-1.amazonaws.com/bucket"; "": folder */
    const char *s3_region, *s3_key_id, *s3_secret;
    struct fetch *fetch; /* for S3; NULL: there is none */
    int64_t timeout_ms;  /* of each request to S3 */
};

/* Makes the folder where it is missing. NULL: err. Returns owned. */
struct storage *storage_new(const struct storage_opts *opts, struct err *err);
void storage_free(
    struct storage *s); /* close files first, and drop drafts: they may take a while */

/* The key of an uploaded file; lives in a. */
struct str storage_media_key(struct arena *a, struct str tenant_id, struct str media_id);

/* --- writing ---------------------------------------------------------------------------------- */
struct storage_draft *storage_draft_new(struct storage *s, struct err *err);
/* ERR_BUSY: the disk does not take it. */
bool storage_draft_add(struct storage_draft *d, struct str bytes, struct err *err) NODISCARD;
int64_t storage_draft_size(const struct storage_draft *d);
/* Of all that was added. */
void storage_draft_sha256(struct storage_draft *d, uint8_t out[SHA256_BYTES]);
/* on_done comes once, from a later turn of the loop; err NULL: it is there, durably. Frees the
 * draft.
 */
void storage_draft_keep(struct storage_draft *d, struct str key, struct str mime,
                        void (*on_done)(void *ctx, const struct err *err), void *ctx);
/* Not kept: gone. After storage_draft_keep: on_done does not come, the file may be there or not. */
void storage_draft_drop(struct storage_draft *d);

/* --- reading ---------------------------------------------------------------------------------- */
#define STORAGE_LATER (-2) /* as FETCH_LATER */

/* Bytes of the file from `from` on; length 0: to its end. on_ready comes, in a later turn, when
 * storage_read has said STORAGE_LATER and there is more; NULL: nobody waits. ERR_ABSENT: no such
 * file (of S3 the first read may say so). Returns owned. */
struct storage_file *storage_open(struct storage *s, struct str key, int64_t from, int64_t length,
                                  void (*on_ready)(void *ctx), void *ctx, struct err *err);
/* Up to n bytes; 0: the end; -1: it broke, see storage_file_err; STORAGE_LATER. */
int64_t storage_read(struct storage_file *f, char *out, size_t n);
const struct err *storage_file_err(const struct storage_file *f);
void storage_close(struct storage_file *f); /* NULL is fine; on_ready comes no more */

/* --- removing --------------------------------------------------------------------------------- */

/* on_done comes once, from a later turn of the loop; err NULL: it is not there any more, or never
 * was; after storage_free it is ERR_BUSY. */
void storage_remove(struct storage *s, struct str key,
                    void (*on_done)(void *ctx, const struct err *err), void *ctx);
