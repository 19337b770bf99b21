# SPDX-License-Identifier: Apache-2.0
"""A key ring, and credentials sealed under it as the api seals them: computed here, by libsodium itself."""
import base64
import ctypes
import ctypes.util
import json
import os

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
_NONCE, _TAG, _KEY = 24, 16, 32


def _encrypt(text, bound, key):
    nonce = os.urandom(_NONCE)
    out = ctypes.create_string_buffer(len(text) + _TAG)
    _sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, None, text, ctypes.c_ulonglong(len(text)), bound, ctypes.c_ulonglong(len(bound)), None, nonce, key
    )
    return nonce + out.raw


class KeyRing:
    def __init__(self, path, name="k1"):
        self.path, self.name, self.key = str(path), name, os.urandom(_KEY)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
            out.write(f"active {name}\nkey {name} {base64.b64encode(self.key).decode()}\n")

    def seal(self, tenant_id, secret, column="channels_account.credentials"):
        """bytes, or what JSON makes of a dict."""
        text = secret if isinstance(secret, bytes) else json.dumps(secret).encode()
        data = os.urandom(_KEY)
        bound = f"1\n{tenant_id}\n{column}\n{self.name}\n"
        return (
            bytes([1, len(self.name)]) + self.name.encode()
            + _encrypt(data, (bound + "key").encode(), self.key) + _encrypt(text, (bound + "text").encode(), data)
        )
