# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: real services for each test file, a fresh stack for each test."""
import itertools
import os

import pytest

from support.services import Services
from support.stack import Stack

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def services():
    """A Kafka and a PostgreSQL of this pytest process. A test that breaks one mends it before it ends."""
    running = Services()
    try:
        yield running.start()
    finally:
        running.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)


def _new_stack(services, request, tmp_path, **options):
    folder = tmp_path / "stack"
    folder.mkdir(exist_ok=True)
    # Lower case and short: it names a database, and begins the topics' names.
    return Stack(services, f"t{os.getpid()}_{next(_numbers)}", folder, **options)


@pytest.fixture
def stack(services, request, tmp_path):
    """A migrated database, topics, and no daemon yet."""
    made = _new_stack(services, request, tmp_path)
    yield made
    _finish(made, request)


@pytest.fixture
def make_stack(services, request, tmp_path):
    """make_stack(partitions=4): for tests that want it otherwise."""
    made = []

    def make(**options):
        made.append(_new_stack(services, request, tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        _finish(one, request)


def _finish(stack, request):
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        report.sections.append(("daemons' logs", stack.logs()))
        print(stack.logs())
    for name, service in (("Kafka", stack.kafka), ("PostgreSQL", stack.postgres)):
        if not service.process.is_running():
            service.start()
            stack.close()
            pytest.fail(f"the test left {name} stopped")
    stack.close()


@pytest.fixture(scope="module")
def shared_stack(services, request, tmp_path_factory):
    """One stack for a whole test file, whose tests keep apart by having tenants of their own."""
    failed = request.session.testsfailed
    made = Stack(services, f"t{os.getpid()}_{next(_numbers)}", tmp_path_factory.mktemp("stack"))
    yield made
    if request.session.testsfailed > failed:
        print(made.logs())
    made.close()


@pytest.fixture
def own_services():
    """Services of this one test alone: for tests that kill them."""
    running = Services()
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture
def own_stack(own_services, request, tmp_path):
    made = _new_stack(own_services, request, tmp_path)
    yield made
    _finish(made, request)
