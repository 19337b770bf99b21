/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/socket.h>

#include "crypto.h"
#include "http_impl.h"

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, 1.3
#define KEY_BYTES      16

/* Is `token` in the comma-separated list? */
static bool list_has(struct str list, struct str token)
{
    struct str item, rest = list;
    for (bool more = rest.len > 0; more;) {
        more = str_cut(rest, ',', &item, &rest);
        if (str_ieq(str_trim(item), token))
            return true;
    }
    return false;
}

static bool check_request(const struct http_request *r, struct err *err)
{
    if (r->method != HTTP_GET)
        return err_set(err, ERR_INVALID, "a websocket starts with GET");
    if (!list_has(http_header(r, "Connection"), STR("upgrade")) ||
        !list_has(http_header(r, "Upgrade"), STR("websocket")))
        return err_set(err, ERR_INVALID,
                       "not a websocket request: wants 'Connection: Upgrade' and "
                       "'Upgrade: websocket'");
    if (!str_eq_c(http_header(r, "Sec-WebSocket-Version"), "13"))
        return err_set(err, ERR_INVALID, "wants Sec-WebSocket-Version 13");
    struct str key;
    if (!base64_decode(r->arena, http_header(r, "Sec-WebSocket-Key"), &key) || key.len != KEY_BYTES)
        return err_set(err, ERR_INVALID, "Sec-WebSocket-Key must be %d bytes in base64", KEY_BYTES);
    return true;
}

/* base64(SHA-1(key + GUID)): SHA-1 because the protocol says so, it protects nothing. */
static const char *accept_value(struct arena *a, struct str key)
{
    struct str text = str_fmt(a, "%.*s" WEBSOCKET_GUID, STR_ARG(key));
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1((const unsigned char *)text.ptr, text.len, digest);
    return str_c(a, base64_encode(a, (struct str){(const char *)digest, sizeof digest}));
}

/* From within MHD_run(): only note it. The descriptor is doubled, so that libmicrohttpd can close
 * its own, free its pool and forget the connection while the websocket lives on ours. */
static void on_upgrade(void *cls, struct MHD_Connection *mhd, void *con_cls, const char *extra,
                       size_t extra_len, MHD_socket sock, struct MHD_UpgradeResponseHandle *handle)
{
    (void)mhd;
    (void)con_cls;
    struct http_request *r = cls;
    struct http_upgrade *u = r->upgrade;
    u->handle = handle;
    u->early = str_dup(r->arena, (struct str){extra, extra_len});
    u->fd = fcntl(sock, F_DUPFD_CLOEXEC, 0);
    if (u->fd >= 0) {
        int on = 1;
        (void)setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    http_list_remove(&r->server->live, r);
    http_list_push(&r->server->upgraded, r);
    http_server_wake(r->server);
}

bool http_upgrade_websocket(struct http_request *r, struct str protocol,
                            void (*on_socket)(void *ctx, void *user, int fd, struct str early),
                            void *user, struct err *err)
{
    assert(r->state == HTTP_HANDLING && r->server->opts.can_upgrade);
    if (!check_request(r, err))
        return false;
    r->upgrade = ARENA_NEW(r->arena, struct http_upgrade);
    *r->upgrade = (struct http_upgrade){.on_socket = on_socket, .user = user, .fd = -1};
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, r);
    assert(response); // NULL: out of memory
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket");
    (void)MHD_add_response_header(response, "Sec-WebSocket-Accept",
                                  accept_value(r->arena, http_header(r, "Sec-WebSocket-Key")));
    if (protocol.len)
        (void)MHD_add_response_header(response, "Sec-WebSocket-Protocol",
                                      str_c(r->arena, protocol));
    for (const struct http_extra *x = r->headers; x; x = x->next)
        (void)MHD_add_response_header(response, x->name, x->value);
    bool queued = MHD_queue_response(r->mhd, MHD_HTTP_SWITCHING_PROTOCOLS, response) == MHD_YES;
    MHD_destroy_response(response);
    if (!queued)
        return err_set(err, ERR_INVALID, "a websocket needs HTTP/1.1");
    r->state = HTTP_ANSWERED;
    return true;
}
