/* SPDX-License-Identifier: Apache-2.0 */
#include "credentials.h"

#include "access.h"

enum sender_opening sender_credentials_open(const struct vault *vault, struct arena *a,
                                            struct str tenant_id, struct str key_id,
                                            struct str sealed_hex, struct sender_credentials *out,
                                            struct send_account *account, struct err *err)
{
    struct vault_place place = {.tenant_id = tenant_id, .column = "channels_account.credentials"};
    struct err unread = {0};
    size_t n = sealed_hex.len / 2;
    uint8_t *sealed = arena_alloc(a, n + 1);
    bool is_hex = n && hex_decode(sealed_hex, sealed, n);
    struct str bytes = {(const char *)sealed, is_hex ? n : 0};
    sha256(bytes, out->sha256);
    if (!is_hex)
        return OPEN_NONE;
    if (!vault_unseal(vault, a, &place, key_id, bytes, &out->secret, err))
        return OPEN_SEALED;
    return access_read(a, out->secret, account, &unread) ? OPENED : OPEN_NONE;
}

void sender_credentials_wipe(struct sender_credentials *c, struct send_account *account)
{
    if (account->token.len)
        crypto_wipe((void *)account->token.ptr, account->token.len);
    if (c->secret.len)
        crypto_wipe((void *)c->secret.ptr, c->secret.len);
    account->token = c->secret = STR_NONE;
}
