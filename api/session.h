/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sessions: a short access token, and a refresh token that is good for one use. Of a refresh token
 * the database has the hash. The tokens that come from one login are a family. */
#include "call.h"

/* Such a token, and an invitation's: a prefix, then tenant, row and a random secret in base64url.
 * So its row is found within its tenant, which it names but cannot forge. */
struct api_ticket {
    struct str tenant_id, id; /* UUIDs */
    struct str hash;          /* hexadecimal digits, as stored */
    struct str text;          /* what its holder gets */
};
#define API_REFRESH_PREFIX    "prr_"
#define API_INVITATION_PREFIX "pri_"

void api_ticket_new(struct arena *a, const char *prefix, struct str tenant_id, int64_t now_at_ms,
                    struct api_ticket *out);
/* False: it is none. */
bool api_ticket_parse(struct arena *a, const char *prefix, struct str text, struct api_ticket *out);

struct api_session {
    struct api_ticket refresh;
};

/* The statements of a new session of the call's user (call_become), put behind what was sent;
 * family absent: a login. Lives in the call's arena. */
struct api_session *api_session_send(struct call *c, struct str family);
/* An access token of the caller's. Lives in the call's arena. */
bool api_session_token(struct call *c, struct str role, int64_t ttl_ms, struct str *out,
                       struct err *err);
/* Answer with it: `results` are those of a round that ends with api_session_send's. */
void api_session_answer(struct call *c, const struct api_session *s,
                        struct pg_result *const *results, int n, int status);
