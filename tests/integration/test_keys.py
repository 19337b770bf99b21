# SPDX-License-Identifier: Apache-2.0
"""The key ring: made, rotated under load without losing a value, counted. Values are sealed and opened here by
libsodium itself, not by the program's own code."""
import base64
import ctypes
import json
import pathlib
import stat
import threading

import pytest

from support.vault import KeyRing, _sodium
from support.wait import wait_until

CHANNELS = "channels_account.credentials"
TENANTS = "tenant_credentials.credentials"
COUNT = 250  # more than two batches


def _decrypt(sealed, bound, key):
    out, n = ctypes.create_string_buffer(len(sealed)), ctypes.c_ulonglong(0)
    nonce, text = sealed[:24], sealed[24:]
    code = _sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, ctypes.byref(n), None, text, ctypes.c_ulonglong(len(text)), bound, ctypes.c_ulonglong(len(bound)), nonce, key
    )  # fmt: skip
    assert code == 0, "it does not open"
    return out.raw[: n.value]


class Ring:
    """A key ring file as the program wrote it."""

    def __init__(self, path):
        words = [line.split() for line in pathlib.Path(path).read_text().splitlines() if not line.startswith("#")]
        self.active = next(w[1] for w in words if w[0] == "active")
        self.keys = {w[1]: base64.b64decode(w[2]) for w in words if w[0] == "key"}

    def open(self, tenant_id, sealed, column):
        assert sealed[0] == 1
        name, rest = sealed[2 : 2 + sealed[1]].decode(), sealed[2 + sealed[1] :]
        bound = f"1\n{tenant_id}\n{column}\n{name}\n"
        data = _decrypt(rest[:72], (bound + "key").encode(), self.keys[name])
        return name, _decrypt(rest[72:], (bound + "text").encode(), data)


class Shop:
    """Channels and tenants' accesses, sealed under a ring of one key."""

    def __init__(self, stack, n=COUNT):
        self.stack = stack
        self.ring = KeyRing(stack.folder / "key_ring")
        self.env = {"POSTRIDER_KEY_RING": self.ring.path}
        self.tenants = [stack.tenant(name).id for name in ("acme", "globex")]
        with self.connect() as db, db.transaction():
            for i in range(n):
                tenant = self.tenants[i % 2]
                db.execute(
                    "INSERT INTO channels_account (id, tenant_id, provider, external_account_id, account_type, platform, "
                    "credentials, credentials_key_id) VALUES (gen_random_uuid(), %s, 'telegram', %s, 'bot', 'telegram', "
                    "%s, 'k1')", (tenant, f"bot-{i}", self.ring.seal(tenant, {"token": f"t-{i}"})),
                )  # fmt: skip
            db.execute(  # one without credentials
                "INSERT INTO channels_account (id, tenant_id, provider, external_account_id, account_type, platform) "
                "VALUES (gen_random_uuid(), %s, 'x', 'none', 'user', 'x')", (self.tenants[0],),
            )  # fmt: skip
            for tenant in self.tenants:
                db.execute(
                    "INSERT INTO tenant_credentials (tenant_id, provider, credentials, credentials_key_id, hint) "
                    "VALUES (%s, 'unipile', %s, 'k1', '...')", (tenant, self.ring.seal(tenant, {"token": "u"}, TENANTS)),
                )  # fmt: skip

    def connect(self):
        return self.stack.postgres.connect("postrider_owner", self.stack.database)

    def keys(self, *words, check=True):
        return self.stack.run("keys", *words, check=check, env=self.env)

    def status(self):
        return {row["key_id"]: (row["state"], row["secrets"]) for row in json.loads(self.keys("status", "--json", check=False).stdout)}

    def tokens(self):
        """{account: (key id in the value, token)}; each value opens, and names the key that stands beside it."""
        ring, found = Ring(self.ring.path), {}
        for tenant, account, sealed, key in self.stack.query(
            "SELECT tenant_id::text, external_account_id, credentials, credentials_key_id FROM channels_account "
            "WHERE credentials IS NOT NULL AND credentials_key_id <> 'lost'"
        ):
            name, text = ring.open(tenant, bytes(sealed), CHANNELS)
            assert name == key
            found[account] = (name, json.loads(text)["token"])
        return found


@pytest.fixture
def shop(stack):
    return Shop(stack)


def test_a_ring_is_made_once_for_its_owner_only(stack, tmp_path):
    path = tmp_path / "ring"
    key = stack.run("keys", "generate", path).stdout.strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ring = Ring(path)
    assert ring.active == key and list(ring.keys) == [key] and len(ring.keys[key]) == 32
    before = path.read_bytes()
    again = stack.run("keys", "generate", path, check=False)
    assert again.returncode == 1 and "rotate" in again.stderr
    assert path.read_bytes() == before
    assert stack.run_json("keys", "generate", tmp_path / "other")["key_id"] != key


def test_a_ring_that_others_may_read_is_refused_and_which_one_must_be_said(shop):
    pathlib.Path(shop.ring.path).chmod(0o644)
    done = shop.keys("rotate", check=False)
    assert done.returncode == 1 and "chmod 600" in done.stderr
    done = shop.stack.run("keys", "status", check=False, env={"POSTRIDER_KEY_RING": ""})
    assert done.returncode == 2 and "POSTRIDER_KEY_RING" in done.stderr


