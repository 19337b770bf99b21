/* SPDX-License-Identifier: Apache-2.0 */
/* The codec: which schemas are known, and which of them wrote a record. */
#include "records_codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"
#include "mem.h"
#include "records_schema.h"

#define SUBJECT_BYTES 256

static const struct embedded *find_embedded(const char *file)
{
    for (const struct embedded *e = avro_schemas; e->name; e++) {
        if (strcmp(e->name, file) == 0)
            return e;
    }
    return NULL;
}

const char *record_schema(enum record_type t)
{
    const struct embedded *e = find_embedded(record_tables[t].file);
    return e ? e->text : NULL;
}

static void schema_free(struct known_schema *s)
{
    if (!s)
        return;
    if (s->value.self)
        avro_value_decref(&s->value);
    if (s->iface)
        avro_value_iface_decref(s->iface);
    if (s->schema)
        avro_schema_decref(s->schema);
    free(s);
}
DEFINE_AUTO(known_schema, schema_free)

static void map_fields(struct mapping *m, const struct field_table *table, avro_schema_t record)
{
    for (size_t i = 0; i < table->n; i++)
        m->index[i] = avro_schema_record_field_get_index(record, table->fields[i].name);
}

static int find_type(const char *name)
{
    for (int t = 0; t < RECORD_TYPES; t++) {
        if (strcmp(record_tables[t].record, name) == 0)
            return t;
    }
    return -1;
}

/* Result.event of this writer: which branches it has, and where their fields are. */
static void map_event(struct known_schema *s)
{
    s->event = avro_schema_record_field_get_index(s->schema, "event");
    if (s->event < 0)
        return;
    avro_schema_t event = avro_schema_record_field_get_by_index(s->schema, s->event);
    if (!is_avro_union(event)) {
        s->event = -1;
        return;
    }
    for (size_t b = 0; b < BRANCHES; b++) {
        avro_schema_t branch =
            avro_schema_union_branch_by_name(event, NULL, event_tables[b].record);
        if (is_avro_record(branch))
            map_fields(&s->events[b], &event_tables[b], branch);
    }
}

struct known_schema *codec_learn(struct codec *c, struct str text, int32_t id, struct err *err)
{
    if (c->n_known == SCHEMAS_MAX) {
        err_set(err, ERR_LIMITED, "more than %d schemas in use at once", SCHEMAS_MAX);
        return NULL;
    }
    AUTO(schema_free) struct known_schema *s = xalloc(sizeof *s);
    s->id = id;
    if (!schema_fingerprint(text, &s->fingerprint, err))
        return NULL;
    if (avro_schema_from_json_length(text.ptr, text.len, &s->schema)) {
        s->schema = NULL;
        err_set(err, ERR_INVALID, "schema %016" PRIx64 " is no Avro schema", s->fingerprint);
        return NULL;
    }
    if (!is_avro_record(s->schema)) {
        err_set(err, ERR_INVALID, "schema %016" PRIx64 " is not of a record", s->fingerprint);
        return NULL;
    }
    s->iface = avro_generic_class_from_schema(s->schema);
    if (!s->iface || avro_generic_value_new(s->iface, &s->value)) {
        err_set(err, ERR_FAULT, "avro-c has no class for schema %016" PRIx64, s->fingerprint);
        return NULL;
    }
    s->type = find_type(avro_schema_name(s->schema));
    s->event = -1;
    if (s->type >= 0)
        map_fields(&s->fields, &record_tables[s->type], s->schema);
    if (s->type == RECORD_RESULT)
        map_event(s);
    c->known[c->n_known] = s;
    return TAKE(s), c->known[c->n_known++];
}

static struct known_schema *find_fingerprint(struct codec *c, uint64_t fingerprint)
{
    for (size_t i = 0; i < c->n_known; i++) {
        if (c->known[i]->fingerprint == fingerprint)
            return c->known[i];
    }
    return NULL;
}

static struct known_schema *find_id(struct codec *c, int32_t id, struct err *err)
{
    for (size_t i = 0; i < c->n_known; i++) {
        if (c->known[i]->id == id)
            return c->known[i];
    }
    char *text = registry_fetch(c->registry, id, err);
    if (!text) {
        // An id that the registry does not have makes the record unreadable, not absent.
        if (err->kind == ERR_ABSENT)
            err->kind = ERR_INVALID;
        return NULL;
    }
    struct known_schema *s = codec_learn(c, str_of(text), id, err);
    free(text);
    return s;
}

struct known_schema *codec_schema(struct codec *c, struct str value, struct str *body,
                                  struct err *err)
{
    const unsigned char *b = (const unsigned char *)value.ptr;
    struct known_schema *s = NULL;
    if (value.len >= FINGERPRINT_FRAME && b[0] == 0xc3 && b[1] == 0x01) {
        uint64_t fingerprint = 0;
        for (int i = 9; i >= 2; i--)
            fingerprint = fingerprint << 8 | b[i];
        *body = str_skip(value, FINGERPRINT_FRAME);
        s = find_fingerprint(c, fingerprint);
        if (!s)
            err_set(err, ERR_INVALID, "no schema with fingerprint %016" PRIx64 " is known here",
                    fingerprint);
    } else if (value.len >= REGISTRY_FRAME && b[0] == 0) {
        uint32_t id = (uint32_t)b[1] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 8 | b[4];
        *body = str_skip(value, REGISTRY_FRAME);
        if (id > INT32_MAX)
            err_set(err, ERR_INVALID, "a schema id of %" PRIu32, id);
        else if (!c->registry)
            err_set(err, ERR_INVALID,
                    "the record names schema id %" PRIu32 ": set schema_registry_url", id);
        else
            s = find_id(c, (int32_t)id, err);
    } else {
        err_set(err, ERR_INVALID, "not an Avro record: no known frame in its first bytes");
    }
    return s;
}

