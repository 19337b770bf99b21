# SPDX-License-Identifier: Apache-2.0
"""The api's frame, and who calls it."""


def test_the_frame_answers_as_the_description_says(stack):
    stack.start("api")
    tenant = stack.tenant("acme")
    api = tenant.api()
    me = api.ok("GET", "/api/me")
    assert me["tenant"]["id"] == tenant.id and me["tenant"]["name"] == "acme"
    assert me["user"] is None and me["role"] == "owner"
    api.problem(401, "unauthorized", "GET", "/api/me", token="")
    api.problem(401, "invalid_token", "GET", "/api/me", token="nonsense")
    api.problem(404, "not_found", "GET", "/api/nothing")
    wrong = api.problem(400, "invalid_request", "GET", "/api/me?x=1")
    assert wrong["errors"][0]["parameter"] == "x"
    answer = api.post("/api/me")
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    head = api.call("HEAD", "/api/me")
    assert head.status_code == 200 and not head.content
    assert int(head.headers["RateLimit-Remaining"]) < int(head.headers["RateLimit-Limit"])
    assert api.get("/api/me", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
