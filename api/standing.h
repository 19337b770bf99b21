/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How callers stand: what the operator has said of their tenant (suspended, or allowed more calls),
 * and whether they were taken away. Remembered for a few seconds: a table of fixed size that all
 * threads share. What is not there, or too old, is read from the database by who asks. Any thread.
 */
#include <stdint.h>

#include "str.h"

struct api_standings;

/* A suspension or removal counts at the latest after so long. */
#define API_STANDING_MS 5000

struct api_standing {
    bool is_suspended, is_removed;
    int64_t rate; /* calls a second; 0: as the settings say */
};

struct api_standings *api_standings_new(void); /* returns owned */
void api_standings_free(struct api_standings *s);
/* False: not known, or not lately. */
bool api_standing_get(struct api_standings *s, struct str tenant_id, struct str user_id,
                      int64_t now_ms, struct api_standing *out);
void api_standing_put(struct api_standings *s, struct str tenant_id, struct str user_id,
                      int64_t now_ms, const struct api_standing *standing);
