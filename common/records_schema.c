/* SPDX-License-Identifier: Apache-2.0 */
#include "records_schema.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"

#define CANONICAL_MAX (1024 * 1024)
#define DEPTH_MAX     32
#define VARINT_MAX    10
// Arrays of nulls take no bytes: the number of values is bounded by the bytes and this.
#define FREE_VALUES 1024

/* --- canonical form ------------------------------------------------------------------------- */

static bool put_type(struct buf *out, const cJSON *type, const char *space, int depth,
                     struct err *err);

static bool is_primitive(const char *name)
{
    static const char *const names[] = {"null",  "boolean", "int",   "long",
                                        "float", "double",  "bytes", "string"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static const char *text_member(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    buf_put_c(out, text);
    buf_putc(out, '"');
}

static void put_fullname(struct buf *out, const char *name, const char *space)
{
    buf_putc(out, '"');
    if (space && *space && !strchr(name, '.') && !is_primitive(name)) {
        buf_put_c(out, space);
        buf_putc(out, '.');
    }
    buf_put_c(out, name);
    buf_putc(out, '"');
}

static bool put_fields(struct buf *out, const cJSON *fields, const char *space, int depth,
                       struct err *err)
{
    const char *comma = "";
    const cJSON *field;
    buf_put_c(out, ",\"fields\":[");
    cJSON_ArrayForEach(field, fields)
    {
        const char *name = text_member(field, "name");
        if (!name)
            return err_set(err, ERR_INVALID, "schema: a field without a name");
        buf_put_c(out, comma);
        buf_put_c(out, "{\"name\":");
        put_quoted(out, name);
        buf_put_c(out, ",\"type\":");
        if (!put_type(out, cJSON_GetObjectItemCaseSensitive(field, "type"), space, depth, err))
            return false;
        buf_putc(out, '}');
        comma = ",";
    }
    buf_putc(out, ']');
    return true;
}

static void put_symbols(struct buf *out, const cJSON *symbols)
{
    const char *comma = "";
    const cJSON *symbol;
    buf_put_c(out, ",\"symbols\":[");
    cJSON_ArrayForEach(symbol, symbols)
    {
        buf_put_c(out, comma);
        put_quoted(out, cJSON_IsString(symbol) ? symbol->valuestring : "");
        comma = ",";
    }
    buf_putc(out, ']');
}

/* record, enum and fixed. */
static bool put_named(struct buf *out, const cJSON *schema, const char *type, const char *name,
                      const char *space, int depth, struct err *err)
{
    const char *own = text_member(schema, "namespace");
    if (!own)
        own = space;
    buf_put_c(out, "{\"name\":");
    put_fullname(out, name, own);
    buf_put_c(out, ",\"type\":");
    put_quoted(out, type);

    // The namespace of what is inside is that of the full name.
    const char *dot = strrchr(name, '.');
    char *inner = dot ? xstrndup(name, (size_t)(dot - name)) : xstrdup(own ? own : "");
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(schema, "fields");
    const cJSON *symbols = cJSON_GetObjectItemCaseSensitive(schema, "symbols");
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(schema, "size");
    bool ok = !fields || put_fields(out, fields, inner, depth, err);
    if (symbols)
        put_symbols(out, symbols);
    if (cJSON_IsNumber(size))
        buf_putf(out, ",\"size\":%.0f", size->valuedouble);
    buf_putc(out, '}');
    free(inner);
    return ok;
}

static bool put_object(struct buf *out, const cJSON *schema, const char *space, int depth,
                       struct err *err)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(schema, "type");
    const char *name = text_member(schema, "name");
    if (!cJSON_IsString(type)) // {"type": {...}}: only a wrapper
        return put_type(out, type, space, depth, err);
    if (name)
        return put_named(out, schema, type->valuestring, name, space, depth, err);
    const char *member = strcmp(type->valuestring, "array") == 0 ? "items"
                         : strcmp(type->valuestring, "map") == 0 ? "values"
                                                                 : NULL;
    if (!member) {
        put_fullname(out, type->valuestring, space);
        return true;
    }
    buf_putf(out, "{\"type\":\"%s\",\"%s\":", type->valuestring, member);
    if (!put_type(out, cJSON_GetObjectItemCaseSensitive(schema, member), space, depth, err))
        return false;
    buf_putc(out, '}');
    return true;
}

static bool put_type(struct buf *out, const cJSON *type, const char *space, int depth,
                     struct err *err)
{
    if (depth >= DEPTH_MAX)
        return err_set(err, ERR_INVALID, "schema: nested deeper than %d", DEPTH_MAX);
    if (cJSON_IsString(type)) {
        put_fullname(out, type->valuestring, space);
        return true;
    }
    if (cJSON_IsObject(type))
        return put_object(out, type, space, depth + 1, err);
    if (!cJSON_IsArray(type))
        return err_set(err, ERR_INVALID, "schema: a type is missing or is no type");
    const char *comma = "";
    const cJSON *branch;
    buf_putc(out, '[');
    cJSON_ArrayForEach(branch, type)
    {
        buf_put_c(out, comma);
        if (!put_type(out, branch, space, depth + 1, err))
            return false;
        comma = ",";
    }
    buf_putc(out, ']');
    return true;
}

char *schema_canonical(struct str text, struct err *err)
{
    cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    if (!json) {
        err_set(err, ERR_INVALID, "schema is not JSON");
        return NULL;
    }
    struct buf out;
    buf_init(&out, CANONICAL_MAX);
    bool ok = put_type(&out, json, NULL, 0, err);
    if (ok && out.overflow)
        ok = err_set(err, ERR_LIMITED, "schema is longer than %d bytes", CANONICAL_MAX);
    char *canonical = ok ? xstrndup(out.ptr, out.len) : NULL;
    buf_done(&out);
    cJSON_Delete(json);
    return canonical;
}

static uint64_t crc64_avro(const char *bytes, size_t n)
{
    static const uint64_t empty = 0xc15d213aa4d7a795u; // of the specification
    uint64_t crc = empty;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (empty & -(crc & 1));
    }
    return crc;
}

