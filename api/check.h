/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Is a value as its schema wants it, and if not, where and why? Pure. */
#include "schema.h"

#define API_VIOLATIONS_MAX 16 /* told at once */

struct api_violation {
    struct str pointer;   /* into the body: "#/a/0"; absent: of a parameter */
    struct str parameter; /* name of a parameter or header; absent: of the body */
    struct str detail;
};

struct api_violations {
    struct arena *a; /* where the texts live */
    int n;
    struct api_violation list[API_VIOLATIONS_MAX];
};

void api_violation_add(struct api_violations *out, struct str pointer, struct str parameter,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* A JSON value of a body. False: `out` says why. */
bool api_check(const struct api_schema *s, const struct json *v, struct api_violations *out);
/* The text of a parameter: a whole number, true or false, a text, or a list of such with commas
 * between. */
bool api_check_text(const struct api_schema *s, struct str text, struct str parameter,
                    struct api_violations *out);
