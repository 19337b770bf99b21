/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An input as a file, for what reads files by their path: in memory, and nobody else's. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "str.h"

struct memory_file {
    int fd;
    char path[32];
};

static inline void memory_file_open(struct memory_file *f, struct str bytes)
{
    f->fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert(f->fd >= 0 && fchmod(f->fd, S_IRUSR | S_IWUSR) == 0);
    assert(write(f->fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    (void)snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

static inline void memory_file_close(struct memory_file *f)
{
    (void)close(f->fd);
}
