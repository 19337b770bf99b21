/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Patterns of the simple kind: "^[A-Za-z0-9_-]{1,64}$". A row of characters and classes, each with
 * ?, *, +, {n} or {n,m}, anchored at both ends; \xHH, no groups, no alternatives. Matched in one
 * pass: a class that repeats must have no character in common with what may follow it, so that
 * nothing is ever tried twice. Constant after api_pattern_new; any thread. */
#include "arena.h"
#include "err.h"
#include "str.h"

struct api_pattern;

/* Lives in `a`. NULL: err says why it is not of this kind. */
const struct api_pattern *api_pattern_new(struct arena *a, struct str text, struct err *err);
bool api_pattern_matches(const struct api_pattern *p, struct str text);
