# SPDX-License-Identifier: Apache-2.0
"""A caller of the api."""
import base64

import requests


def forged_cursor(*parts):
    """A cursor as the api builds them, of these parts."""
    return base64.urlsafe_b64encode("\x1f".join(parts).encode()).rstrip(b"=").decode()


class Api:
    def __init__(self, url, token=None):
        self.url, self.token = url, token
        self._session = requests.Session()

    def call(self, method, path, token=None, **options):
        """The answer as it is; `token` other than the caller's own, or "" for none."""
        headers = {**options.pop("headers", {})}
        token = self.token if token is None else token
        if token:
            headers.setdefault("Authorization", f"Bearer {token}")
        return self._session.request(method, self.url + path, headers=headers, timeout=30, **options)

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, json=None, **options):
        return self.call("POST", path, json=json, **options)

    def patch(self, path, json=None, **options):
        return self.call("PATCH", path, json=json, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def ok(self, method, path, status=200, **options):
        """The JSON of an answer that must be `status`."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def problem(self, status, code, method, path, **options):
        """The problem document of a call that must be refused so."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] == code and problem["status"] == status, problem
        assert problem["instance"] == answer.headers["X-Request-Id"]
        return problem
