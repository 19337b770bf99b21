/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The formats of texts that schemas name. Pure. */
#include "str.h"

struct api_format {
    const char *name;
    const char *want; /* for people: "want a UUID" */
    bool (*matches)(struct str text);
};

/* NULL: there is none of that name. */
const struct api_format *api_format_find(struct str name);
