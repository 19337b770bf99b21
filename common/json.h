/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* JSON as providers send it: a reader that keeps every byte, and a writer.
 *
 * Why not cJSON here: a number must never go through a double (ids exceed 2^53), NUL and lone
 * surrogates must have a defined reading, and ingest cuts a batch into units by byte ranges of the
 * raw body. cJSON offers none of the three; it serves where we read our own documents.
 *
 * Defined: RFC 8259 grammar, one value, white space around it. Bytes of a string need not be valid
 * UTF-8; json_text() replaces invalid sequences, lone surrogates and U+0000 by U+FFFD. Of
 * duplicate keys the last counts. Nesting past JSON_DEPTH_MAX is ERR_INVALID. */
#include "arena.h"
#include "buf.h"
#include "err.h"

#define JSON_DEPTH_MAX 64

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* A parsed value; points into the text it was parsed from. All readers take NULL for "absent". */
struct json {
    enum json_type type;
    bool is_plain;   /* string: ASCII without escapes, raw is its text (without the quotes) */
    uint32_t n;      /* array: items; object: members */
    uint32_t size;   /* nodes of this value, itself included: the next sibling is at this + size */
    struct str raw;  /* the value's bytes; of a string, what stands between the quotes */
    struct str span; /* the value's bytes, quotes included: what to copy out */
};

/* Returns the root, which lives in `a`. NULL: `err` says at which byte it is not JSON, or
 * ERR_LIMITED. A value or key takes 48 bytes of `a`; a document that would take more than half of
 * the room in it is refused as ERR_LIMITED, so that there is room for what is then read from it. An
 * arena of 16 times the text (and 1 KiB) serves for what providers send; 64 times serves for any.
 */
const struct json *json_parse(struct arena *a, struct str text, struct err *err);
/* Member `key` of an object; NULL: absent, or `obj` is no object, or it is null. */
const struct json *json_get(const struct json *obj, const char *key);
bool json_is(const struct json *v, enum json_type type); /* false for NULL */
/* Iterate: for (const struct json *v = json_first(p); v; v = json_next(p, v)). For an object the
 * values come, and json_key(v) is the member's key node. */
const struct json *json_first(const struct json *parent);
const struct json *json_next(const struct json *parent, const struct json *v);
const struct json *json_key(const struct json *v);
/* Text of a string, or the digits of a number (ids come as both). Absent for anything else. Lives
 * in `a` or in the text; at most three times as long as it stands there. */
struct str json_text(struct arena *a, const struct json *v);
/* An integer from a number or from a string of digits, exact; false: neither, or out of range. */
bool json_i64(const struct json *v, int64_t *out);
/* true, "true", 1, "1"; everything else, and absence, is false. */
bool json_truthy(const struct json *v);

/* JSON that PostgreSQL's jsonb takes: escapes of U+0000 and of lone surrogates become U+FFFD. Lives
 * in a; its input where there is nothing to change. */
struct str json_storable(struct arena *a, struct str json);

/* Writer: commas are its business. Text is escaped, and must be UTF-8 (str_utf8 makes it so). */
struct json_out {
    struct buf *buf;
    bool comma;
};
void json_open(struct json_out *o, char bracket); /* '{' or '[' */
void json_close(struct json_out *o, char bracket);
void json_key_out(struct json_out *o, const char *key);
void json_str(struct json_out *o, struct str s); /* absent writes null */
void json_int(struct json_out *o, int64_t v);
void json_bool(struct json_out *o, bool v);
void json_null(struct json_out *o);
void json_raw(struct json_out *o, struct str json); /* already JSON */
/* Member in one call. */
void json_put_str(struct json_out *o, const char *key, struct str v);
void json_put_int(struct json_out *o, const char *key, int64_t v);
void json_put_bool(struct json_out *o, const char *key, bool v);
void json_put_raw(struct json_out *o, const char *key, struct str json); /* absent writes null */
void json_put_time(struct json_out *o, const char *key, int64_t at_ms);  /* 0 writes null */
