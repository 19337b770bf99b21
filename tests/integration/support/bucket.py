# SPDX-License-Identifier: Apache-2.0
"""An S3-compatible bucket: it keeps objects in memory, and takes a request only when its signature (AWS
Signature Version 4) is right, which is computed here from the request as it came."""
import hashlib
import hmac
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

KEY_ID, SECRET, REGION = "AKTEST", "bucket-secret", "eu-central-1"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_is_right(request):
    """Of a BaseHTTPRequestHandler."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)",
        request.headers.get("Authorization", ""))  # fmt: skip
    if not found:
        return False
    key_id, day, region, names, signature = found.groups()
    if (key_id, region) != (KEY_ID, REGION) or not {"host", "x-amz-date"} <= set(names.split(";")):
        return False
    if any(request.headers.get(name) is None for name in names.split(";")):
        return False  # signed, and not sent
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";"))
    path = quote(unquote(urlsplit(request.path).path), safe="/-_.~")
    canonical = "\n".join([request.command, path, urlsplit(request.path).query, headers, names,
                           request.headers.get("x-amz-content-sha256", "")])  # fmt: skip
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])  # fmt: skip
    key = _hmac(_hmac(_hmac(_hmac(f"AWS4{SECRET}".encode(), day), region), "s3"), "aws4_request")
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refused(self):
        right = signature_is_right(self)
        self.server.bucket.requests.append((self.command, self.path, right))
        if not right:
            self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        return not right

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._refused():
            self.server.bucket.objects[self.path] = body
            self._answer(200)

    def do_GET(self):
        if self._refused():
            return
        body = self.server.bucket.objects.get(self.path)
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        start, end = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        part = body[start : end + 1]
        self._answer(206 if part else 416, part, Content_Range=f"bytes {start}-{start + len(part) - 1}/{len(body)}")

    def do_DELETE(self):
        if not self._refused():
            self.server.bucket.objects.pop(self.path, None)
            self._answer(204)

    def log_message(self, *_):
        pass


class Bucket:
    def __init__(self):
        self.objects, self.requests = {}, []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.bucket = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/files"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def settings(self):
        return {"media_s3_url": self.url, "media_s3_region": REGION, "media_s3_key_id": KEY_ID, "media_s3_secret": SECRET}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
