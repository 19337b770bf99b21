/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What events do to the objects in memory: a join in a lattice, so that any order and any
 * repetition of the same events, cut into any batches, ends in the same objects. Pure: no I/O, no
 * clock.
 *
 * - status: the greatest rank; incoming received < read; outgoing queued < retry < sending <
 *   uncertain < cancelled < sent < failed < delivered < read.
 * - a failure told by the message's id stands against a watermark, and yields to a delivery that is
 *   told by its id.
 * - edits: greatest (provider's time, event key); deletes: least time, and the content goes.
 * - content: of the message event with the least (time, key).
 * - reactions: greatest (time, key) per message and sender. Receipts: greatest (rank, time).
 * - a read of an outgoing message in a 1:1 conversation is a watermark: it covers all before it.
 * - facts about a message that is not there wait in `early` and are merged when it comes. */
#include "model.h"

/* One event, new to the database, on its way in. */
struct fact {
    const struct event *event;
    struct channel *channel;
    struct conversation *conversation; /* NULL: the event names none */
    struct conversation
        *place;    /* where a send result says that the message went; NULL: it does not */
    int64_t at_ms; /* provider's time, else that of receipt */
    struct str trace;
    /* out: what it did */
    enum change change, conversation_change;
    struct message *message; /* that it created or changed */
    struct reaction *reaction;
    struct message **also; /* further messages that it changed */
    size_t n_also;
    bool channel_changed;
};

/* True: the event changes objects; false: it is ignored and counted (typing and the like). */
bool router_apply_wants(const struct event *ev);
void router_apply_event(struct model *m, struct fact *f);

/* What a send came to. `outcome`: sent, retry, failed, uncertain. */
struct send_result {
    struct str outcome, external_id, error_code, error_message;
    int64_t attempt, retry_at_ms, at_ms;
};
/* `msg` is the api's row, `f` has no event. A conversation that we have begun gets the name that
 * the provider gives it (f->place), or its messages move into the one that has this name already. A
 * row with the same external id, made by an echo that came first, is merged into it and marked
 * `removed`. */
void router_apply_send_result(struct model *m, struct fact *f, struct message *msg,
                              const struct send_result *r);

/* A conversation that was begun by us, before the provider has named it: "to:" and the person. */
bool router_is_begun_by_us(struct str external_id);
