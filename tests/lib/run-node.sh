#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs node's test runner over one tier and ends with "TIER: N passed, N failed".
# Usage: run-node.sh TIER FOLDER
set -u
tier=$1
folder=$2
mapfile -t files < <(find "$folder" -name '*.test.mjs' -o -name '*.test.js' | grep -v node_modules | sort)
if [ "${#files[@]}" -eq 0 ]; then
	echo "$tier: no test files in $folder"
	echo "$tier: 0 passed, 1 failed"
	exit 1
fi
passed=0
failed=0
for f in "${files[@]}"; do
	log=$(mktemp)
	node --test --test-reporter=spec "$f" 2>&1 | tee "$log"
	rc=${PIPESTATUS[0]}
	p=$(sed -n 's/^. pass \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	n=$(sed -n 's/^. fail \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	c=$(sed -n 's/^. cancelled \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	n=$((${n:-0} + ${c:-0}))
	# A runner that died, or ran nothing, has failed whatever it counted.
	if { [ "$rc" -ne 0 ] || [ "${p:-0}" -eq 0 ]; } && [ "$n" -eq 0 ]; then n=1; fi
	passed=$((passed + ${p:-0}))
	failed=$((failed + n))
	rm -f "$log"
done
echo "$tier: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
