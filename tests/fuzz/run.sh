#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzz target for a number of seconds on the corpus beside its source
# (tests/fuzz/<process>/corpus/<target>/, may be absent). Crashes are kept in build/fuzz/crash.
# Usage: run.sh SECONDS TARGET...    Last line: fuzz-smoke: N passed, N failed
set -u
seconds=$1
shift
passed=0
failed=0
mkdir -p build/fuzz/crash
for prog in "$@"; do
	name=$(basename "$prog")
	seeds=tests/fuzz/$(basename "$(dirname "$prog")")/corpus/$name
	work=build/fuzz/corpus/$name
	mkdir -p "$work"
	dirs=("$work")
	[ -d "$seeds" ] && dirs+=("$seeds")
	printf 'run   %-20s %9s s\n' "$name" "$seconds"
	out=$("$prog" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
		-artifact_prefix="build/fuzz/crash/$name-" -print_final_stats=1 "${dirs[@]}" 2>&1)
	rc=$?
	runs=$(sed -n 's/.*number_of_executed_units: *//p' <<<"$out")
	if [ "$rc" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		printf 'ok    %-20s %9s runs\n' "$name" "$runs"
		passed=$((passed + 1))
	else
		printf '%s\n' "$out" | tail -n 40
		printf 'FAIL  %-20s exit %d\n' "$name" "$rc"
		failed=$((failed + 1))
	fi
done
printf 'fuzz-smoke: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
