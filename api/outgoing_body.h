/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The body of a message to send (schema NewMessage), as columns of its row. Pure, but for the
 * problems that it answers. */
#include "call.h"

#define API_MEDIA_MAX 10

struct api_medium {
    struct str type, media_id, url, name, mime; /* media_id: lower case; absent: url is there */
    int64_t size_bytes;
};

/* Everything lives in the call's arena. */
struct api_outgoing {
    const char *outgoing_kind;           /* as messages.outgoing says it: "media" */
    struct str kind;                     /* as messages.kind says it: "image" */
    struct str text;                     /* absent: none */
    struct str reply_to, target;         /* ids of our messages, as they came; absent: none */
    struct str reply_to_ext, target_ext; /* what the provider calls them; the caller's to fill */
    struct str to_person;                /* who begins a conversation; the caller's to fill */
    int64_t send_at_ms;                  /* 0: now */
    struct api_medium media[API_MEDIA_MAX];
    int n_media;
    const struct json *body;
};

/* False: what is wrong was answered. `body` has passed its schema. */
bool api_outgoing_read(struct call *c, const struct json *body, struct api_outgoing *out);
/* The column `outgoing`: absent for a plain text. */
struct str api_outgoing_json(struct call *c, const struct api_outgoing *x);
/* The column `content`, for people who look at it: what is neither text nor file; absent: none. */
struct str api_outgoing_content(struct call *c, const struct api_outgoing *x);
/* The rows of `attachments`, as a JSON array. */
struct str api_outgoing_attachments(struct call *c, const struct api_outgoing *x);
/* The files as who composes the message wants them: id -> {name, mime, size}. */
struct str api_outgoing_files(struct call *c, const struct api_outgoing *x);
/* '{id,...}' of the uploads; absent: none. */
struct str api_outgoing_media_ids(struct call *c, const struct api_outgoing *x);
