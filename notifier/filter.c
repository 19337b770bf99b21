/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct name {
    char text[SUBJECT_PROVIDER_MAX];
};

/* A list that was not given is NULL; one that is empty is given, and lets nothing pass. */
struct filter {
    struct uuid *channels, *conversations; /* sorted */
    struct name *providers;
    size_t n_channels, n_conversations, n_providers;
};

static int cmp_uuid(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static bool parse_list(const struct json *message, const char *key, const struct json **out,
                       struct err *err)
{
    *out = json_get(message, key);
    if (*out && !json_is(*out, JSON_ARRAY))
        return err_set(err, ERR_INVALID, "'%s' must be a list", key);
    if (*out && (*out)->n > FILTER_LIST_MAX)
        return err_set(err, ERR_LIMITED, "'%s' has more than %d entries", key, FILTER_LIST_MAX);
    return true;
}

static bool parse_ids(const struct json *message, const char *key, struct uuid **ids, size_t *n,
                      struct err *err)
{
    const struct json *list = NULL;
    if (!parse_list(message, key, &list, err))
        return false;
    if (!list)
        return true;
    *ids = xalloc((list->n + 1) * sizeof **ids);
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!json_is(v, JSON_STRING) || !uuid_parse(v->raw, &(*ids)[*n]))
            return err_set(err, ERR_INVALID, "'%s' entry %zu is not a UUID", key, *n);
        (*n)++;
    }
    qsort(*ids, *n, sizeof **ids, cmp_uuid);
    return true;
}

static bool parse_names(const struct json *message, const char *key, struct name **names, size_t *n,
                        struct err *err)
{
    const struct json *list = NULL;
    if (!parse_list(message, key, &list, err))
        return false;
    if (!list)
        return true;
    *names = xalloc((list->n + 1) * sizeof **names);
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!json_is(v, JSON_STRING) || v->raw.len == 0 || v->raw.len >= SUBJECT_PROVIDER_MAX)
            return err_set(err, ERR_INVALID, "'%s' entry %zu is not a provider's name", key, *n);
        memcpy((*names)[*n].text, v->raw.ptr, v->raw.len);
        (*n)++;
    }
    return true;
}

bool notifier_filter_parse(const struct json *message, struct filter **out, struct err *err)
{
    struct filter *f = xalloc(sizeof *f);
    if (!parse_ids(message, "channels", &f->channels, &f->n_channels, err) ||
        !parse_ids(message, "conversations", &f->conversations, &f->n_conversations, err) ||
        !parse_names(message, "providers", &f->providers, &f->n_providers, err)) {
        notifier_filter_free(f);
        return false;
    }
    if (!f->channels && !f->conversations && !f->providers) {
        notifier_filter_free(f);
        f = NULL;
    }
    *out = f;
    return true;
}

void notifier_filter_free(struct filter *f)
{
    if (!f)
        return;
    free(f->channels);
    free(f->conversations);
    free(f->providers);
    free(f);
}

static bool has_id(const struct uuid *ids, size_t n, const struct uuid *id)
{
    return !ids || (!uuid_is_nil(*id) && bsearch(id, ids, n, sizeof *ids, cmp_uuid));
}

static bool has_name(const struct name *names, size_t n, const char *name)
{
    if (!names)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i].text, name) == 0)
            return true;
    }
    return false;
}

bool notifier_filter_passes(const struct filter *f, const struct subject *s)
{
    return !f || (has_id(f->channels, f->n_channels, &s->channel) &&
                  has_id(f->conversations, f->n_conversations, &s->conversation) &&
                  has_name(f->providers, f->n_providers, s->provider));
}
