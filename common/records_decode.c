/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "records_codec.h"

static bool copy_bytes(struct arena *a, const void *bytes, size_t len, struct str *out,
                       struct err *err)
{
    char *copy = arena_try(a, len + 1); // never NULL for an empty string: that would read as absent
    if (!copy)
        return err_set(err, ERR_LIMITED, "does not fit into memory for one message");
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    *out = (struct str){copy, len};
    return true;
}

static bool read_text(struct arena *a, avro_value_t *v, struct str *out, struct err *err)
{
    const void *bytes = NULL;
    const char *text = NULL;
    size_t len = 0;
    switch (avro_value_get_type(v)) {
    case AVRO_NULL:
        *out = STR_NONE;
        return true;
    case AVRO_STRING:
        if (avro_value_get_string(v, &text, &len) || len == 0)
            break;
        return copy_bytes(a, text, len - 1, out, err); // its terminator is counted
    case AVRO_BYTES:
        if (avro_value_get_bytes(v, &bytes, &len))
            break;
        return copy_bytes(a, bytes ? bytes : "", len, out, err);
    default:
        break;
    }
    return err_set(err, ERR_INVALID, "its writer's type is not text");
}

static bool read_int(avro_value_t *v, int64_t *out, struct err *err)
{
    int32_t narrow = 0;
    int64_t wide = 0;
    switch (avro_value_get_type(v)) {
    case AVRO_NULL:
        *out = 0;
        return true;
    case AVRO_INT32:
        if (avro_value_get_int(v, &narrow))
            break;
        *out = narrow;
        return true;
    case AVRO_INT64:
        if (avro_value_get_long(v, &wide))
            break;
        *out = wide;
        return true;
    default:
        break;
    }
    return err_set(err, ERR_INVALID, "its writer's type is not a number");
}

static bool read_field(struct arena *a, const struct field *f, avro_value_t *v, void *record,
                       struct err *err)
{
    avro_value_t branch;
    if (avro_value_get_type(v) == AVRO_UNION) {
        if (avro_value_get_current_branch(v, &branch))
            return err_set(err, ERR_INVALID, "has no value");
        v = &branch;
    }
    char *at = (char *)record + f->at;
    int64_t number = 0;
    struct str text;
    switch (f->kind) {
    case FIELD_STRING:
    case FIELD_OPTIONAL:
    case FIELD_BYTES:
        if (!read_text(a, v, &text, err))
            return false;
        memcpy(at, &text, sizeof text);
        return true;
    case FIELD_INT32:
    case FIELD_INT:
    case FIELD_LONG:
    case FIELD_OPTIONAL_LONG:
        if (!read_int(v, &number, err))
            return false;
        if (f->kind != FIELD_INT32) {
            memcpy(at, &number, sizeof number);
            return true;
        }
        if (number < INT32_MIN || number > INT32_MAX)
            return err_set(err, ERR_INVALID, "is out of range");
        memcpy(at, &(int32_t){(int32_t)number}, sizeof(int32_t));
        return true;
    }
    return err_set(err, ERR_FAULT, "is of no known kind");
}

static bool read_fields(struct arena *a, const struct field_table *table, const struct mapping *map,
                        avro_value_t *from, void *record, struct err *err)
{
    for (size_t i = 0; i < table->n; i++) {
        avro_value_t v;
        if (map->index[i] < 0)
            continue; // this writer did not know it: absent
        if (avro_value_get_by_index(from, (size_t)map->index[i], &v, NULL))
            return err_set(err, ERR_FAULT, "avro-c has no field %d", map->index[i]);
        if (!read_field(a, &table->fields[i], &v, record, err))
            return err_wrap(err, "%s.%s", table->record, table->fields[i].name);
    }
    return true;
}

/* The schema that wrote `value`, decoded; NULL: err. */
static struct known_schema *read_record(struct codec *c, enum record_type type, struct str value,
                                        struct err *err)
{
    struct str body;
    struct known_schema *s = codec_schema(c, value, &body, err);
    if (!s)
        return NULL;
    if (s->type != (int)type) {
        err_set(err, ERR_INVALID, "a %s where a %s belongs", avro_schema_name(s->schema),
                record_name(type));
        return NULL;
    }
    return codec_read(c, s, body, err) ? s : NULL;
}

static bool decode(struct codec *c, enum record_type type, struct arena *a, struct str value,
                   void *record, struct err *err)
{
    struct known_schema *s = read_record(c, type, value, err);
    if (!s)
        return false;
    bool ok = read_fields(a, &record_tables[type], &s->fields, &s->value, record, err);
    codec_forget(s);
    return ok;
}

bool decode_webhook_event(struct codec *c, struct arena *a, struct str value,
                          struct webhook_event *out, struct err *err)
{
    struct webhook_event v = {0};
    if (!decode(c, RECORD_WEBHOOK_EVENT, a, value, &v, err))
        return false;
    *out = v;
    return true;
}

bool decode_send_command(struct codec *c, struct arena *a, struct str value,
                         struct send_command *out, struct err *err)
{
    struct send_command v = {0};
    if (!decode(c, RECORD_SEND_COMMAND, a, value, &v, err))
        return false;
    *out = v;
    return true;
}

bool decode_update(struct codec *c, struct arena *a, struct str value, struct update *out,
                   struct err *err)
{
    struct update v = {0};
    if (!decode(c, RECORD_UPDATE, a, value, &v, err))
        return false;
    *out = v;
    return true;
}

bool decode_quarantined(struct codec *c, struct arena *a, struct str value, struct quarantined *out,
                        struct err *err)
{
    struct quarantined v = {0};
    if (!decode(c, RECORD_QUARANTINED, a, value, &v, err))
        return false;
    *out = v;
    return true;
}

static bool read_event(struct arena *a, struct known_schema *s, struct result *out, struct err *err)
{
    avro_value_t event, branch;
    if (s->event < 0 || avro_value_get_by_index(&s->value, (size_t)s->event, &event, NULL) ||
        avro_value_get_current_branch(&event, &branch))
        return err_set(err, ERR_INVALID, "Result.event: absent");
    const char *name = avro_schema_type_name(avro_value_get_schema(&branch));
    for (int kind = 0; kind < BRANCHES; kind++) {
        if (strcmp(name, event_tables[kind].record) != 0)
            continue;
        out->kind = kind;
        return read_fields(a, &event_tables[kind], &s->events[kind], &branch, out, err);
    }
    return err_set(err, ERR_INVALID, "Result.event: '%s' is not known here", name);
}

bool decode_result(struct codec *c, struct arena *a, struct str value, struct result *out,
                   struct err *err)
{
    struct result v = {0};
    struct known_schema *s = read_record(c, RECORD_RESULT, value, err);
    if (!s)
        return false;
    bool ok = read_fields(a, &record_tables[RECORD_RESULT], &s->fields, &s->value, &v, err) &&
              read_event(a, s, &v, err);
    codec_forget(s);
    if (ok)
        *out = v;
    return ok;
}
