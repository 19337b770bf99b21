/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ledger of the APIs: every send that was accepted, whether or not its answer arrived. The last
 * ones stay in memory, all go to a file where one is given. */
#include <stdio.h>

#include "api.h"

struct sim_sent {
    uint64_t number; /* 1, 2, ... */
    int64_t at_ms;
    const struct sim_api *api;
    struct str account;
    struct sim_send send; /* its texts are the ledger's */
    bool is_lost;         /* no answer was given */
};

/* Copies the texts of a send and its account into one block, which is returned owned. */
char *sim_send_keep(struct str *account, struct sim_send *m);

struct sim_sends;
/* `file` NULL: none; borrowed. Returns owned. */
struct sim_sends *sim_sends_new(size_t keep, FILE *file);
void sim_sends_free(struct sim_sends *s);
void sim_sends_clear(struct sim_sends *s); /* numbers go on */
const struct sim_sent *sim_sends_add(struct sim_sends *s, const struct sim_api *api,
                                     struct str account, int64_t at_ms, const struct sim_send *send,
                                     bool is_lost);
uint64_t sim_sends_last(const struct sim_sends *s); /* 0: none yet */
/* NULL: never made, or forgotten. */
const struct sim_sent *sim_sends_get(const struct sim_sends *s, uint64_t number);
/* The latest message of this id; NULL: none. */
const struct sim_sent *sim_sends_find(const struct sim_sends *s, const struct sim_api *api,
                                      struct str external_id);
/* JSON lines of those after `since`; provider and account absent: any. */
void sim_sends_json(const struct sim_sends *s, uint64_t since, struct str provider,
                    struct str account, struct buf *out);
