/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Is a message that the provider lists the one of which nobody knows whether it was sent? Pure. No
 * provider lists our own reference, so what is in it decides, and when. */
#include "outgoing.h"

/* The provider's clock may be behind ours by so much. */
#define SENDER_MATCH_SLACK_MS 10000

struct sender_wanted {
    const struct send_message *message;
    int64_t began_at_ms; /* its call did not begin earlier, by our clock */
    bool rewrites_links; /* as send_list has it */
};

/* Can its absence be told at all? Of texts and files; what a network makes of the other kinds is
 * its own business, so that they can be found, but not be missed. */
bool sender_match_tells_absence(const struct send_message *m);
/* Our side wrote it, and not before the call. */
bool sender_match_is_candidate(const struct sender_wanted *w, const struct sent_message *item);
/* A candidate with the same text, and with files if ours has some. White space does not count, as
 * networks trim it; nor do addresses where they are rewritten. */
bool sender_match(const struct sender_wanted *w, const struct sent_message *item);
/* Nothing that follows in the list can be a candidate. */
bool sender_match_reaches_back(const struct sender_wanted *w, const struct sent_list *page);
