/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who calls, by the bearer token. */
#include "call.h"

/* `header`: Authorization, or absent. What is found lives in `a`. ERR_UNPROVEN: no token;
 * ERR_DENIED: one that is not good, or whose role is none of ours. */
bool api_auth(const struct api *api, struct arena *a, struct str header, int64_t now_at_ms,
              struct who *out, unsigned *role, struct err *err) NODISCARD;
