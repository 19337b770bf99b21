# SPDX-License-Identifier: Apache-2.0
"""The api is what its description says: generated calls, good and bad ones, alone and one upon the other."""
import os
import random
import time

import pytest

from support.contract import Contract

SECONDS = int(os.environ.get("POSTRIDER_FUZZ_SECONDS", "0"))


@pytest.fixture(scope="module")
def contract(shared_stack):
    return Contract(shared_stack)


@pytest.mark.skipif(SECONDS > 0, reason="the long one")
def test_every_answer_is_as_described(contract):
    n, found = contract.hold("--phases", "fuzzing,stateful", "--max-examples", 15, "--seed", 1, timeout=600)
    assert not found, found
    assert n > 1000


@pytest.mark.skipif(SECONDS == 0, reason="./dev fuzz api [SECONDS]")
def test_every_answer_is_as_described_for_long(contract):
    # The values at each limit, of every operation, take minutes by themselves.
    phases = "examples,coverage,fuzzing,stateful" if SECONDS >= 300 else "fuzzing,stateful"
    end, n, runs, seed = time.monotonic() + SECONDS, 0, 0, os.environ.get("POSTRIDER_FUZZ_SEED")
    while runs == 0 or time.monotonic() < end:
        seed = seed if seed and runs == 0 else random.getrandbits(32)
        print(f"\nseed {seed}", flush=True)
        made, found = contract.hold("--phases", phases, "--max-examples", 25, "--seed", seed, timeout=4 * 3600)
        assert not found, found
        n, runs = n + made, runs + 1
        print(f"{n} calls in {runs} runs, nothing found", flush=True)
