/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The schemas of the api's description: JSON Schema's keywords that we use, compiled once.
 *
 * A keyword, type or format that is not understood is an error at start, so that no constraint that
 * stands in the description is silently not kept. Constant after that; any thread. */
#include "format.h"
#include "json.h"
#include "pattern.h"

enum api_type {
    API_NULL = 1,
    API_BOOLEAN = 2,
    API_INTEGER = 4,
    API_NUMBER = 8,
    API_STRING = 16,
    API_ARRAY = 32,
    API_OBJECT = 64,
};

struct api_property {
    struct str name;
    const struct api_schema *schema;
    bool is_required;
};

struct api_schema_list {
    const struct api_schema *const *items;
    int n;
};

struct api_schema {
    const struct api_schema *ref;   /* NULL: none; kept beside the rest, as JSON Schema has it */
    unsigned types;                 /* 0: any */
    const struct json *allowed;     /* enum; NULL: any */
    const struct json *constant;    /* const; NULL: any */
    const struct json *preset;      /* default; NULL: none */
    int64_t length_min, length_max; /* of texts, in characters; max -1: none */
    const struct api_format *format;
    const struct api_pattern *pattern;
    double minimum, maximum;
    int64_t items_min, items_max; /* max -1: none */
    const struct api_schema *items;
    const struct api_property *properties;
    int n_properties;
    bool closed; /* additionalProperties: false */
    const struct api_schema *additional;
    struct api_schema_list all_of, any_of, one_of;
};

struct api_schemas;

/* Borrows the document, lives in `a`. */
struct api_schemas *api_schemas_new(struct arena *a, const struct json *document);
/* The schema at `node`. NULL: err names `where`. */
const struct api_schema *api_schema_new(struct api_schemas *s, const struct json *node,
                                        struct str where, struct err *err);
/* What a "$ref" to components/<kind>/ names, or the node itself; NULL: err. */
const struct json *api_schemas_deref(const struct api_schemas *s, const char *kind,
                                     const struct json *node, struct err *err);
