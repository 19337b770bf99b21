/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define ALLOWED_MAX  64
#define HOST_MAX     253 /* RFC 1035 */
#define LABEL_MAX    63
#define HTTPS_PORT   443
#define HTTP_PORT    80
#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 1)

struct endpoint {
    struct str host; /* without brackets */
    int port;        /* 0: any (in a list of allowed ones), or not named (in a URL) */
    bool is_v6;      /* it stood in brackets */
};

struct guard {
    char *text; /* what `allowed` points into */
    struct endpoint allowed[ALLOWED_MAX];
    size_t n;
};

/* --- host and port ---------------------------------------------------------------------------- */

static bool parse_port(struct str s, int *port)
{
    int64_t n;
    if (s.len > 5 || !str_i64(s, &n) || n < 1 || n > 65535)
        return false;
    *port = (int)n;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port". */
static bool parse_endpoint(struct str s, struct endpoint *out)
{
    struct endpoint e = {.host = s};
    struct str rest = STR_NONE;
    if (str_starts(s, STR("["))) {
        if (!str_cut(str_skip(s, 1), ']', &e.host, &rest))
            return false;
        e.is_v6 = true;
        if (rest.len && rest.ptr[0] != ':')
            return false;
        if (rest.len && !parse_port(str_skip(rest, 1), &e.port))
            return false;
    } else if (str_cut(s, ':', &e.host, &rest) && !parse_port(rest, &e.port)) {
        return false;
    }
    if (e.host.len == 0)
        return false;
    *out = e;
    return true;
}

static struct str without_brackets(struct str host)
{
    if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
        return (struct str){host.ptr + 1, host.len - 2};
    return host;
}

static bool is_allowed(const struct guard *g, struct str host, int port)
{
    for (size_t i = 0; g && i < g->n; i++)
        if (str_ieq(g->allowed[i].host, host) &&
            (g->allowed[i].port == 0 || g->allowed[i].port == port))
            return true;
    return false;
}

struct guard *guard_new(const char *allowed, struct err *err)
{
    struct guard *g = xalloc(sizeof *g);
    g->text = xstrdup(allowed ? allowed : "");
    struct str rest = str_of(g->text), item;
    while (rest.len) {
        (void)str_cut(rest, ',', &item, &rest);
        item = str_trim(item);
        if (item.len == 0)
            continue;
        if (g->n == ALLOWED_MAX || !parse_endpoint(item, &g->allowed[g->n])) {
            err_set(err, ERR_INVALID,
                    "'%.*s' is not a host or host:port, or there are more than %d of them",
                    item.len < 80 ? (int)item.len : 80, item.ptr, ALLOWED_MAX);
            guard_free(g);
            return NULL;
        }
        g->n++;
    }
    return g;
}

void guard_free(struct guard *g)
{
    if (!g)
        return;
    free(g->text);
    free(g);
}

/* --- addresses -------------------------------------------------------------------------------- */

struct range4 {
    uint32_t net;
    int bits;
};
#define NET4(a, b, c, d, bits)                                                               \
    {                                                                                        \
        (uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d), bits \
    }

/* IANA's special-purpose registry, where "globally reachable" is not true, and what clouds put
 * their own services on. */
static const struct range4 refused4[] = {
    NET4(0, 0, 0, 0, 8),        /* this network */
    NET4(10, 0, 0, 0, 8),       /* private */
    NET4(100, 64, 0, 0, 10),    /* shared (carrier NAT); Alibaba's metadata */
    NET4(127, 0, 0, 0, 8),      /* loopback */
    NET4(168, 63, 129, 16, 32), /* Azure's platform, though a public address */
    NET4(169, 254, 0, 0, 16),   /* link-local; metadata of most clouds */
    NET4(172, 16, 0, 0, 12),    /* private */
    NET4(192, 0, 0, 0, 24),     /* protocol assignments; Oracle's metadata */
    NET4(192, 0, 2, 0, 24),     /* documentation */
    NET4(192, 88, 99, 0, 24),   /* 6to4 relays, given up */
    NET4(192, 168, 0, 0, 16),   /* private */
    NET4(198, 18, 0, 0, 15),    /* benchmarking */
    NET4(198, 51, 100, 0, 24),  /* documentation */
    NET4(203, 0, 113, 0, 24),   /* documentation */
    NET4(224, 0, 0, 0, 4),      /* multicast */
    NET4(240, 0, 0, 0, 4),      /* reserved, broadcast */
};

static bool is_global4(uint32_t address)
{
    for (size_t i = 0; i < ARRAY_LEN(refused4); i++)
        if ((address ^ refused4[i].net) >> (32 - refused4[i].bits) == 0)
            return false;
    return true;
}

struct range6 {
    uint8_t net[16];
    int bits;
};

/* Within 2000::/3, the only part that is global unicast. */
static const struct range6 refused6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments: Teredo, benchmarking, ORCHID */
    {{0x20, 0x01, 0x0D, 0xB8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: an IPv4 address in disguise, given up */
    {{0x3F, 0xFF}, 20},             /* documentation */
};
static const struct range6 global6 = {{0x20}, 3};
/* ::ffff:a.b.c.d and RFC 6052's well-known NAT64 prefix: as good as the IPv4 address in them. */
static const struct range6 mapped4 = {{[10] = 0xFF, [11] = 0xFF}, 96};
static const struct range6 nat64 = {{0x00, 0x64, 0xFF, 0x9B}, 96};

static bool is_in6(const uint8_t address[16], const struct range6 *r)
{
    int whole = r->bits / 8, rest = r->bits % 8;
    if (memcmp(address, r->net, (size_t)whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ r->net[whole]) >> (8 - rest) == 0;
}

static bool is_global6(const uint8_t address[16])
{
    if (is_in6(address, &mapped4) || is_in6(address, &nat64))
        return is_global4((uint32_t)address[12] << 24 | (uint32_t)address[13] << 16 |
                          (uint32_t)address[14] << 8 | address[15]);
    if (!is_in6(address, &global6))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(refused6); i++)
        if (is_in6(address, &refused6[i]))
            return false;
    return true;
}

static bool is_global(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return is_global4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        // A scope names one of our own interfaces.
        return in.sin6_scope_id == 0 && is_global6(in.sin6_addr.s6_addr);
    }
    return false;
}

bool guard_address(const struct guard *g, struct str host, int port, const struct sockaddr *address)
{
    return is_allowed(g, without_brackets(host), port) || is_global(address);
}

/* --- URLs ------------------------------------------------------------------------------------- */

/* Characters of RFC 3986, without those that make parsers differ. */
static bool has_only_url_characters(struct str url)
{
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c <= ' ' || c >= 0x7F || strchr("\"<>\\^`{|}", c))
            return false;
    }
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label(struct str label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i], low = (char)(c | 0x20);
        if (!is_digit(c) && !(low >= 'a' && low <= 'z') && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* The last label decides: one that begins with a digit makes resolvers read the whole as an IPv4
 * address, in any of its old forms (decimal, octal, hexadecimal, fewer parts). No top-level domain
 * does. */
static bool looks_like_address(struct str host)
{
    size_t dot = host.len;
    while (dot > 0 && host.ptr[dot - 1] != '.')
        dot--;
    return dot < host.len && is_digit(host.ptr[dot]);
}

/* Names that lead to this machine or this network, whoever resolves them. */
static const char *const local_names[] = {"localhost", "local",    "internal", "localdomain",
                                          "home.arpa", "intranet", "lan",      "corp",
                                          "home",      "private",  "onion"};

static bool is_local_name(struct str host)
{
    for (size_t i = 0; i < ARRAY_LEN(local_names); i++) {
        struct str name = str_of(local_names[i]);
        if (host.len < name.len)
            continue;
        struct str tail = str_skip(host, host.len - name.len);
        if (str_ieq(tail, name) && (tail.ptr == host.ptr || tail.ptr[-1] == '.'))
            return true;
    }
    return false;
}

/* Global, and written as inet_ntop writes it. */
static bool check_address(int family, struct str host, struct err *err)
{
    char text[ADDRESS_TEXT], again[ADDRESS_TEXT];
    struct in6_addr bytes = {0};
    if (host.len >= sizeof text)
        return err_set(err, ERR_INVALID, "the URL's address is too long");
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (inet_pton(family, text, &bytes) != 1 || !inet_ntop(family, &bytes, again, sizeof again) ||
        !str_ieq(host, str_of(again)))
        return err_set(err, ERR_INVALID,
                       "the URL's host is neither a name nor an address in its usual form");
    uint32_t v4;
    memcpy(&v4, &bytes, sizeof v4);
    // A mapped or translated address has no business in a URL, whatever is in it.
    bool ok = family == AF_INET ? is_global4(ntohl(v4))
                                : is_in6(bytes.s6_addr, &global6) && is_global6(bytes.s6_addr);
    return ok || err_set(err, ERR_INVALID, "the URL's address is not a public one");
}

static bool check_name(struct str host, struct err *err)
{
    if (host.len > HOST_MAX)
        return err_set(err, ERR_INVALID, "the URL's host name is longer than %d", HOST_MAX);
    struct str rest = host, label;
    bool is_more = true;
    int labels = 0;
    while (is_more) {
        is_more = str_cut(rest, '.', &label, &rest);
        labels++;
        if (!is_label(label))
            return err_set(err, ERR_INVALID,
                           "the URL's host name may have letters, digits and hyphens only, with no "
                           "dot at its end (an international name in its xn-- form)");
    }
    if (labels < 2 || is_local_name(host))
        return err_set(err, ERR_INVALID, "the URL's host is a local name");
    return true;
}

/* Scheme, and what stands between it and the path. */
static bool cut_authority(struct str url, bool *is_https, struct str *authority)
{
    static const struct str https = STR("https://"), http = STR("http://");
    struct str rest;
    if (url.len >= https.len && str_ieq((struct str){url.ptr, https.len}, https)) {
        *is_https = true;
        rest = str_skip(url, https.len);
    } else if (url.len >= http.len && str_ieq((struct str){url.ptr, http.len}, http)) {
        *is_https = false;
        rest = str_skip(url, http.len);
    } else {
        return false;
    }
    size_t n = 0;
    while (n < rest.len && !strchr("/?#", rest.ptr[n]))
        n++;
    *authority = (struct str){rest.ptr, n};
    return true;
}

bool guard_url(const struct guard *g, struct str url, struct err *err)
{
    bool is_https;
    struct str authority;
    struct endpoint e;
    if (url.len > GUARD_URL_MAX)
        return err_set(err, ERR_INVALID, "the URL is longer than %d bytes", GUARD_URL_MAX);
    if (!has_only_url_characters(url))
        return err_set(err, ERR_INVALID,
                       "the URL has a character that no URL may have: percent-encode it");
    if (!cut_authority(url, &is_https, &authority))
        return err_set(err, ERR_INVALID, "the URL does not begin with https://");
    if (memchr(authority.ptr, '@', authority.len))
        return err_set(err, ERR_INVALID, "the URL may not have a user or password in it");
    if (!parse_endpoint(authority, &e))
        return err_set(err, ERR_INVALID, "the URL's host or port is not one");
    if (e.port == 0)
        e.port = is_https ? HTTPS_PORT : HTTP_PORT;
    if (is_allowed(g, e.host, e.port))
        return true;
    if (!is_https)
        return err_set(err, ERR_INVALID, "the URL does not begin with https://");
    if (e.is_v6)
        return check_address(AF_INET6, e.host, err);
    return looks_like_address(e.host) ? check_address(AF_INET, e.host, err)
                                      : check_name(e.host, err);
}
