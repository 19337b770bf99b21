/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands in a request's body: JSON, an urlencoded form or a multipart form, read strictly and
 * within limits. Fields of all three read alike. Pure. */
#include "json.h"

enum sim_body_kind {
    SIM_BODY_NONE = 1, /* no body at all */
    SIM_BODY_JSON = 2,
    SIM_BODY_FORM = 4,
    SIM_BODY_MULTIPART = 8,
};

#define SIM_FIELDS_MAX 128

struct sim_field {
    struct str name, value;    /* of a JSON member: text of a string or number, else its JSON */
    const struct json *json;   /* of a JSON body; NULL: a form's */
    bool is_file;              /* a part with a filename */
    struct str filename, mime; /* absent: none was given */
};

struct sim_body {
    enum sim_body_kind kind;
    const struct json *json; /* root, of JSON */
    struct sim_field fields[SIM_FIELDS_MAX];
    size_t n;
};

enum sim_body_read {
    SIM_READ_OK,
    SIM_READ_TYPE,      /* not one of the allowed kinds */
    SIM_READ_MALFORMED, /* not what the content type says; or past a limit */
};
/* `content_type` absent: none was given. `why` gets a sentence on failure. */
enum sim_body_read sim_body_parse(struct arena *a, struct str content_type, struct str body,
                                  unsigned allowed, struct sim_body *out, struct err *why);

/* The first field of this name; NULL: none. */
const struct sim_field *sim_field(const struct sim_body *b, const char *name);
struct str sim_field_text(const struct sim_body *b, const char *name); /* absent: none */
size_t sim_field_count(const struct sim_body *b, const char *name);
/* The first field whose name is none of `known` (ended by NULL); NULL: all are known. */
const struct sim_field *sim_field_unknown(const struct sim_body *b, const char *const *known);
/* The value as JSON: a JSON member itself, or a form's text parsed. NULL: absent or no JSON. */
const struct json *sim_field_json(struct arena *a, const struct sim_field *f);
