/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#define PREFIX STR("/webhooks/")

/* Paths that operators have entered at a provider before ours existed. */
static const struct {
    struct str path;
    struct str name;
} aliases[] = {
    {{"/api/instagram/webhook", 22}, {"instagram", 9}},
};

/* "<provider>[/...]" of a path; absent: not ours. */
static struct str strip_prefix(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (str_eq(path, aliases[i].path))
            return aliases[i].name;
    }
    return str_starts(path, PREFIX) ? str_skip(path, PREFIX.len) : STR_NONE;
}

static bool find_tenant(struct str text, bool has_more, struct str more, struct ingest_route *out)
{
    struct uuid tenant;
    if (!uuid_parse(text, &tenant))
        return false;
    uuid_format(tenant, out->tenant_text);
    if (!has_more)
        return true;
    struct str segment, tail;
    if (!more.len || str_cut(more, '/', &segment, &tail))
        return false;
    out->rest = segment;
    return true;
}

bool ingest_route_find(struct str path, struct ingest_route *out)
{
    struct ingest_route route = {.rest = STR_NONE};
    struct str name, tail, tenant, rest;
    bool has_tail = str_cut(strip_prefix(path), '/', &name, &tail);
    for (; (route.provider = provider_at(route.index)); route.index++) {
        if (str_eq_c(name, route.provider->name))
            break;
    }
    if (!route.provider || has_tail != (route.provider->scope == SCOPE_TENANT))
        return false;
    if (has_tail) {
        bool has_rest = str_cut(tail, '/', &tenant, &rest);
        if (!find_tenant(tenant, has_rest, rest, &route))
            return false;
    }
    *out = route;
    return true;
}

struct str ingest_route_tenant(const struct ingest_route *route)
{
    return route->tenant_text[0] ? (struct str){route->tenant_text, UUID_TEXT} : STR_NONE;
}
