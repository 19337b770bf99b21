# SPDX-License-Identifier: Apache-2.0
"""./dev by itself: what it refuses, and whom it never stops."""
import os
import socket
import subprocess

import pytest

from support.ports import free_port
from support.services import ROOT

PORTS = (
    "KAFKA", "KAFKA_CONTROLLER", "POSTGRES", "INGEST", "STREAM", "SIMULATOR", "API",
    "INGEST_ADMIN", "ROUTER_ADMIN", "SENDER_ADMIN", "NOTIFIER_ADMIN", "API_ADMIN",
)  # fmt: skip


@pytest.fixture
def dev(tmp_path):
    """dev("up", "-d", POSTRIDER_PORT_INGEST="1"): the finished process, in a state folder of its own."""

    def run(*words, **settings):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTRIDER_")}
        ports = {f"POSTRIDER_PORT_{name}": str(free_port()) for name in PORTS}
        return subprocess.run(
            [ROOT / "dev", *words],
            env={**kept, **ports, "POSTRIDER_STATE_DIR": str(tmp_path), **settings},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("name", ["STREAM", "SIMULATOR", "SENDER_ADMIN"])
def test_a_taken_port_is_named_with_its_process_and_the_variable_to_set(dev, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = dev("up", "-d", **{f"POSTRIDER_PORT_{name}": str(port)})
    assert done.returncode == 1
    assert f"port {port}" in done.stderr and f"process {os.getpid()}" in done.stderr
    assert f"POSTRIDER_PORT_{name}=" in done.stderr


def test_a_port_that_is_no_number_is_refused(dev):
    done = dev("up", "-d", POSTRIDER_PORT_INGEST="http")
    assert done.returncode == 1 and "POSTRIDER_PORT_INGEST" in done.stderr


def test_env_says_that_nothing_is_up(dev):
    done = dev("env")
    assert done.returncode == 1 and done.stdout == "" and "./dev up" in done.stderr


def test_down_with_nothing_up_is_no_error(dev):
    done = dev("down")
    assert done.returncode == 0 and "nothing was running" in done.stdout


def test_a_recorded_process_id_that_now_belongs_to_another_is_left_alone(dev, tmp_path):
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "run").mkdir()
        (tmp_path / "router.pid").write_text(f"{stranger.pid}\n")
        (tmp_path / "run" / "router.start").write_text("another-boot 1\n")
        done = dev("down")
        assert done.returncode == 0
        assert stranger.poll() is None
        assert not (tmp_path / "router.pid").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_an_unknown_verb_points_to_the_help(dev):
    done = dev("upp")
    assert done.returncode == 1 and "./dev help" in done.stderr
    told = dev("help").stdout
    assert "fuzz" in told
    for name in PORTS:
        assert f"POSTRIDER_PORT_{name}=" in told