bool schema_fingerprint(struct str text, uint64_t *out, struct err *err)
{
    char *canonical = schema_canonical(text, err);
    if (!canonical)
        return false;
    *out = crc64_avro(canonical, strlen(canonical));
    free(canonical);
    return true;
}

/* --- check of encoded bytes ----------------------------------------------------------------- */

struct walk {
    const unsigned char *at, *end;
    int64_t values_left;
};

static bool walk_value(struct walk *w, avro_schema_t schema, int depth);

static bool read_varint(struct walk *w, int64_t *out)
{
    uint64_t v = 0;
    for (int i = 0; i < VARINT_MAX && w->at < w->end; i++) {
        unsigned char b = *w->at++;
        // The tenth byte holds the last bit; more would be lost.
        if (i == VARINT_MAX - 1 && b > 1)
            return false;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            *out = (int64_t)((v >> 1) ^ -(v & 1));
            return true;
        }
    }
    return false;
}

static bool skip(struct walk *w, int64_t n)
{
    if (n < 0 || n > w->end - w->at)
        return false;
    w->at += n;
    return true;
}

static bool walk_int(struct walk *w, int64_t min, int64_t max)
{
    int64_t v;
    return read_varint(w, &v) && v >= min && v <= max;
}

static bool walk_bytes(struct walk *w)
{
    int64_t len;
    return read_varint(w, &len) && skip(w, len);
}

static bool walk_record(struct walk *w, avro_schema_t schema, int depth)
{
    int n = (int)avro_schema_record_size(schema);
    for (int i = 0; i < n; i++) {
        if (!walk_value(w, avro_schema_record_field_get_by_index(schema, i), depth))
            return false;
    }
    return true;
}

static bool walk_union(struct walk *w, avro_schema_t schema, int depth)
{
    int64_t branch;
    if (!read_varint(w, &branch) || branch < 0 || branch >= (int64_t)avro_schema_union_size(schema))
        return false;
    return walk_value(w, avro_schema_union_branch(schema, (int)branch), depth);
}

/* Blocks of an array or a map. A negative count is followed by the block's size in bytes. */
static bool walk_blocks(struct walk *w, avro_schema_t item, bool has_keys, int depth)
{
    for (;;) {
        int64_t count, size;
        if (!read_varint(w, &count) || count == INT64_MIN)
            return false;
        if (count == 0)
            return true;
        if (count < 0) {
            if (!read_varint(w, &size) || size < 0)
                return false;
            count = -count;
        }
        if (count > w->values_left)
            return false;
        for (int64_t i = 0; i < count; i++) {
            if ((has_keys && !walk_bytes(w)) || !walk_value(w, item, depth))
                return false;
        }
    }
}

static bool walk_boolean(struct walk *w)
{
    return w->at < w->end && *w->at++ <= 1;
}

static bool walk_value(struct walk *w, avro_schema_t schema, int depth)
{
    if (!schema || depth >= DEPTH_MAX || w->values_left-- <= 0)
        return false;
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
        return true;
    case AVRO_BOOLEAN:
        return walk_boolean(w);
    case AVRO_INT32:
        return walk_int(w, INT32_MIN, INT32_MAX);
    case AVRO_INT64:
        return walk_int(w, INT64_MIN, INT64_MAX);
    case AVRO_FLOAT:
        return skip(w, 4);
    case AVRO_DOUBLE:
        return skip(w, 8);
    case AVRO_STRING:
    case AVRO_BYTES:
        return walk_bytes(w);
    case AVRO_FIXED:
        return skip(w, avro_schema_fixed_size(schema));
    case AVRO_ENUM:
        return walk_int(w, 0, avro_schema_enum_number_of_symbols(schema) - 1);
    case AVRO_RECORD:
        return walk_record(w, schema, depth + 1);
    case AVRO_UNION:
        return walk_union(w, schema, depth + 1);
    case AVRO_ARRAY:
        return walk_blocks(w, avro_schema_array_items(schema), false, depth + 1);
    case AVRO_MAP:
        return walk_blocks(w, avro_schema_map_values(schema), true, depth + 1);
    case AVRO_LINK:
        return walk_value(w, avro_schema_link_target(schema), depth + 1);
    }
    return false;
}

bool schema_check(avro_schema_t schema, struct str bytes, struct err *err)
{
    const unsigned char *start = (const unsigned char *)bytes.ptr;
    struct walk w = {start, start + bytes.len, (int64_t)bytes.len + FREE_VALUES};
    if (!walk_value(&w, schema, 0))
        return err_set(err, ERR_INVALID, "not a %s: broken at byte %td of %zu",
                       avro_schema_name(schema), w.at - start, bytes.len);
    if (w.at != w.end)
        return err_set(err, ERR_INVALID, "not a %s: %td bytes follow it", avro_schema_name(schema),
                       w.end - w.at);
    return true;
}
