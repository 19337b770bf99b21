/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include <string.h>

#include "clock.h"
#include "id.h"
#include "mem.h"

#define EMAIL_MAX 254 /* RFC 5321 §4.5.3.1.3, without the angle brackets */
#define LOCAL_MAX 64
#define HOST_MAX  253
#define LABEL_MAX 63

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_uuid(struct str text)
{
    struct uuid ignored;
    return uuid_parse(text, &ignored);
}

static bool is_date_time(struct str text)
{
    int64_t ignored;
    return clock_parse(text, &ignored);
}

static bool is_label(struct str s)
{
    if (s.len == 0 || s.len > LABEL_MAX || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.ptr[i]) && s.ptr[i] != '-')
            return false;
    return true;
}

static bool is_hostname(struct str text)
{
    struct str label, rest = text;
    if (text.len == 0 || text.len > HOST_MAX)
        return false;
    do {
        struct str tail;
        (void)str_cut(rest, '.', &label, &tail);
        rest = tail;
        if (!is_label(label))
            return false;
    } while (rest.ptr);
    return true;
}

/* The common form of RFC 5322: an unquoted local part. Whether it exists only mail can tell. */
static bool is_email(struct str text)
{
    const char *at = text.len ? memrchr(text.ptr, '@', text.len) : NULL;
    if (!at || text.len > EMAIL_MAX)
        return false;
    struct str local = {text.ptr, (size_t)(at - text.ptr)};
    if (local.len == 0 || local.len > LOCAL_MAX)
        return false;
    for (size_t i = 0; i < local.len; i++) {
        char c = local.ptr[i];
        bool is_dot = c == '.' && i > 0 && i + 1 < local.len && local.ptr[i - 1] != '.';
        if (!is_alnum(c) && !is_dot && (c == '.' || c == 0 || !strchr("!#$%&'*+-/=?^_`{|}~", c)))
            return false;
    }
    return is_hostname(str_skip(text, local.len + 1));
}

/* Absolute, of the characters that RFC 3986 allows. What may be fetched is checked where it is. */
static bool is_uri(struct str text)
{
    struct str scheme, rest;
    if (!str_cut(text, ':', &scheme, &rest) || scheme.len == 0 || rest.len == 0)
        return false;
    for (size_t i = 0; i < scheme.len; i++)
        if (!is_alnum(scheme.ptr[i]) && (i == 0 || !strchr("+-.", scheme.ptr[i])))
            return false;
    for (size_t i = 0; i < rest.len; i++)
        if (!is_alnum(rest.ptr[i]) &&
            (rest.ptr[i] == 0 || !strchr("-._~:/?#[]@!$&'()*+,;=%", rest.ptr[i])))
            return false;
    return !(scheme.ptr[0] >= '0' && scheme.ptr[0] <= '9');
}

const struct api_format *api_format_find(struct str name)
{
    static const struct api_format formats[] = {
        {"uuid", "want a UUID", is_uuid},
        {"email", "want an e-mail address", is_email},
        {"date-time", "want a time as in RFC 3339", is_date_time},
        {"uri", "want an absolute URI", is_uri},
        {"hostname", "want a host's name", is_hostname},
    };
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_eq_c(name, formats[i].name))
            return &formats[i];
    return NULL;
}
