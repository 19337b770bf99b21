/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_impl.h"

#define BACKLOG 1024

static bool bind_error(struct err *err, const char *host, int port, int code)
{
    if (code == EADDRINUSE)
        return err_set(err, ERR_CONFLICT,
                       "port %d on %s is taken by another process: stop it, or choose another port",
                       port, host);
    if (code == EACCES)
        return err_set(err, ERR_DENIED,
                       "may not listen on %s port %d: choose a port above 1023, or grant "
                       "CAP_NET_BIND_SERVICE",
                       host, port);
    char why[128] = "";
    return err_set(err, ERR_INVALID, "cannot listen on %s port %d: %s", host, port,
                   strerror_r(code, why, sizeof why));
}

static int try_listen(const struct addrinfo *ai, bool reuse_port)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr = {.v6 = {0}};
    socklen_t len = sizeof addr;
    if (getsockname(fd, &addr.any, &len) != 0)
        return -1;
    return ntohs(addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port : addr.v4.sin_port);
}

int http_listen(const char *host, int port, bool reuse_port, int *bound_port, struct err *err)
{
    char service[16];
    (void)snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host[0] ? host : NULL, service, &hints, &list);
    if (rc != 0) {
        err_set(err, ERR_INVALID, "cannot listen on '%s' port %d: %s", host, port,
                gai_strerror(rc));
        return -1;
    }
    int fd = -1, code = EADDRNOTAVAIL;
    for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
        fd = try_listen(ai, reuse_port);
        code = errno;
    }
    freeaddrinfo(list);
    if (fd < 0) {
        bind_error(err, host, port, code);
        return -1;
    }
    *bound_port = port_of(fd);
    return fd;
}

bool http_port_is_free(const char *host, int port, struct err *err)
{
    int bound;
    int fd = http_listen(host, port, false, &bound, err);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}
