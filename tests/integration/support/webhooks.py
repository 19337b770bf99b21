# SPDX-License-Identifier: Apache-2.0
"""Posting webhooks as the providers do: signatures and secrets are computed here, independently."""
import base64
import hashlib
import hmac
import json

import requests


def derived_secret(master_key, provider, tenant_id, version="1"):
    text = f"{provider}:{str(tenant_id).lower()}:{version}"
    digest = hmac.new(master_key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def meta_signature(app_secret, body):
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def as_bytes(body):
    """Bytes as given; anything else as compact JSON."""
    if isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Webhooks:
    """Each method posts one body and returns the answer; keep-alive, one connection pool."""

    def __init__(self, stack):
        self._stack = stack
        self._http = requests.Session()

    def post(self, path, body, headers=None, timeout=30):
        """As it stands: for wrong signatures and odd requests."""
        return self._http.post(self._stack.ingest_url + path, data=as_bytes(body), headers=headers or {}, timeout=timeout)

    def get(self, path, **query):
        return self._http.get(self._stack.ingest_url + path, params=query, timeout=30)

    def unipile(self, tenant, body, secret=None):
        tenant_id = getattr(tenant, "id", tenant)
        secret = secret or derived_secret(self._stack.secrets["webhook_master_key"], "unipile", tenant_id)
        return self.post(f"/webhooks/unipile/{tenant_id}", body, {"Unipile-Auth": secret})

    def meta(self, provider, body, secret=None):
        """instagram, messenger or whatsapp."""
        body = as_bytes(body)
        signature = meta_signature(secret or self._stack.secrets["meta_app_secret"], body)
        headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
        return self.post(f"/webhooks/{provider}", body, headers)

    def telegram(self, tenant, bot_id, body, secret=None):
        tenant_id = getattr(tenant, "id", tenant)
        secret = secret or derived_secret(self._stack.secrets["webhook_master_key"], "telegram", tenant_id)
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret, "Content-Type": "application/json"}
        return self.post(f"/webhooks/telegram/{tenant_id}/{bot_id}", body, headers)
