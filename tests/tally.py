#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tally.py FILE: print "PASSED FAILED SKIPPED" of a test log.

FILE is meson's testlog.json, where cmocka programs say how many tests they ran
and others count as one, or pytest's junit XML.
"""
import json
import re
import sys
import xml.etree.ElementTree

CMOCKA_PASSED = re.compile(r"^\[  PASSED  \] (\d+) test", re.MULTILINE)
CMOCKA_FAILED = re.compile(r"^\[  FAILED  \] (\d+) test", re.MULTILINE)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] (\d+) test", re.MULTILINE)


def tally_meson(text):
    passed = failed = skipped = 0
    for line in text.splitlines():
        test = json.loads(line)
        output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
        n_passed = sum(map(int, CMOCKA_PASSED.findall(output)))
        n_failed = sum(map(int, CMOCKA_FAILED.findall(output)))
        skipped += sum(map(int, CMOCKA_SKIPPED.findall(output)))
        if test["result"] == "SKIP":
            skipped += 1
        elif test["result"] == "OK":
            passed += n_passed or 1
        else:
            passed += n_passed
            failed += n_failed or 1
    return passed, failed, skipped


def tally_junit(text):
    passed = failed = skipped = 0
    for suite in xml.etree.ElementTree.fromstring(text).iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        passed += int(suite.get("tests")) - bad - int(suite.get("skipped", 0))
        failed += bad
        skipped += int(suite.get("skipped", 0))
    return passed, failed, skipped


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        text = file.read()
    print(*(tally_junit if text.lstrip().startswith("<") else tally_meson)(text))


if __name__ == "__main__":
    main()
