/* SPDX-License-Identifier: Apache-2.0 */
/* Any record as JSON, for people. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "records_codec.h"

#define DEPTH_MAX 32

static bool put_value(struct json_out *o, struct arena *a, const char *name, avro_value_t *v,
                      int depth, struct err *err);

/* Fields that hold a JSON document as text; whatever of them is none stays text. */
static bool holds_json(const char *name)
{
    return name &&
           (strcmp(name, "body") == 0 || strcmp(name, "data") == 0 || strcmp(name, "headers") == 0);
}

static bool put_text(struct json_out *o, struct arena *a, const char *name, struct str s,
                     struct err *err)
{
    // Cleaning a byte takes at most three, and the arena aborts when it is full.
    if (arena_room(a) / 4 <= s.len)
        return err_set(err, ERR_LIMITED, "%s: %zu bytes are too long to show", name ? name : "item",
                       s.len);
    struct err ignored = {0};
    struct str clean = str_utf8(a, s);
    if (holds_json(name) && str_eq(clean, s) && json_parse(a, s, &ignored))
        json_raw(o, str_trim(s));
    else
        json_str(o, clean);
    return true;
}

static void put_double(struct json_out *o, double d)
{
    char text[40];
    if (!isfinite(d)) { // JSON has no such number
        json_null(o);
        return;
    }
    int n = snprintf(text, sizeof text, "%.17g", d);
    json_raw(o, (struct str){text, n > 0 ? (size_t)n : 0});
}

static bool put_record(struct json_out *o, struct arena *a, avro_value_t *v, bool names_itself,
                       int depth, struct err *err)
{
    size_t n = 0;
    avro_value_get_size(v, &n);
    json_open(o, '{');
    if (names_itself)
        json_put_str(o, "type", str_of(avro_schema_type_name(avro_value_get_schema(v))));
    for (size_t i = 0; i < n; i++) {
        avro_value_t field;
        const char *name = NULL;
        if (avro_value_get_by_index(v, i, &field, &name))
            return err_set(err, ERR_FAULT, "avro-c has no field %zu", i);
        json_key_out(o, name);
        if (!put_value(o, a, name, &field, depth, err))
            return false;
    }
    json_close(o, '}');
    return true;
}

static bool put_items(struct json_out *o, struct arena *a, avro_value_t *v, bool is_map, int depth,
                      struct err *err)
{
    size_t n = 0;
    avro_value_get_size(v, &n);
    json_open(o, is_map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        avro_value_t item;
        const char *key = NULL;
        if (avro_value_get_by_index(v, i, &item, &key))
            return err_set(err, ERR_FAULT, "avro-c has no item %zu", i);
        if (is_map && arena_room(a) / 8 <= strlen(key))
            return err_set(err, ERR_LIMITED, "a key is too long to show");
        if (is_map)
            json_key_out(o, str_c(a, str_utf8(a, str_of(key))));
        if (!put_value(o, a, NULL, &item, depth, err))
            return false;
    }
    json_close(o, is_map ? '}' : ']');
    return true;
}

static bool put_scalar(struct json_out *o, struct arena *a, const char *name, avro_value_t *v,
                       struct err *err)
{
    const void *bytes = NULL;
    const char *text = NULL;
    size_t len = 0;
    int32_t i32 = 0;
    int64_t i64 = 0;
    int whole = 0;
    float f = 0;
    double d = 0;
    avro_type_t type = avro_value_get_type(v);
    if (type == AVRO_NULL)
        json_null(o);
    else if (type == AVRO_STRING && !avro_value_get_string(v, &text, &len) && len > 0)
        return put_text(o, a, name, (struct str){text, len - 1}, err);
    else if ((type == AVRO_BYTES && !avro_value_get_bytes(v, &bytes, &len)) ||
             (type == AVRO_FIXED && !avro_value_get_fixed(v, &bytes, &len)))
        return put_text(o, a, name, (struct str){bytes ? bytes : "", len}, err);
    else if (type == AVRO_INT32 && !avro_value_get_int(v, &i32))
        json_int(o, i32);
    else if (type == AVRO_INT64 && !avro_value_get_long(v, &i64))
        json_int(o, i64);
    else if (type == AVRO_BOOLEAN && !avro_value_get_boolean(v, &whole))
        json_bool(o, whole != 0);
    else if (type == AVRO_ENUM && !avro_value_get_enum(v, &whole))
        json_str(o, str_of(avro_schema_enum_get(avro_value_get_schema(v), whole)));
    else if (type == AVRO_FLOAT && !avro_value_get_float(v, &f))
        put_double(o, (double)f);
    else if (type == AVRO_DOUBLE && !avro_value_get_double(v, &d))
        put_double(o, d);
    else
        return err_set(err, ERR_FAULT, "%s: avro-c gives no value", name ? name : "item");
    return true;
}

static bool put_value(struct json_out *o, struct arena *a, const char *name, avro_value_t *v,
                      int depth, struct err *err)
{
    avro_value_t branch;
    if (depth >= DEPTH_MAX)
        return err_set(err, ERR_LIMITED, "nested deeper than %d", DEPTH_MAX);
    switch (avro_value_get_type(v)) {
    case AVRO_RECORD:
        return put_record(o, a, v, false, depth + 1, err);
    case AVRO_ARRAY:
        return put_items(o, a, v, false, depth + 1, err);
    case AVRO_MAP:
        return put_items(o, a, v, true, depth + 1, err);
    case AVRO_UNION:
        if (avro_value_get_current_branch(v, &branch))
            return err_set(err, ERR_FAULT, "%s: a union without a value", name ? name : "item");
        // A record in a union says which one it is.
        if (avro_value_get_type(&branch) == AVRO_RECORD)
            return put_record(o, a, &branch, true, depth + 1, err);
        return put_value(o, a, name, &branch, depth + 1, err);
    default:
        return put_scalar(o, a, name, v, err);
    }
}

bool decode_to_json(struct codec *c, struct arena *a, struct str value, struct buf *out,
                    struct err *err)
{
    struct str body;
    struct known_schema *s = codec_schema(c, value, &body, err);
    if (!s || !codec_read(c, s, body, err))
        return false;
    struct json_out o = {.buf = out};
    size_t before = out->len;
    bool ok = put_record(&o, a, &s->value, false, 0, err);
    codec_forget(s);
    if (ok && !out->overflow)
        return true;
    if (out->overflow)
        err_set(err, ERR_LIMITED, "%s: longer than %zu bytes as JSON", avro_schema_name(s->schema),
                out->max);
    out->len = before;
    return false;
}
