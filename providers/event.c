/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fields.h"

#define KEY_MAX       96
#define KEY_HASH_TEXT 43 /* base64url of SHA-256 */

static const char *const kind_names[] = {
    [EVENT_MESSAGE] = "message",
    [EVENT_EDITED] = "edited",
    [EVENT_DELETED] = "deleted",
    [EVENT_REACTION] = "reaction",
    [EVENT_SENT] = "sent",
    [EVENT_DELIVERED] = "delivered",
    [EVENT_READ] = "read",
    [EVENT_PLAYED] = "played",
    [EVENT_FAILED] = "failed",
    [EVENT_POSTBACK] = "postback",
    [EVENT_REFERRAL] = "referral",
    [EVENT_OPTIN] = "optin",
    [EVENT_TYPING] = "typing",
    [EVENT_COMMENT] = "comment",
    [EVENT_HANDOVER] = "handover",
    [EVENT_SYSTEM] = "system",
    [EVENT_ACCOUNT_STATUS] = "account_status",
    [EVENT_UNKNOWN] = "unknown",
};

const char *event_kind_name(enum event_kind k)
{
    return kind_names[k];
}

static struct str hash_text(struct arena *a, struct str bytes)
{
    uint8_t digest[SHA256_BYTES];
    sha256(bytes, digest);
    return base64url_encode(a, (struct str){(const char *)digest, sizeof digest});
}

static struct str shorten(struct arena *a, struct str key)
{
    if (key.len <= KEY_MAX)
        return key;
    size_t head = str_shorten(key, KEY_MAX - 1 - KEY_HASH_TEXT).len;
    struct str hash = hash_text(a, str_skip(key, head));
    char *out = arena_alloc(a, head + 1 + hash.len);
    memcpy(out, key.ptr, head);
    out[head] = '~';
    memcpy(out + head + 1, hash.ptr, hash.len);
    return (struct str){out, head + 1 + hash.len};
}

struct str event_key(struct arena *a, const char *kind, const struct str *parts, size_t n)
{
    struct str name = str_of(kind);
    size_t len = name.len;
    for (size_t i = 0; i < n; i++)
        len += parts[i].ptr ? parts[i].len + 1 : 0;

    char *out = arena_alloc(a, len);
    memcpy(out, name.ptr, name.len);
    char *end = out + name.len;
    for (size_t i = 0; i < n; i++) {
        if (!parts[i].ptr)
            continue;
        *end++ = ':';
        memcpy(end, parts[i].ptr, parts[i].len);
        end += parts[i].len;
    }
    return shorten(a, (struct str){out, len});
}

struct str event_key_of_bytes(struct arena *a, struct str unit, size_t index)
{
    struct str hash = hash_text(a, unit);
    return str_fmt(a, "hash:%.*s:%zu", STR_ARG(hash), index);
}
