#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs cmocka programs one after the other and sums what they counted. A test that skips itself is
# told beside its program; where CI is set it has failed: there nothing may stay untested unseen.
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
	# A skipped one, too.
	mapfile -t skipped < <(sed -n 's/^\[  SKIPPED \] \([a-z].*\)/\1/p' <<<"$out" | sort -u)
	note=
	[ "${#skipped[@]}" -eq 0 ] || note=" (${#skipped[@]} skipped)"
	if [ "$rc" -ne 0 ] || [ "$ok" -eq 0 ]; then
		[ "$bad" -eq 0 ] && bad=1
		printf '%s\n' "$out" | tail -n 60
		printf 'FAIL  %s (exit %d)%s\n' "$prog" "$rc" "$note"
	else
		printf 'ok    %3d  %s%s\n' "$ok" "${prog#build/}" "$note"
	fi
	if [ -n "${CI:-}" ]; then
		for name in "${skipped[@]}"; do
			printf 'FAIL  %s: %s skipped itself, and CI is set\n' "${prog#build/}" "$name"
		done
		bad=$((bad + ${#skipped[@]}))
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
