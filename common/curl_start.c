/* SPDX-License-Identifier: Apache-2.0 */
#include "curl_start.h"

#include <curl/curl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static void *on_malloc(size_t size)
{
    return xrealloc(NULL, size);
}

static void *on_calloc(size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        abort();
    return xalloc(n * size);
}

static void on_free(void *p)
{
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

/* Never in place: what is left behind has to be erased. */
static void *on_realloc(void *p, size_t size)
{
    void *grown = xrealloc(NULL, size);
    if (p) {
        size_t had = malloc_usable_size(p);
        memcpy(grown, p, had < size ? had : size);
        on_free(p);
    }
    return grown;
}

static char *on_strdup(const char *s)
{
    return xstrdup(s);
}

static void start(void)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, on_malloc, on_free, on_realloc,
                                         on_strdup, on_calloc);
    if (code == CURLE_OK)
        return;
    // Only when OpenSSL does not start: there is no going on without it.
    (void)fprintf(stderr, "postrider: libcurl does not start: %s\n", curl_easy_strerror(code));
    abort();
}

void curl_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start);
}
