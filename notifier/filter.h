/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a client has subscribed to, among its tenant's updates. Pure.
 *
 * Each list that is given narrows: an update passes when it is in every one of them. An update
 * without a conversation passes no list of conversations. */
#include "err.h"
#include "json.h"
#include "packet.h"

/* Entries of one list: more than a client's frame can hold. */
#define FILTER_LIST_MAX 512

struct filter;

/* From the members channels, conversations (UUIDs) and providers (names) of `message`; none of them
 * given: *out is NULL, which lets everything pass. Returns owned. */
bool notifier_filter_parse(const struct json *message, struct filter **out,
                           struct err *err) NODISCARD;
void notifier_filter_free(struct filter *f);
bool notifier_filter_passes(const struct filter *f, const struct subject *s);