def test_a_rotation_seals_all_anew(shop):
    assert shop.status() == {"k1": ("active", COUNT + 2)}
    done = shop.stack.run_json("keys", "rotate", env=shop.env)
    key = Ring(shop.ring.path).active
    assert (done["key_id"], done["resealed"], done["not_opened"]) == (key, COUNT + 2, 0)
    assert shop.tokens() == {f"bot-{i}": (key, f"t-{i}") for i in range(COUNT)}
    for tenant, sealed in shop.stack.query("SELECT tenant_id::text, credentials FROM tenant_credentials"):
        assert Ring(shop.ring.path).open(tenant, bytes(sealed), TENANTS) == (key, b'{"token": "u"}')
    assert shop.status() == {"k1": ("unused", 0), key: ("active", COUNT + 2)}
    assert shop.stack.run_json("keys", "rotate", "--resume", "true", env=shop.env)["resealed"] == 0
    assert Ring(shop.ring.path).active == key


def test_what_does_not_open_is_left_and_named(shop):
    shop.stack.query(
        "UPDATE channels_account SET credentials = '\\x00', credentials_key_id = 'lost' "
        "WHERE external_account_id = 'bot-7' RETURNING 1"
    )
    done = shop.keys("rotate", check=False)
    assert done.returncode == 1
    assert f"{COUNT + 1} secrets sealed anew" in done.stdout and "1 left" in done.stdout
    assert "channels_account" in done.stdout
    assert shop.stack.scalar("SELECT credentials FROM channels_account WHERE external_account_id = 'bot-7'") == b"\x00"
    assert shop.status()["lost"] == ("missing", 1)
    assert shop.keys("status", check=False).returncode == 1


def test_a_key_can_be_given_to_all_hosts_before_it_is_used(shop):
    assert "every host" in shop.keys("rotate", "--add_only", "true").stdout
    ring = Ring(shop.ring.path)
    assert ring.active == "k1" and len(ring.keys) == 2
    added = next(k for k in ring.keys if k != "k1")
    assert shop.status() == {"k1": ("active", COUNT + 2), added: ("unused", 0)}
    shop.keys("rotate")
    ring = Ring(shop.ring.path)
    assert ring.active == added and len(ring.keys) == 2, "no third key"
    assert shop.status() == {"k1": ("unused", 0), added: ("active", COUNT + 2)}


def test_who_stores_meanwhile_loses_nothing(shop):
    """Another seals under the old key, as a process does that has not read the ring anew."""
    written, stop = {}, threading.Event()

    def store():
        with shop.connect() as db:
            while not stop.is_set():
                n = len(written)
                account, tenant = f"bot-{n % COUNT}", shop.tenants[n % COUNT % 2]
                db.execute(
                    "UPDATE channels_account SET credentials = %s, credentials_key_id = 'k1' WHERE external_account_id = %s",
                    (shop.ring.seal(tenant, {"token": f"new-{n}"}), account),
                )  # fmt: skip
                db.commit()
                written[n] = account

    writer = threading.Thread(target=store)
    writer.start()
    try:
        wait_until(lambda: len(written) > 20, 30, "the other stores")
        began = len(written)
        rotation = shop.stack.background("rotate", "keys", "rotate", "--key_ring", shop.ring.path)
        wait_until(lambda: Ring(shop.ring.path).active != "k1", 30, "there is a new key")
        wait_until(lambda: len(written) > began + 50, 30, "it stored while keys were rotated")
    finally:
        stop.set()
        writer.join()
    wait_until(lambda: not rotation.is_running(), 60, "the rotation ends")
    shop.keys("rotate", "--resume", "true")
    key = Ring(shop.ring.path).active
    latest = {account: f"new-{n}" for n, account in sorted(written.items())}
    assert shop.tokens() == {f"bot-{i}": (key, latest.get(f"bot-{i}", f"t-{i}")) for i in range(COUNT)}
    assert shop.status() == {"k1": ("unused", 0), key: ("active", COUNT + 2)}


def test_a_rotation_that_is_killed_goes_on(shop):
    held = shop.connect()
    last = shop.stack.scalar("SELECT id FROM channels_account WHERE credentials IS NOT NULL ORDER BY tenant_id DESC, id DESC LIMIT 1")
    held.execute("BEGIN")
    held.execute("SELECT 1 FROM channels_account WHERE id = %s FOR UPDATE", (last,))
    rotation = shop.stack.background("rotate", "keys", "rotate", "--key_ring", shop.ring.path)
    wait_until(lambda: len(shop.status()) == 2 and shop.status()["k1"][1] < COUNT, 30, "it is half done")
    rotation.kill()
    held.rollback()
    held.close()
    key = Ring(shop.ring.path).active
    left = shop.status()
    assert left["k1"][1] > 0 and left[key][1] > 0
    assert len(shop.tokens()) == COUNT, "all open, old and new"
    done = shop.stack.run_json("keys", "rotate", "--resume", "true", env=shop.env)
    assert done["key_id"] == key and done["resealed"] >= left["k1"][1] - 100
    assert shop.tokens() == {f"bot-{i}": (key, f"t-{i}") for i in range(COUNT)}
