/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which web pages may open a stream. A browser sends cookies and tokens of its user to any page's
 * websocket, so the page's origin is checked; programs send no Origin and are let through: they
 * cannot be made to act for somebody else. */
#include "str.h"

/* `allowed`: origins separated by commas ("https://inbox.example.com"), "*" for any, "" for the
 * page that came from this very host. `origin` and `host` are the request's headers, either may be
 * absent. */
bool origin_is_allowed(struct str allowed, struct str origin, struct str host);
