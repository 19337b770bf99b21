# SPDX-License-Identifier: Apache-2.0
"""Files that people upload: streamed in, kept in a folder or a bucket, and fetched again."""
import hashlib
import os
import socket
import uuid

import pytest
import requests

from support.bucket import Bucket
from support.ports import free_port
from support.wait import wait_until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4000  # a megabyte: larger than any JSON body
MAX = 2 << 20


class Media:
    def __init__(self, stack):
        self.stack, self.tenant = stack, stack.tenant("acme")
        self.api = self.tenant.api()

    def upload(self, data, status=201, **query):
        answer = self.api.call("POST", "/api/media", data=data, params=query,
                               headers={"Content-Type": "application/octet-stream"})  # fmt: skip
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, media, path="", **headers):
        return self.api.call("GET", f"/api/media/{media['id']}{path}", headers=headers)


def folder_of(stack):
    return stack.folder / "media"


def drafts(stack):
    return os.listdir(folder_of(stack) / "drafts")


@pytest.fixture(scope="module")
def served(shared_stack):
    shared_stack.start("api", media_folder=folder_of(shared_stack), media_max=MAX)
    return shared_stack


@pytest.fixture
def media(served):
    return Media(served)


def test_a_file_comes_back_as_it_went_in(media):
    made = media.upload(PNG, name="Grüße \"1\".png")
    assert made["mime"] == "image/png" and made["size_bytes"] == len(PNG) and made["name"] == "Grüße \"1\".png"
    assert made["sha256"] == hashlib.sha256(PNG).hexdigest()
    whole = media.get(made)
    assert whole.status_code == 200 and whole.content == PNG
    assert whole.headers["Content-Type"] == "image/png" and whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Disposition"] == "inline; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.png"
    assert (folder_of(media.stack) / media.tenant.id / made["id"]).read_bytes() == PNG
    assert drafts(media.stack) == []


def test_ranges_are_served(media):
    made = media.upload(PNG)
    part = media.get(made, Range="bytes=10-1009")
    assert part.status_code == 206 and part.content == PNG[10:1010]
    assert part.headers["Content-Range"] == f"bytes 10-1009/{len(PNG)}"
    assert media.get(made, Range="bytes=-5").content == PNG[-5:]
    assert media.get(made, Range=f"bytes={len(PNG) - 1}-").content == PNG[-1:]
    bad = media.get(made, Range=f"bytes={len(PNG)}-")
    assert bad.status_code == 416 and bad.headers["Content-Range"] == f"bytes */{len(PNG)}"
    etag = part.headers["ETag"]
    assert media.get(made, Range="bytes=0-1", **{"If-Range": etag}).status_code == 206
    assert media.get(made, Range="bytes=0-1", **{"If-Range": '"other"'}).content == PNG
    head = media.api.call("HEAD", f"/api/media/{made['id']}")
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == len(PNG) and not head.content


def test_what_is_no_file_that_can_be_sent_is_refused_by_its_bytes(media):
    for data, status, code in (
        (b"", 422, "empty_file"), (b"MZ\x90\x00\x03" + bytes(100), 415, "unsupported_file_type"),
        (b"\x7fELF" + bytes(100), 415, "unsupported_file_type"), (bytes(range(1, 9)), 415, "unsupported_file_type"),
    ):  # fmt: skip
        assert media.upload(data, status, name="picture.png")["code"] == code
    page = media.upload(b"<script>alert(1)</script>", name="page.html")
    shown = media.get(page)
    assert shown.headers["Content-Type"] == "text/plain" and shown.headers["Content-Disposition"].startswith("attachment")
    assert drafts(media.stack) == []


def test_a_file_that_is_too_large_leaves_nothing(media):
    large = PNG + bytes(MAX)
    assert media.upload(large, 413)["code"] == "too_large"
    # Without a length the end shows only when it has come; past what is worth reading it is cut off.
    answer = media.api.call("POST", "/api/media", data=iter([PNG, bytes(MAX), b"x"]),
                            headers={"Content-Type": "image/png"})  # fmt: skip
    assert answer.status_code == 413 and answer.json()["code"] == "too_large"
    wait_until(lambda: drafts(media.stack) == [], 10, "no draft is left")
    assert media.stack.scalar("SELECT count(*) FROM media WHERE tenant_id = %s", media.tenant.id) == 0


def test_a_client_that_goes_away_leaves_nothing(media):
    head = (f"POST /api/media HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {media.api.token}\r\n"
            f"Content-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n")  # fmt: skip
    with socket.create_connection(("127.0.0.1", media.stack.api_port)) as browser:
        browser.sendall(head.encode() + PNG[:100_000])
        wait_until(lambda: len(drafts(media.stack)) == 1, 10, "the upload has begun")
    wait_until(lambda: drafts(media.stack) == [], 10, "its draft is gone")


def test_only_who_may_is_let_in_before_the_body(media):
    answer = media.api.call("POST", "/api/media", token="", data=b"x" * 5000, headers={"Content-Type": "image/png"})
    assert answer.status_code == 401 and answer.json()["code"] == "unauthorized"
    assert drafts(media.stack) == []
    made = media.upload(PNG)
    theirs = Media(media.stack)
    for path in ("", "/link"):
        theirs.api.problem(404, "not_found", "GET", f"/api/media/{made['id']}{path}")
    assert media.api.call("GET", f"/api/media/{made['id']}", token="").status_code == 401


