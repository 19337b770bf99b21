/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "mem.h"
#include "records_codec.h"

#define VARINT_MAX 10

static struct str member_str(const void *record, const struct field *f)
{
    struct str s;
    memcpy(&s, (const char *)record + f->at, sizeof s);
    return s;
}

static int64_t member_int(const void *record, const struct field *f)
{
    const char *at = (const char *)record + f->at;
    int64_t wide = 0;
    int32_t narrow = 0;
    if (f->kind == FIELD_INT32) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static bool is_text(const struct field *f)
{
    return f->kind == FIELD_STRING || f->kind == FIELD_OPTIONAL || f->kind == FIELD_BYTES;
}

/* Lend the caller's bytes to avro-c instead of copying them: they are written before the caller
 * gets control back, and never looked at again. */
static int lend_string(avro_value_t *field, struct str s)
{
    // avro-c counts a terminator here, which it does not read.
    avro_wrapped_buffer_t lent = {.buf = s.ptr ? s.ptr : "", .size = s.len + 1};
    return avro_value_give_string_len(field, &lent);
}

static int lend_bytes(avro_value_t *field, struct str s)
{
    avro_wrapped_buffer_t lent = {.buf = s.ptr ? s.ptr : "", .size = s.len};
    return avro_value_give_bytes(field, &lent);
}

static int set_optional(avro_value_t *field, const struct field *f, const void *record)
{
    avro_value_t branch;
    bool is_long = f->kind == FIELD_OPTIONAL_LONG;
    int64_t number = is_long ? member_int(record, f) : 0;
    struct str text = is_long ? STR_NONE : member_str(record, f);
    // Our optional fields are all ["null", T].
    int is_present = is_long ? number != 0 : text.ptr != NULL;
    if (avro_value_set_branch(field, is_present, &branch))
        return -1;
    if (!is_present)
        return avro_value_set_null(&branch);
    return is_long ? avro_value_set_long(&branch, number) : lend_string(&branch, text);
}

static int set_field(avro_value_t *field, const struct field *f, const void *record)
{
    struct str text;
    switch (f->kind) {
    case FIELD_STRING:
        text = member_str(record, f);
        return lend_string(field, text.ptr ? text : str_of(f->missing));
    case FIELD_BYTES:
        return lend_bytes(field, member_str(record, f));
    case FIELD_INT32:
    case FIELD_INT:
        return avro_value_set_int(field, (int32_t)member_int(record, f));
    case FIELD_LONG:
        return avro_value_set_long(field, member_int(record, f));
    case FIELD_OPTIONAL:
    case FIELD_OPTIONAL_LONG:
        return set_optional(field, f, record);
    }
    return -1;
}

static bool check_ints(const struct field_table *table, const void *record, struct err *err)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct field *f = &table->fields[i];
        if (f->kind != FIELD_INT)
            continue;
        int64_t v = member_int(record, f);
        if (v < INT32_MIN || v > INT32_MAX)
            return err_set(err, ERR_INVALID, "%s.%s: %" PRId64 " is out of range", table->record,
                           f->name, v);
    }
    return true;
}

/* No encoding is longer: each field with its branch and length, and its bytes. */
static size_t bound(const struct field_table *table, const void *record)
{
    size_t n = table->n * 2 * VARINT_MAX;
    for (size_t i = 0; i < table->n; i++) {
        if (is_text(&table->fields[i]))
            n += member_str(record, &table->fields[i]).len + strlen(table->fields[i].missing);
    }
    return n;
}

static bool refused(const struct field_table *table, struct err *err)
{
    return err_set(err, ERR_FAULT, "avro-c does not encode %s", table->record);
}

static bool write_value(struct codec *c, struct encoder *e, const struct field_table *table,
                        size_t max, struct buf *out, struct err *err)
{
    char *to = buf_reserve(out, c->frame_len + max);
    if (!to)
        return err_set(err, ERR_LIMITED, "%s: longer than %zu bytes", table->record, out->max);
    memcpy(to, e->frame, c->frame_len);
    avro_writer_memory_set_dest(c->writer, to + c->frame_len, (int64_t)max);
    if (avro_value_write(c->writer, &e->value))
        return refused(table, err);
    out->len += c->frame_len + (size_t)avro_writer_tell(c->writer);
    return true;
}

static bool encode(struct codec *c, enum record_type type, const void *record, struct buf *out,
                   struct err *err)
{
    const struct field_table *table = &record_tables[type];
    struct encoder *e = &c->encoders[type];
    if (!check_ints(table, record, err))
        return false;
    for (size_t i = 0; i < table->n; i++) {
        if (set_field(&e->fields[i], &table->fields[i], record))
            return refused(table, err);
    }
    return write_value(c, e, table, bound(table, record), out, err);
}

bool encode_webhook_event(struct codec *c, const struct webhook_event *v, struct buf *out,
                          struct err *err)
{
    return encode(c, RECORD_WEBHOOK_EVENT, v, out, err);
}

bool encode_send_command(struct codec *c, const struct send_command *v, struct buf *out,
                         struct err *err)
{
    return encode(c, RECORD_SEND_COMMAND, v, out, err);
}

bool encode_update(struct codec *c, const struct update *v, struct buf *out, struct err *err)
{
    return encode(c, RECORD_UPDATE, v, out, err);
}

bool encode_quarantined(struct codec *c, const struct quarantined *v, struct buf *out,
                        struct err *err)
{
    return encode(c, RECORD_QUARANTINED, v, out, err);
}

bool encode_result(struct codec *c, const struct result *v, struct buf *out, struct err *err)
{
    const struct field_table *table = &record_tables[RECORD_RESULT];
    const struct field_table *event = &event_tables[v->kind];
    struct encoder *e = &c->encoders[RECORD_RESULT];
    if (!check_ints(event, v, err))
        return false;
    for (size_t i = 0; i < table->n; i++) {
        if (set_field(&e->fields[i], &table->fields[i], v))
            return refused(table, err);
    }
    avro_value_t branch, field;
    if (avro_value_set_branch(&e->event, (int)v->kind, &branch))
        return refused(event, err);
    for (size_t i = 0; i < event->n; i++) {
        int index = e->schema->events[v->kind].index[i];
        if (avro_value_get_by_index(&branch, (size_t)index, &field, NULL) ||
            set_field(&field, &event->fields[i], v))
            return refused(event, err);
    }
    size_t max = bound(table, v) + VARINT_MAX + bound(event, v);
    return write_value(c, e, table, max, out, err);
}
