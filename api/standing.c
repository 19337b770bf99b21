/* SPDX-License-Identifier: Apache-2.0 */
#include "standing.h"

#include <pthread.h>
#include <stdlib.h>

#include "id.h"
#include "mem.h"

#define SLOTS 16384 /* users that call at one time; a power of two */

struct caller {
    struct uuid tenant, user;
};

struct slot {
    struct caller caller;
    int64_t at_ms; /* 0: free */
    struct api_standing standing;
};

struct api_standings {
    pthread_mutex_t lock;
    struct slot slots[SLOTS];
};

struct api_standings *api_standings_new(void)
{
    struct api_standings *s = xalloc(sizeof *s);
    (void)pthread_mutex_init(&s->lock, NULL);
    return s;
}

void api_standings_free(struct api_standings *s)
{
    if (!s)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Two callers in one slot push each other out, which costs a read and nothing else. */
static struct slot *slot_of(struct api_standings *s, struct str tenant_id, struct str user_id,
                            struct caller *caller)
{
    if (!uuid_parse(tenant_id, &caller->tenant) || !uuid_parse(user_id, &caller->user))
        return NULL;
    return &s->slots[str_hash((struct str){(const char *)caller, sizeof *caller}) % SLOTS];
}

bool api_standing_get(struct api_standings *s, struct str tenant_id, struct str user_id,
                      int64_t now_ms, struct api_standing *out)
{
    struct caller caller;
    const struct slot *slot = slot_of(s, tenant_id, user_id, &caller);
    if (!slot)
        return false;
    (void)pthread_mutex_lock(&s->lock);
    bool known = slot->at_ms && uuid_eq(slot->caller.tenant, caller.tenant) &&
                 uuid_eq(slot->caller.user, caller.user) && now_ms - slot->at_ms < API_STANDING_MS;
    if (known)
        *out = slot->standing;
    (void)pthread_mutex_unlock(&s->lock);
    return known;
}

void api_standing_put(struct api_standings *s, struct str tenant_id, struct str user_id,
                      int64_t now_ms, const struct api_standing *standing)
{
    struct caller caller;
    struct slot *slot = slot_of(s, tenant_id, user_id, &caller);
    if (!slot)
        return;
    (void)pthread_mutex_lock(&s->lock);
    *slot = (struct slot){caller, now_ms, *standing};
    (void)pthread_mutex_unlock(&s->lock);
}
