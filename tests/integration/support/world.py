# SPDX-License-Identifier: Apache-2.0
"""A tenant with one of everything that the api knows."""
import uuid

from .api import Api
from .tokens import make_token

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301"
                      "0100c9fe92ef0000000049454e44ae426082")  # fmt: skip


class World:
    """A tenant with one of everything, in words that nobody else has."""

    def __init__(self, stack, simulator):
        self._stack = stack
        self.mark = uuid.uuid4().hex
        self.owner = Api(stack.api_url)
        session = self.owner.ok("POST", "/api/auth/register", 201, json={
            "email": f"{self.mark}@example.com", "password": "orchard-tumbler-93", "name": f"Ada {self.mark}",
            "tenant_name": f"Shop {self.mark}"})  # fmt: skip
        self.owner.token = session["access_token"]
        self.tenant = session["tenant"]["id"]
        self._self = session["user"]["id"]
        self.tokens = {role: self.token(role) for role in ("owner", "agent", "operator")}
        self.owner.ok("POST", "/api/user/credentials", json={
            "unipile_api_key": f"sim-{self.mark}", "unipile_api_url": simulator.base_url("unipile")})  # fmt: skip
        self.ids = {"tenant": self.tenant, "user": self._user()}
        self.ids["channel"] = self._channel()
        self.ids["conversation"] = self._row("conversations", **self._of_channel(), external_id=f"conv-{self.mark}",
                                             contact_id=f"id-{self.mark}", contact_name=f"Bob {self.mark}",
                                             last_message_at="2026-01-01T00:00:00Z")  # fmt: skip
        self.ids["message"] = self._row(
            "messages", **self._of_channel(), conversation_id=self.ids["conversation"], direction="in", status="received",
            kind="text", body=f"hello {self.mark}", external_message_id=f"m-{self.mark}", provider_at="2026-01-01T00:00:00Z")
        note = {"body": f"note {self.mark}"}
        self.ids["note"] = self.owner.ok("POST", f"/api/conversations/{self.ids['conversation']}/notes", 201, json=note)["id"]
        self.ids["media"] = self._media()
        self.ids["quarantine"] = self._row(
            "quarantine", provider="telegram", account=f"nobody-{self.mark}", reason="unknown_account", detail=self.mark,
            topic=f"t-{self.mark}", partition=0, offset=0, body=self.mark.encode(), received_at="2026-01-01T00:00:00Z")
        self.ids["bulk"] = self._row("bulks", channel_id=self.ids["channel"], kind="text", body=self.mark, total=0,
                                     status="paused")  # fmt: skip
        self.ids["template"] = self._row("templates", name=f"t {self.mark}", body=self.mark)
        self.ids["rule"] = self._row("rules", name=f"r {self.mark}")

    def token(self, role, ttl=3600):
        """The operator is of no tenant."""
        tenant, sub = (uuid.UUID(int=0), "root") if role == "operator" else (self.tenant, self._self)
        return make_token(self._stack.secrets["jwt_secret"], tenant, ttl, role=role, sub=sub)

    def _user(self):
        body = {"email": f"colleague-{self.mark}@example.com", "name": f"Eve {self.mark}"}
        return self.owner.ok("POST", "/api/users", 201, json=body)["user"]["id"]

    def _channel(self):
        """A bot, whose account has a number and so no mark."""
        self.account = str(10**8 + uuid.uuid4().int % 10**9)
        body = {"credentials": {"access_token": f"sim-{self.account}-{self.mark}"}, "name": f"Bot {self.mark}"}
        return self.owner.ok("POST", "/api/channels/telegram/connect?via=direct", 201, json=body)["channel"]["id"]

    def _of_channel(self):
        return {"channel_id": self.ids["channel"], "provider": "telegram", "platform": "telegram"}

    def _media(self):
        return self.owner.ok("POST", "/api/media", 201, data=PIXEL, headers={"Content-Type": "image/png"})["id"]

    def _row(self, table, **columns):
        row = {"tenant_id": self.tenant, "id": str(uuid.uuid4()), **columns}
        names, holes = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
        self._stack.query(f"INSERT INTO {table} ({names}) VALUES ({holes}) RETURNING 1", *row.values())
        return row["id"]

    def traces(self):
        """What no other tenant may read."""
        return {self.mark, self.account, *self.ids.values()}
