/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The codec's inside, shared by records_*.c. */
#include <avro.h>

#include "records.h"
#include "registry.h"

#define FIELDS_MAX        16
#define SCHEMAS_MAX       64 /* known writers' schemas, those of a registry included */
#define BRANCHES          2  /* of Result.event */
#define FINGERPRINT_FRAME 10
#define REGISTRY_FRAME    5

/* How a field of an Avro record and a member of a C struct correspond. */
enum field_kind {
    FIELD_STRING,        /* struct str; absent is written as `missing` */
    FIELD_OPTIONAL,      /* struct str; null is absent */
    FIELD_BYTES,         /* struct str */
    FIELD_INT32,         /* int32_t, Avro int */
    FIELD_INT,           /* int64_t, Avro int */
    FIELD_LONG,          /* int64_t */
    FIELD_OPTIONAL_LONG, /* int64_t; null is 0 */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t at; /* offset in the C struct */
    const char *missing;
};

struct field_table {
    const char *record; /* Avro name without namespace */
    const char *file;   /* of schemas/avro; NULL: part of another */
    const struct field *fields;
    size_t n;
};

extern const struct field_table record_tables[RECORD_TYPES];
/* Result.event: what its branches hold. Index is enum result_kind. */
extern const struct field_table event_tables[BRANCHES];

/* Where a table's fields are in one writer's record; -1: that writer does not have it. */
struct mapping {
    int index[FIELDS_MAX];
};

/* One known writer's schema. */
struct known_schema {
    uint64_t fingerprint;
    int32_t id; /* the registry's; -1: not from there */
    int type;   /* enum record_type; -1: another record, only for decode_to_json */
    avro_schema_t schema;
    avro_value_iface_t *iface;
    avro_value_t value; /* reused for each decode */
    struct mapping fields;
    int event; /* index of Result.event; -1: none */
    struct mapping events[BRANCHES];
};

struct encoder {
    struct known_schema *schema;
    avro_value_t value;              /* reused for each encode */
    avro_value_t fields[FIELDS_MAX]; /* its fields, in the table's order */
    avro_value_t event;
    unsigned char frame[FINGERPRINT_FRAME];
};

struct codec {
    struct known_schema *known[SCHEMAS_MAX];
    size_t n_known;
    struct encoder encoders[RECORD_TYPES];
    size_t frame_len;
    struct registry *registry; /* NULL: none */
    avro_writer_t writer;
    avro_reader_t reader;
};

/* Learn a schema's text; `id` of the registry or -1. Returns the known one; NULL: err. */
struct known_schema *codec_learn(struct codec *c, struct str text, int32_t id, struct err *err);
/* The writer's schema that the frame of `value` names, and what follows the frame. NULL: err. */
struct known_schema *codec_schema(struct codec *c, struct str value, struct str *body,
                                  struct err *err);
/* Check, then decode body into s->value, which is to be forgotten after use: it may be large. */
bool codec_read(struct codec *c, struct known_schema *s, struct str body,
                struct err *err) NODISCARD;
void codec_forget(struct known_schema *s);