bool codec_read(struct codec *c, struct known_schema *s, struct str body, struct err *err)
{
    if (!schema_check(s->schema, body, err))
        return false;
    avro_reader_memory_set_source(c->reader, body.ptr, (int64_t)body.len);
    if (avro_value_read(c->reader, &s->value))
        return err_set(err, ERR_FAULT, "avro-c refuses a %s that passed the check",
                       avro_schema_name(s->schema));
    return true;
}

void codec_forget(struct known_schema *s)
{
    (void)avro_value_reset(&s->value);
}

static bool register_schemas(struct codec *c, const char *prefix, struct err *err)
{
    for (int t = 0; t < TOPICS; t++) {
        enum record_type type = topic_record(t);
        char subject[SUBJECT_BYTES];
        int n = snprintf(subject, sizeof subject, "%s%s-value", prefix, topic_name(t));
        if (n < 0 || (size_t)n >= sizeof subject)
            return err_set(err, ERR_INVALID, "topic_prefix is too long");
        struct encoder *e = &c->encoders[type];
        if (!registry_register(c->registry, subject, record_schema(type), &e->schema->id, err))
            return false;
        uint32_t id = (uint32_t)e->schema->id;
        e->frame[0] = 0;
        for (int i = 0; i < 4; i++)
            e->frame[1 + i] = (unsigned char)(id >> (24 - 8 * i));
    }
    c->frame_len = REGISTRY_FRAME;
    return true;
}

static bool start_encoder(struct codec *c, enum record_type type, struct err *err)
{
    const struct field_table *table = &record_tables[type];
    struct encoder *e = &c->encoders[type];
    uint64_t fingerprint = 0;
    const char *text = record_schema(type);
    if (!text || !schema_fingerprint(str_of(text), &fingerprint, err))
        return err_set(err, ERR_FAULT, "schema %s is not compiled in", table->file);
    e->schema = find_fingerprint(c, fingerprint);
    if (!e->schema || avro_generic_value_new(e->schema->iface, &e->value))
        return err_set(err, ERR_FAULT, "schema %s cannot be used", table->file);
    for (size_t i = 0; i < table->n; i++) {
        int index = e->schema->fields.index[i];
        if (index < 0 || avro_value_get_by_index(&e->value, (size_t)index, &e->fields[i], NULL))
            return err_set(err, ERR_FAULT, "schema %s has no field '%s'", table->file,
                           table->fields[i].name);
    }
    if (type == RECORD_RESULT &&
        avro_value_get_by_index(&e->value, (size_t)e->schema->event, &e->event, NULL))
        return err_set(err, ERR_FAULT, "schema %s has no field 'event'", table->file);
    e->frame[0] = 0xc3;
    e->frame[1] = 0x01;
    for (int i = 0; i < 8; i++)
        e->frame[2 + i] = (unsigned char)(fingerprint >> (8 * i));
    return true;
}

static bool codec_init(struct codec *c, const char *registry_url, const char *topic_prefix,
                       struct err *err)
{
    c->reader = avro_reader_memory("", 0);
    c->writer = avro_writer_memory("", 0);
    if (!c->reader || !c->writer)
        return err_set(err, ERR_FAULT, "avro-c gives no reader or writer");
    // Earlier versions of a schema are embedded beside it: records of an older release stay
    // readable.
    for (const struct embedded *e = avro_schemas; e->name; e++) {
        if (!codec_learn(c, (struct str){e->text, e->len}, -1, err))
            return err_wrap(err, "%s", e->name);
    }
    for (int t = 0; t < RECORD_TYPES; t++) {
        if (!start_encoder(c, t, err))
            return false;
    }
    c->frame_len = FINGERPRINT_FRAME;
    if (!registry_url || !*registry_url)
        return true;
    c->registry = registry_new(registry_url, err);
    return c->registry && register_schemas(c, topic_prefix ? topic_prefix : "", err);
}

struct codec *codec_new(const char *registry_url, const char *topic_prefix, struct err *err)
{
    struct codec *c = xalloc(sizeof *c);
    if (codec_init(c, registry_url, topic_prefix, err))
        return c;
    codec_free(c);
    return NULL;
}

void codec_free(struct codec *c)
{
    if (!c)
        return;
    for (size_t t = 0; t < RECORD_TYPES; t++) {
        if (c->encoders[t].value.self)
            avro_value_decref(&c->encoders[t].value);
    }
    for (size_t i = 0; i < c->n_known; i++)
        schema_free(c->known[i]);
    registry_free(c->registry);
    if (c->reader)
        avro_reader_free(c->reader);
    if (c->writer)
        avro_writer_free(c->writer);
    free(c);
}
