/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

/* The authority of "https://host:port" without a port that the scheme implies. */
static bool cut_scheme(struct str origin, struct str *authority)
{
    struct str https = STR("https://");
    struct str http = STR("http://");
    if (str_starts(origin, https))
        *authority = str_skip(origin, https.len);
    else if (str_starts(origin, http))
        *authority = str_skip(origin, http.len);
    else
        return false;
    return authority->len > 0;
}

static struct str without_port(struct str authority, struct str port)
{
    if (str_ends(authority, port))
        authority.len -= port.len;
    return authority;
}

/* Behind a proxy that ends TLS the page is https and we see http: the scheme cannot be compared,
 * and either default port may be written out. */
static bool is_same_host(struct str origin, struct str host)
{
    struct str authority = STR_NONE;
    if (host.len == 0 || !cut_scheme(origin, &authority))
        return false;
    struct str port = str_starts(origin, STR("https://")) ? STR(":443") : STR(":80");
    return str_ieq(without_port(authority, port), without_port(host, port));
}

bool origin_is_allowed(struct str allowed, struct str origin, struct str host)
{
    if (origin.len == 0)
        return true;
    allowed = str_trim(allowed);
    if (allowed.len == 0)
        return is_same_host(origin, host);
    while (allowed.len > 0) {
        struct str item = STR_NONE;
        struct str rest = STR_NONE;
        str_cut(allowed, ',', &item, &rest);
        item = str_trim(item);
        if (str_ends(item, STR("/")))
            item.len--; // people copy the slash from the address bar; an Origin has none
        if (str_eq_c(item, "*") || (item.len > 0 && str_ieq(item, origin)))
            return true;
        allowed = rest;
    }
    return false;
}
