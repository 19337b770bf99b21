/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A message's row as what the adapters send. Pure. */
#include "outgoing.h"

struct send_row {
    struct str tenant_id, kind, body, reply_to, client_ref;
    struct str outgoing; /* JSON: see schemas/sql/0004_outgoing.sql; absent: plain text */
    struct str media; /* JSON: id -> {name, mime, size} of the files that it names; absent: none */
    struct str conversation; /* the provider's id; "to:<contact>" where there is none yet */
    struct str contact_id;
    bool is_group;
};

/* An uploaded file is named "<tenant>/<media id>/<bytes>" in send_media.file.
 * Lives in a and in the row. ERR_INVALID: for the person who wrote the message. */
bool send_compose(struct arena *a, const struct send_row *row, struct send_message *out,
                  struct err *err) NODISCARD;
/* The column `outgoing` of a row of the kind "read": up to the message that the provider calls so.
 */
struct str send_read_outgoing(struct arena *a, struct str target);
