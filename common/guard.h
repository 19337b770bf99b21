/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where a tenant's URL may lead: not to us. Checked when a URL is stored (guard_url) and again on
 * the very address that is connected to (guard_address), so that no name, redirect or second DNS
 * answer gets around it. Constant after start; any thread.
 *
 * The URLs that pass are a narrow subset of RFC 3986, on which every parser agrees: ASCII, no
 * backslash, no user information, a host that is a name of letters, digits, hyphens and underscores
 * (an international name in its xn-- form) or an address in its canonical form.
 * tests/corpus/urls.txt and addresses.txt say what passes and what does not. */
#include <sys/socket.h>

#include "err.h"
#include "str.h"

struct guard;

#define GUARD_URL_MAX 2048

/* `allowed`: hosts that the operator lets through, comma separated, "host" or "host:port" (IPv6 in
 * brackets): any address, and http too (a test's simulator, a private UniPile). "" or NULL: none.
 * NULL: err. Returns owned. */
struct guard *guard_new(const char *allowed, struct err *err);
void guard_free(struct guard *g);
/* Is it a URL that a tenant may give? https, a host name or a public address in its canonical form,
 * no user information, no control characters. ERR_INVALID says what is wrong. `g` NULL, here and
 * below: no host is let through. */
bool guard_url(const struct guard *g, struct str url, struct err *err) NODISCARD;
/* May this address be connected to, for a URL of this host and port? Global unicast only: not
 * loopback, private, link-local, shared, unique local, multicast, documentation, mapped or
 * translated forms of those. `host` as in the URL, IPv6 with or without brackets. */
bool guard_address(const struct guard *g, struct str host, int port,
                   const struct sockaddr *address);
