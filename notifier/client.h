/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One client of the stream: who it is, what it wants, and where in its tenant's updates it stands.
 *
 *   UNPROVEN --token--> LIVE <------------ REPLAYING  (missed updates come from the ring, as fast
 * as |  <---- AHEAD       ^        the client reads) |          ^         | |          `-cursor--'
 *                        `--> OVER   (from everywhere)
 *
 * AHEAD: its cursor lies behind what this instance has read, because another instance was faster.
 * It waits a moment for us to get there; then it is told to resync. */
#include "conn.h"
#include "cursor.h"
#include "filter.h"
#include "jwt_token.h"

struct hub;
struct tenant;

enum client_state { CLIENT_UNPROVEN, CLIENT_AHEAD, CLIENT_REPLAYING, CLIENT_LIVE, CLIENT_OVER };

/* What a request for a stream carries. */
struct admission {
    bool has_token;     /* else it comes as the first frame */
    struct token token; /* verified */
    struct str cursor;  /* absent: from now on */
};

struct client {
    struct conn conn; /* first: conn_events get it */
    struct hub *hub;
    struct client *prev, *next;               /* of all clients */
    struct client *tenant_prev, *tenant_next; /* of its tenant's */
    struct tenant *tenant;                    /* NULL: UNPROVEN or OVER */
    struct filter *filter;
    char *subject;
    int64_t expires_at_ms;
    struct cursor from;   /* as asked for; of AHEAD and REPLAYING */
    uint64_t replay_seq;  /* of REPLAYING: next place in the ring */
    int64_t known_offset; /* of the latest cursor it was sent */
    int64_t deadline_ms;  /* of UNPROVEN and AHEAD */
    int64_t ping_ms;      /* when the next ping is due */
    int64_t pong_ms;      /* when a sign of life must have come; 0: none is awaited */
    int64_t alive_ms;     /* last sign of life */
    int64_t rate_ms;
    int32_t rate_left; /* messages it may send at once */
    int32_t partition;
    uint8_t state;
    bool has_cursor, is_bad_cursor, is_warned;
};

extern const struct conn_events notifier_client_events;

/* Takes fd. `early`: bytes that came behind the request. */
void notifier_client_open(struct hub *hub, const struct admission *in, int fd, struct str early);
/* One update of its tenant; packets that it is not to get are passed over. Returns whether queued.
 */
bool notifier_client_offer(struct client *c, struct packet *p);
/* What it has may have a hole: fetch anew. Not while UNPROVEN. */
void notifier_client_resync(struct client *c, const char *reason);
/* Look again which partition its tenant's updates come in. */
void notifier_client_rehome(struct client *c);
void notifier_client_feed_changed(struct client *c, bool stalled);
