/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A page's cursor: a few texts as one that is opaque to clients. Pure. */
#include "arena.h"
#include "str.h"

#define API_CURSOR_PARTS_MAX 8

/* Lives in a. No part has the byte 0x1f in it. */
struct str api_cursor_join(struct arena *a, const struct str *parts, int n);
/* Exactly n parts, at most API_CURSOR_PARTS_MAX, all UTF-8; they live in a. False: none of ours;
 * `parts` is untouched. */
bool api_cursor_split(struct arena *a, struct str text, struct str *parts, int n);
