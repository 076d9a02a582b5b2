#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs make targets one after the other, sums their closing lines, ends with
# "N passed, N failed". A tier that dies without a closing line counts as one failure.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0
failed=0
summary=()
for tier in "$@"; do
	printf '\n=== %s\n' "$tier"
	start=$SECONDS
	log=$(mktemp)
	make --no-print-directory "$tier" 2>&1 | tee "$log"
	rc=${PIPESTATUS[0]}
	line=$(grep -E '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	rm -f "$log"
	p=$(sed -n 's/.*: \([0-9]*\) passed.*/\1/p' <<<"$line")
	f=$(sed -n 's/.* \([0-9]*\) failed$/\1/p' <<<"$line")
	if [ "$rc" -ne 0 ] && [ "${f:-0}" -eq 0 ]; then f=1; fi
	if [ -z "$line" ] && [ "$rc" -eq 0 ]; then f=1; fi
	passed=$((passed + ${p:-0}))
	failed=$((failed + ${f:-0}))
	summary+=("$(printf '%-12s %4d passed %4d failed  %4d s' "$tier" "${p:-0}" "${f:-0}" $((SECONDS - start)))")
done
printf '\n'
printf '%s\n' "${summary[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