def test_an_address_opens_a_file_without_a_token_and_no_other(media):
    made, other = media.upload(PNG), media.upload(b"other text")
    link = media.get(made, "/link").json()
    open_ = media.api.call("GET", link["url"], token="", headers={"Range": "bytes=0-7"})
    assert open_.status_code == 206 and open_.content == PNG[:8]
    for changed in (
        link["url"].replace(made["id"], other["id"]), link["url"].replace(media.tenant.id, str(uuid.uuid4())),
        link["url"].replace("expires=1", "expires=2"), link["url"][:-2],
    ):  # fmt: skip
        assert changed != link["url"]
        media.api.problem(403, "bad_link", "GET", changed, token="")


def test_an_address_ends(make_stack):
    stack = make_stack()
    stack.start("api", media_folder=folder_of(stack), media_link_ttl="1s")
    media = Media(stack)
    url = media.get(media.upload(PNG), "/link").json()["url"]
    assert media.api.call("GET", url, token="").status_code == 200
    wait_until(lambda: media.api.call("GET", url, token="").status_code == 403, 20, "it does not open any more")


def test_a_bucket_serves_as_the_folder_does(make_stack):
    stack, bucket = make_stack(), Bucket()
    stack.start("api", media_folder=folder_of(stack), **bucket.settings())
    media = Media(stack)
    made = media.upload(PNG, name="a.png")
    assert bucket.objects == {f"/files/{media.tenant.id}/{made['id']}": PNG}
    assert media.get(made).content == PNG
    assert media.get(made, Range="bytes=600000-600999").content == PNG[600000:601000]
    assert drafts(stack) == []
    assert {method for method, _, _ in bucket.requests} == {"PUT", "GET"}
    stack.query("INSERT INTO uploads (tenant_id, id, began_at) SELECT tenant_id, gen_random_uuid(), now() - interval '2 hours'"
                " FROM media RETURNING 1")  # fmt: skip
    stray = stack.scalar("SELECT id::text FROM uploads")
    bucket.objects[f"/files/{media.tenant.id}/{stray}"] = PNG
    stack.start("api", media_folder=folder_of(stack), listen_port=free_port(), **bucket.settings())
    wait_until(lambda: stack.scalar("SELECT count(*) FROM uploads") == 0, 30, "the stray is forgotten")
    assert list(bucket.objects) == [f"/files/{media.tenant.id}/{made['id']}"]
    assert all(right for _, _, right in bucket.requests)
    bucket.objects.clear()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):  # the headers were sent already: the connection tells that it broke
        assert media.get(made).content == PNG
    bucket.close()
    assert media.upload(PNG, 503)["code"]
    assert drafts(stack) == []


def test_a_file_that_came_to_no_row_is_removed_and_no_other(media):
    stack = media.stack
    good = media.upload(PNG, name="good.png")
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        db.execute("ALTER TABLE media ADD CONSTRAINT refuses CHECK (name <> 'refused.png') NOT VALID")
        media.upload(PNG, 400, name="refused.png")
        db.execute("ALTER TABLE media DROP CONSTRAINT refuses")
    ((stray,),) = stack.query("SELECT id::text FROM uploads WHERE tenant_id = %s", media.tenant.id)
    kept = folder_of(stack) / media.tenant.id
    assert sorted(os.listdir(kept)) == sorted([good["id"], stray])
    # As if both had been begun long ago, and the note of the good one been left behind.
    stack.query("INSERT INTO uploads (tenant_id, id) VALUES (%s, %s) RETURNING 1", media.tenant.id, good["id"])
    stack.query("UPDATE uploads SET began_at = now() - interval '2 hours' RETURNING 1")
    # Who starts, sweeps.
    stack.start("api", media_folder=folder_of(stack), listen_port=free_port())
    wait_until(lambda: stack.scalar("SELECT count(*) FROM uploads") == 0, 30, "nothing is left to be looked at")
    assert os.listdir(kept) == [good["id"]] and media.get(good).content == PNG


def test_a_message_carries_an_uploaded_file(media):
    stack = media.stack
    channel = media.tenant.connect("whatsapp", uuid.uuid4().hex)
    made = media.upload(PNG, name="a.png")
    sent = media.api.ok("POST", "/api/messages", 202, json={
        "channel_id": channel, "to": "+491701234567", "text": "look",
        "media": [{"type": "image", "media_id": made["id"]}]})  # fmt: skip
    assert sent["kind"] == "image" and sent["body"] == "look"
    assert sent["attachments"][0] == {
        "type": "image", "url": None, "provider_ref": None, "mime": "image/png", "name": "a.png",
        "size_bytes": len(PNG), "text": None, "extra": {"media_id": made["id"]}}  # fmt: skip
    assert stack.scalar("SELECT outgoing->'media'->0->>'media_id' FROM messages WHERE id = %s", sent["id"]) == made["id"]
    wrong = {"channel_id": channel, "to": "+491701234567", "media": [{"type": "video", "media_id": made["id"]}]}
    media.api.problem(422, "wrong_file_type", "POST", "/api/messages", json=wrong)
    theirs = Media(stack)
    body = {"channel_id": theirs.tenant.connect("whatsapp", uuid.uuid4().hex), "to": "+491701234567",
            "media": [{"type": "image", "media_id": made["id"]}]}  # fmt: skip
    theirs.api.problem(422, "unknown_file", "POST", "/api/messages", json=body)


def test_a_ticket_opens_the_stream(stack):
    stack.start("notifier")
    stack.start("api", stream_url=stack.stream_url)
    api = stack.tenant("acme").api(role="agent")
    given = api.ok("GET", "/api/stream")
    assert given["url"] == stack.stream_url and given["expires_in"] == 60
    stream = stack.open_stream(given["ticket"], url=given["url"])
    assert stream.hello["cursor"]
