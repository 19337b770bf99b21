/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key ring of the vault: a file, and the same in locked memory. */
#include <sys/stat.h>

#include "vault.h"

#define RING_KEY_BYTES 32
#define RING_KEYS_MAX  32

struct ring_key {
    char id[VAULT_ID_MAX + 1];
    uint8_t bytes[RING_KEY_BYTES];
};

struct ring {
    dev_t device; /* what was read: each change makes a new file */
    ino_t inode;
    struct timespec changed;
    size_t n, active;
    struct ring_key keys[RING_KEYS_MAX];
};

/* libsodium's start; any thread, any number of times. */
void ring_start(void);
/* Locked memory, zeroed. Returns owned. */
struct ring *ring_new(void);
void ring_free(struct ring *r); /* wipes */
/* NULL: err. Returns owned. */
struct ring *ring_read(const char *path, struct err *err);
/* Is the file still the one that was read? True also when it cannot be looked at. */
bool ring_is_fresh(const struct ring *r, const char *path);

/* A change: the new file is made first, which keeps others from changing the ring meanwhile; a key
 * that another has just added must not be lost. Negative: err. */
int ring_begin(const char *path, struct err *err);
/* Writes it and puts it in place. `is_new`: there must be no ring yet. */
bool ring_commit(const char *path, int fd, const struct ring *r, bool is_new,
                 struct err *err) NODISCARD;
void ring_abandon(const char *path, int fd);

/* NULL: no such key. */
const struct ring_key *ring_find(const struct ring *r, struct str id);
/* A new random key at the end; ERR_LIMITED: the ring is full. */
bool ring_add(struct ring *r, struct err *err) NODISCARD;
