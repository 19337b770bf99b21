/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the adapters share to read members and to write `extra`. Results live in `a`. */
#include "provider.h"

/* Items of all messages in one body, and parts of all messages in one unit. A provider sends at
 * most 1,000 updates at once; more than this is no webhook. */
#define UNIT_ITEMS_MAX 10000
#define UNIT_PARTS_MAX 4096

/* Text of a member, absent when it is not text or a number. */
struct str field_text(struct arena *a, const struct json *obj, const char *key);
/* The same for ids: "" is absent too. */
struct str field_id(struct arena *a, const struct json *obj, const char *key);
/* Time of a number or text: seconds, milliseconds (told apart by size) or ISO 8601. 0: none, or out
 * of the years 1970 to 9999. */
int64_t field_time(struct arena *a, const struct json *v);
/* The first of two that is there. */
struct str str_or(struct str a, struct str b);
/* The provider's time as a part of a key; absent: it gave none. */
struct str key_time(struct arena *a, const struct event *ev);
/* Make ev an EVENT_UNKNOWN with the key of `bytes`, and as reason `what` and the name, shortened,
 * that the provider gave it; name absent: `what` alone. */
void event_set_unknown(struct arena *a, struct event *ev, struct str bytes, const char *what,
                       struct str name);
/* At most max_bytes, without half a UTF-8 sequence at the end. */
struct str str_shorten(struct str s, size_t max_bytes);
/* "+15550100002" from decimal digits, as many as a number of E.164 has; else absent. */
struct str phone_e164(struct arena *a, struct str digits);
/* The same of a number as people write it, which begins with "+": spaces, brackets, dots and
 * hyphens are left out, and the "(0)" of those who dial within the country. */
struct str phone_written(struct arena *a, struct str text);
bool is_http_url(struct str url);

/* A JSON object written member by member; members without a value are left out. Only decoded values
 * go in, never bytes of the input: NUL, lone surrogates or 1e999999 are JSON, and PostgreSQL's
 * jsonb refuses each. */
struct extra {
    struct buf buf;
    struct json_out out;
    size_t n;
};
void extra_init(struct extra *x);
void extra_str(struct extra *x, const char *key, struct str v);
void extra_int(struct extra *x, const char *key, const struct json *v); /* an integer, or nothing */
void extra_true(struct extra *x, const char *key, bool v);              /* written when true */
void extra_ms(struct extra *x, const char *key, struct str seconds); /* "4", "4.25" as 4000, 4250 */
void extra_number(struct extra *x, const char *key, const struct json *v); /* 59.91, "59.91" */
/* The same value, written anew: text decoded, and numbers that PostgreSQL might not take as text.
 * Members that are null are left out. Absent, or empty: nothing. */
void extra_copy(struct extra *x, struct arena *a, const char *key, const struct json *v);
/* Closes and frees; *out is absent when nothing was written. False: too large. */
bool extra_done(struct extra *x, struct arena *a, struct str *out, struct err *err) NODISCARD;

/* Fill a unit that stands for the whole body. */
bool units_single(struct arena *a, const struct unit *unit, struct units *out);

/* Room for the events or parts of a unit, zeroed. NULL: err says that it is too much. */
void *unit_array(struct arena *a, size_t n, size_t max, size_t size, const char *what,
                 struct err *err);
