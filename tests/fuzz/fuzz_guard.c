/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's URL. What passes must be the same URL to libcurl, which fetches it: https, no user
 * information, the host that was looked at; and an address in it must be a public one.
 *
 * Lines: the hosts that the operator lets through, the URL, an address to connect to. */
#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool address_of(const char *text, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        out->ss_family = AF_INET6;
    return out->ss_family != 0;
}

static void check_host(struct arena *a, const struct guard *g, char *host, const char *port)
{
    struct sockaddr_storage address;
    struct in_addr loose;
    size_t n = strlen(host);
    struct str bare = {host, n};
    if (n > 2 && host[0] == '[')
        bare = (struct str){host + 1, n - 2};
    const char *text = str_c(a, bare);
    bool is_strict = address_of(text, &address);
    // "127.1" is an address to the system's own reader, and must not be a name to us.
    assert(is_strict || inet_aton(text, &loose) == 0);
    if (is_strict)
        assert(guard_address(g, str_of(host), (int)strtol(port, NULL, 10),
                             (const struct sockaddr *)&address));
}

static void check_passed(struct arena *a, const struct guard *g, struct str url)
{
    char *host = NULL, *scheme = NULL, *user = NULL, *port = NULL;
    CURLU *u = curl_url();
    assert(u && curl_url_set(u, CURLUPART_URL, str_c(a, url), 0) == CURLUE_OK);
    assert(curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && host);
    assert(curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK);
    assert(curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
    assert(curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK);
    assert(strcmp(scheme, "https") == 0);
    assert(memmem(url.ptr, url.len, host, strlen(host)));
    check_host(a, g, host, port);
    curl_free(host);
    curl_free(scheme);
    curl_free(user);
    curl_free(port);
    curl_url_cleanup(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str allowed, url, rest, text, ignored;
    struct err err = {0};
    auto_arena a = arena_new((size_t)1 << 20);
    if (size > 2 * GUARD_URL_MAX)
        return 0;
    (void)str_cut((struct str){(const char *)data, size}, '\n', &allowed, &rest);
    (void)str_cut(rest, '\n', &url, &rest);
    (void)str_cut(rest, '\n', &text, &ignored);
    // Where nobody is let through by name, what passes is what everyone may give.
    if (guard_url(NULL, url, &err))
        check_passed(a, NULL, url);
    else
        assert(err.kind == ERR_INVALID);
    struct guard *g = guard_new(str_c(a, allowed), &err);
    if (!g)
        return 0;
    bool passes = guard_url(NULL, url, &err);
    assert(guard_url(g, url, &err) || !passes);
    struct sockaddr_storage address;
    if (address_of(str_c(a, text), &address)) {
        bool is_public = guard_address(NULL, url, 443, (const struct sockaddr *)&address);
        assert(guard_address(g, url, 443, (const struct sockaddr *)&address) || !is_public);
    }
    guard_free(g);
    return 0;
}
