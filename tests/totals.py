#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""totals.py PYTEST_FOLDER CTEST_XML...: the closing line of ./dev test.

Counts every ctest test. One that runs pytest counts as the cases in its own report
(PYTEST_FOLDER/<name>.xml) instead; if it failed without one of them failing (a crash, a timeout), that is
one more failure. Fails when anything failed, or when nothing ran.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "failed" if case.get("status") == "fail" else "passed"


def main(folder, reports):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    failed = []
    for report in reports:
        for test in xml.parse(report).iter("testcase"):
            inner = pathlib.Path(folder) / (test.get("name") + ".xml")
            cases = [(test.get("name"), outcome(test))]
            if inner.exists():
                found = [
                    (test.get("name") + " " + case.get("name"), outcome(case))
                    for case in xml.parse(inner).iter("testcase")
                ]
                hidden = cases[0][1] == "failed" and all(what != "failed" for _, what in found)
                cases = found + (cases if hidden else [])
            for name, what in cases:
                count[what] += 1
                if what == "failed":
                    failed.append(name)
    print()
    for name in failed:
        print("failed:", name)
    line = f"{count['passed']} passed, {count['failed']} failed"
    if count["skipped"]:
        line += f", {count['skipped']} skipped"
    print(line)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
