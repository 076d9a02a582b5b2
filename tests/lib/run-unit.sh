#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs cmocka programs side by side and sums what they counted. Most of their time is waiting for a
# deadline of a few milliseconds, so there are more lanes than processors; a program's output is
# shown when it has ended. A test that skips itself is told beside its program; where CI is set it
# has failed: there nothing may stay untested unseen.
# Usage: run-unit.sh PROGRAM...    Last line: unit: N passed, N failed
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LANES=${UNIT_LANES:-4}
LIMIT_S=300

# One program: its line and, where it failed, the end of its output; "passed failed" in $RESULTS.
one() {
	local prog=$1 log out rc ok bad note='' name
	local -a skipped
	# Into a file: a child that outlives its program would hold a pipe open.
	log=$(mktemp)
	timeout "$LIMIT_S" "$prog" >"$log" 2>&1
	rc=$?
	out=$(<"$log")
	rm -f "$log"
	ok=$(grep -c '^\[       OK \]' <<<"$out")
	bad=$(grep -c '^\[  FAILED  \] [a-z]' <<<"$out")
	# cmocka lists each failed test twice: once when it ends, once in the summary.
	bad=$(((bad + 1) / 2))
	# A skipped one, too.
	mapfile -t skipped < <(sed -n 's/^\[  SKIPPED \] \([a-z].*\)/\1/p' <<<"$out" | sort -u)
	[ "${#skipped[@]}" -eq 0 ] || note=" (${#skipped[@]} skipped)"
	exec 9>>"$RESULTS"
	flock 9
	if [ "$rc" -ne 0 ] || [ "$ok" -eq 0 ]; then
		[ "$bad" -eq 0 ] && bad=1
		# What failed, before the end, which may be all leak report.
		grep -A1 -E '^\[  (ERROR|FAILED)' <<<"$out" | head -n 40
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
	printf '%d %d\n' "$ok" "$bad" >&9
}

if [ "$1" = --one ]; then
	one "$2"
	exit 0
fi
RESULTS=$(mktemp)
export RESULTS
printf '%s\0' "$@" | xargs -0 -n 1 -P "$LANES" "$here/run-unit.sh" --one
passed=$(awk '{ n += $1 } END { print n + 0 }' "$RESULTS")
failed=$(awk '{ n += $2 } END { print n + 0 }' "$RESULTS")
# A program without a result line has failed.
failed=$((failed + $# - $(wc -l <"$RESULTS")))
rm -f "$RESULTS"
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
