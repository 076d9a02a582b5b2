#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs cmocka programs one after the other and sums what they counted.
# Usage: run-unit.sh PROGRAM...    Last line: N passed, N failed
set -u
passed=0
failed=0
for prog in "$@"; do
	out=$("$prog" 2>&1)
	rc=$?
	ok=$(grep -c '^\[       OK \]' <<<"$out")
	bad=$(grep -c '^\[  FAILED  \] [a-z]' <<<"$out")
	# cmocka lists each failed test twice: once when it ends, once in the summary.
	bad=$(((bad + 1) / 2))
	if [ "$rc" -ne 0 ] || [ "$ok" -eq 0 ]; then
		[ "$bad" -eq 0 ] && bad=1
		printf '%s\n' "$out" | tail -n 60
		printf 'FAIL  %s (exit %d)\n' "$prog" "$rc"
	else
		printf 'ok    %3d  %s\n' "$ok" "${prog#build/}"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
