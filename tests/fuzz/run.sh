#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets, two at a time, each for a number of seconds on the corpus beside its source
# (tests/fuzz/<process>/corpus/<target>/, may be absent). Crashes are kept in build/fuzz/crash.
# Usage: run.sh SECONDS LONG_SECONDS "LONG_TARGET..." TARGET...
#   LONG_TARGETs are names of those that run for LONG_SECONDS, the first to start.
# FUZZ_SEED: 1 unless given, so that a run judges a change and not its luck; 0 = another one each time (make fuzz).
# Last line: fuzz-smoke: N passed, N failed
set -u
short=$1
long=$2
read -ra long_names <<<"$3"
shift 3
mkdir -p build/fuzz/crash
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

is_long() {
	local name
	for name in "${long_names[@]}"; do
		[ "$name" = "$1" ] && return 0
	done
	return 1
}

# one PROGRAM SECONDS: a line for the reader, a file in $results for the sum
one() {
	local prog=$1 seconds=$2 name seeds work out rc runs
	local -a dirs
	name=$(basename "$prog")
	seeds=tests/fuzz/$(basename "$(dirname "$prog")")/corpus/$name
	work=build/fuzz/corpus/$name
	mkdir -p "$work"
	dirs=("$work")
	[ -d "$seeds" ] && dirs+=("$seeds")
	printf 'run   %-20s %9s s\n' "$name" "$seconds"
	out=$("$prog" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
		-artifact_prefix="build/fuzz/crash/$name-" -print_final_stats=1 "${dirs[@]}" 2>&1)
	rc=$?
	runs=$(sed -n 's/.*number_of_executed_units: *//p' <<<"$out")
	if [ "$rc" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		printf 'ok    %-20s %9s runs in %s s\n' "$name" "$runs" "$seconds"
		: >"$results/$name.ok"
	else
		printf '%s\n' "$out" | tail -n 40
		printf 'FAIL  %-20s exit %d\n' "$name" "$rc"
		: >"$results/$name.failed"
	fi
}

first=()
rest=()
for prog in "$@"; do
	if is_long "$(basename "$prog")"; then first+=("$prog"); else rest+=("$prog"); fi
done
# The rest beside the long ones: wall time is half the sum, whatever the mix.
for prog in "${first[@]}" "${rest[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	if is_long "$(basename "$prog")"; then one "$prog" "$long" & else one "$prog" "$short" & fi
done
wait
passed=$(find "$results" -name '*.ok' | wc -l)
failed=$(find "$results" -name '*.failed' | wc -l)
printf 'fuzz-smoke: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -eq $# ]
