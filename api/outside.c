/* SPDX-License-Identifier: Apache-2.0 */
#include "outside.h"

#include <stdlib.h>

#include "access.h"
#include "call.h"
#include "crypto.h"
#include "fetch.h"
#include "mem.h"

#define MAX_TRANSFERS 256 /* the calls that wait are bounded already */
#define ANSWER_MAX    ((size_t)1 << 20)

struct api_outside *api_outside_new(uv_loop_t *loop, const struct api_conf *conf, struct err *err)
{
    struct api_outside *o = xalloc(sizeof *o);
    o->conf = conf;
    o->guard = guard_new(conf->allowed_hosts, err);
    if (o->guard)
        o->exchange.fetch =
            fetch_new(&(struct fetch_opts){.loop = loop,
                                           .ca_file = conf->ca_file,
                                           .max_per_host = (int)conf->provider_connections,
                                           .max_transfers = MAX_TRANSFERS,
                                           .connect_timeout_ms = conf->provider_connect_timeout,
                                           .guard = o->guard},
                      err);
    o->exchange.timeout_ms = conf->provider_timeout;
    o->exchange.answer_max_bytes = ANSWER_MAX;
    if (o->exchange.fetch && conf->key_ring[0])
        o->vault = vault_open(conf->key_ring, err);
    if (!o->exchange.fetch || (conf->key_ring[0] && !o->vault)) {
        api_outside_free(o);
        return NULL;
    }
    if (conf->webhook_master_key && conf->webhook_master_key[0])
        o->webhook_master = hmac_new(str_of(conf->webhook_master_key));
    return o;
}

void api_outside_free(struct api_outside *o)
{
    if (!o)
        return;
    if (o->exchange.fetch)
        fetch_free(o->exchange.fetch);
    if (o->vault)
        vault_close(o->vault);
    hmac_free(o->webhook_master);
    guard_free(o->guard);
    free(o);
}

/* --- secrets ---------------------------------------------------------------------------------- */

static struct vault *vault_of(struct call *c)
{
    struct vault *v = call_api(c)->outside->vault;
    if (!v)
        call_problem(c, 503, "no_key_ring", STR_NONE,
                     "The server has no key ring to keep secrets with: its operator has to set "
                     "key_ring.");
    return v;
}

static struct vault_place place_of(struct call *c, const char *place)
{
    return (struct vault_place){.tenant_id = call_who(c)->tenant_id, .column = place};
}

bool api_seal(struct call *c, const char *place, const struct send_account *account,
              struct str *sealed, struct str *key_id)
{
    struct vault *v = vault_of(c);
    if (!v)
        return false;
    struct arena *a = call_arena(c);
    struct vault_place at = place_of(c, place);
    // A key that was added meanwhile is the active one now. Without it the one that is loaded
    // serves.
    struct err ignored = {0};
    bool is_new = vault_reload(v, &ignored);
    (void)is_new;
    struct str text = access_write(a, account);
    struct str bytes = vault_seal(v, a, &at, text);
    api_secret_wipe(text);
    *sealed = str_fmt(a, "\\x%.*s", STR_ARG(hex_encode(a, bytes)));
    *key_id = str_dup(a, vault_active_key(v));
    return true;
}

bool api_unseal(struct call *c, const char *place, struct str hex, struct str key_id,
                struct send_account *account)
{
    struct vault *v = vault_of(c);
    if (!v)
        return false;
    struct arena *a = call_arena(c);
    struct vault_place at = place_of(c, place);
    struct str digits = str_starts(hex, STR("\\x")) ? str_skip(hex, 2) : hex;
    char *bytes = arena_alloc(a, digits.len / 2 + 1);
    struct str sealed = {bytes, digits.len / 2}, text;
    struct err err = {0};
    bool ok = hex_decode(digits, (uint8_t *)bytes, digits.len / 2);
    if (!ok)
        (void)err_set(&err, ERR_FAULT, "sealed credentials are no hex");
    ok = ok && vault_unseal(v, a, &at, key_id, sealed, &text, &err);
    // Sealed under a key that was added since the ring was read?
    if (!ok && err.kind == ERR_ABSENT && vault_reload(v, &err))
        ok = vault_unseal(v, a, &at, key_id, sealed, &text, &err);
    ok = ok && access_read(a, text, account, &err);
    if (!ok)
        call_problem(c, 503, "credentials_unreadable", STR_NONE,
                     "The stored credentials cannot be opened: give them again, or tell the "
                     "operator to look at the key ring.");
    return ok;
}

struct str api_secret_take(struct call *c, const struct json *object, const char *name)
{
    const struct json *v = json_get(object, name);
    if (!v)
        return STR_NONE;
    struct str text = json_text(call_arena(c), v);
    // A copy of its own, and nothing left in the body.
    struct str copy = str_dup(call_arena(c), text);
    api_secret_wipe(text);
    api_secret_wipe(v->raw);
    return copy;
}

void api_secret_wipe(struct str secret)
{
    // Ours to write: the call's arena, or the body that it holds.
    if (secret.len)
        crypto_wipe((void *)secret.ptr, secret.len);
}

/* --- addresses -------------------------------------------------------------------------------- */

bool api_url_ok(struct call *c, struct str url, const char *pointer)
{
    struct err err = {0};
    if (guard_url(call_api(c)->outside->guard, url, &err))
        return true;
    call_problem(c, 422, "url_refused", str_of(pointer), "%s", err.msg);
    return false;
}

struct str api_provider_url(struct call *c, const struct provider *p)
{
    return provider_url(p, str_of(call_api(c)->outside->conf->provider_urls));
}

void api_put_webhook(struct call *c, const struct provider *p, struct str account, bool is_shown)
{
    struct api_outside *o = call_api(c)->outside;
    struct arena *a = call_arena(c);
    struct str tenant = call_who(c)->tenant_id, secret = STR_NONE;
    struct json_out *out = call_out(c);
    if (is_shown && p->secret_header && o->webhook_master) {
        struct str version = str_fmt(a, "%d", (int)o->conf->webhook_secret_version);
        secret = webhook_secret(a, o->webhook_master, str_of(p->name), tenant, version);
    }
    json_open(out, '{');
    json_put_str(out, "url",
                 provider_webhook_url(a, p, str_of(o->conf->ingest_url), tenant, account));
    json_put_str(out, "header", str_of(p->secret_header));
    json_put_str(out, "secret", secret);
    json_close(out, '}');
}
