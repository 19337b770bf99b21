/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the storage_*.c files share; nobody else includes this. */
#include "storage.h"

#define STORAGE_PATH_MAX 1024

struct storage_removal;

/* A place where files are kept. */
struct storage_place {
    /* Keep the draft under its key: storage_draft_kept() comes from a later turn. */
    void (*keep)(struct storage_draft *d);
    /* Give it up: storage_draft_kept() comes as well, soon. */
    void (*give_up)(struct storage_draft *d);
    bool (*open)(struct storage_file *f, struct err *err);
    int64_t (*read)(struct storage_file *f, char *out, size_t n);
    void (*close)(struct storage_file *f);
    /* storage_removed() comes from a later turn. */
    void (*remove)(struct storage_removal *r);
};
extern const struct storage_place storage_folder, storage_s3;

struct storage {
    struct storage_opts opts; /* texts are our own copies */
    const struct storage_place *place;
    int n_drafts;    /* and removals */
    bool is_closing; /* freed with the last of them */
};

struct storage_draft {
    struct storage *storage;
    int fd;
    char path[STORAGE_PATH_MAX]; /* of the draft; "": moved to where it is kept */
    int64_t size_bytes;
    struct sha256_sum *sum;
    struct uv_work_s work;     /* folder */
    struct transfer *transfer; /* S3 */
    int64_t n_sent;
    char *key, *mime;
    struct err err;
    void (*on_done)(void *ctx, const struct err *err); /* NULL: nobody waits any more */
    void *ctx;
};

struct storage_file {
    struct storage *storage;
    char *key;
    int64_t from, length;      /* length 0: to the end */
    int fd;                    /* folder; -1 */
    struct transfer *transfer; /* S3 */
    char *piece;
    size_t piece_at, piece_len;
    int64_t at, end; /* next byte to ask for, and where to stop; end -1: not known yet */
    bool waits;
    struct err err;
    void (*on_ready)(void *ctx);
    void *ctx;
};

/* The draft's end: tells, and frees it. d->err says how. */
void storage_draft_kept(struct storage_draft *d);

struct storage_removal {
    struct storage *storage;
    char *key;
    struct uv_work_s work;
    struct err err;
    void (*on_done)(void *ctx, const struct err *err);
    void *ctx;
};
/* Its end: tells, and frees it. r->err says how. */
void storage_removed(struct storage_removal *r);
