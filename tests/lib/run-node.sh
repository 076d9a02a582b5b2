#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs node's test runner over one tier and ends with "TIER: N passed, N failed".
# Usage: run-node.sh TIER FOLDER [LANES]
#
# Each file is one run. With more than one lane, files run side by side, each lane on ports of its
# own (lib/ports.js); a file that has a line "// Alone: why" at its head has the machine to itself
# afterwards. A file's output is shown when it has ended.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PORTS=${WICGATE_TEST_PORTS:-42000}

# One file on lane $SLOT: its output at once, its counts as a line "passed failed" in $RESULTS.
one() {
	local file=$1 log rc p n c
	log=$(mktemp)
	WICGATE_TEST_PORTS=$((PORTS + ${SLOT:-0} * 1000)) node --test --test-reporter=spec "$file" >"$log" 2>&1
	rc=$?
	p=$(sed -n 's/^. pass \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	n=$(sed -n 's/^. fail \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	c=$(sed -n 's/^. cancelled \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	n=$((${n:-0} + ${c:-0}))
	# A runner that died, or ran nothing, has failed whatever it counted.
	if { [ "$rc" -ne 0 ] || [ "${p:-0}" -eq 0 ]; } && [ "$n" -eq 0 ]; then n=1; fi
	exec 9>>"$RESULTS"
	flock 9
	printf '\n--- %s\n' "$file"
	cat "$log"
	printf '%d %d\n' "${p:-0}" "$n" >&9
	rm -f "$log"
}

if [ "$1" = --one ]; then
	one "$2"
	exit
fi
tier=$1
lanes=${3:-1}
mapfile -t files < <(find "$2" \( -name '*.test.mjs' -o -name '*.test.js' \) -not -path '*/node_modules/*' | sort)
if [ "${#files[@]}" -eq 0 ]; then
	echo "$tier: no test files in $2"
	echo "$tier: 0 passed, 1 failed"
	exit 1
fi
RESULTS=$(mktemp)
export PORTS RESULTS
together=()
alone=()
for f in "${files[@]}"; do
	if [ "$lanes" -gt 1 ] && head -n 12 "$f" | grep -q '^// Alone: '; then alone+=("$f"); else together+=("$f"); fi
done
for run in together alone; do
	declare -n list=$run
	[ "${#list[@]}" -eq 0 ] && continue
	[ "$run" = alone ] && lanes=1
	printf '%s\0' "${list[@]}" |
		xargs -0 -n 1 -P "$lanes" --process-slot-var=SLOT "$here/run-node.sh" --one
done
passed=$(awk '{ n += $1 } END { print n + 0 }' "$RESULTS")
failed=$(awk '{ n += $2 } END { print n + 0 }' "$RESULTS")
# a file without a result line has failed
missing=$((${#files[@]} - $(wc -l <"$RESULTS")))
failed=$((failed + missing))
rm -f "$RESULTS"
echo "$tier: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
