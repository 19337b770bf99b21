# SPDX-License-Identifier: Apache-2.0
"""JSON web tokens made by hand: expired ones, wrong keys, other algorithms."""
import base64
import hashlib
import hmac
import json
import time


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(secret, tenant_id, ttl=3600, algorithm="HS256", **claims):
    now = int(time.time())
    body = {
        "iss": "postrider", "sub": "00000000-0000-7000-8000-000000000000", "tenant_id": str(tenant_id),
        "role": "agent", "iat": now, "exp": now + ttl, "jti": f"test-{now}", **claims,
    }  # fmt: skip
    header = {"alg": algorithm, "typ": "JWT"}
    text = ".".join(_part(json.dumps(part).encode()) for part in (header, body))
    if algorithm == "none":
        return text + "."
    return text + "." + _part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())
