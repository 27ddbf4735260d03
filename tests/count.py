# SPDX-License-Identifier: MIT
"""Count the tests of tests/run: count.py FAILED_STEPS FOLDER. Reads cmocka's output (*.log) and pytest's JUnit XML (*.xml) below FOLDER,
prints "N passed, N failed" as the last line; exit status 1 when something failed or nothing was found. A failed step without a failed test
counts as one."""

import pathlib
import re
import sys
import xml.etree.ElementTree

steps, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
passed = failed = skipped = 0

for log in sorted(folder.rglob("*.log")):
    text = log.read_text(encoding="utf-8", errors="replace")
    passed += len(re.findall(r"^\[       OK \] ", text, re.M))
    failed += len(re.findall(r"^\[  (?:FAILED|ERROR ?) \] \w+$", text, re.M)) // 2
    skipped += len(re.findall(r"^\[  SKIPPED \] \w+$", text, re.M)) // 2
for results in sorted(folder.rglob("*.xml")):
    for suite in xml.etree.ElementTree.parse(results).iter("testsuite"):
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        left_out = int(suite.get("skipped"))
        failed += bad
        skipped += left_out
        passed += int(suite.get("tests")) - bad - left_out

if steps and not failed:
    failed = steps
if skipped:
    print(f"{skipped} skipped")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
