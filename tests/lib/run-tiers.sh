#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs make targets, sums their closing lines, ends with "N passed, N failed". A tier that dies without a
# closing line counts as one failure. An interrupt ends every tier with all that it started.
#
# Tiers that BESIDE names run in a second lane beside the others, in each lane one after the other. Those that NICE
# names, too, have the lowest priority there: media in real time shall not wait for a compiler. A tier's output is
# then shown in one piece when it has ended, and a line a minute says what runs. Without BESIDE one lane does all,
# and output is shown as it comes.
#
# Usage: run-tiers.sh TIER...
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
declare -A running=() began=() result=() # by lane: process, start; by tier: passed, failed, seconds, seconds of a processor
first=()
second=()
for tier in "$@"; do
	if [[ " ${BESIDE:-} " == *" $tier "* ]]; then second+=("$tier"); else first+=("$tier"); fi
done
two_lanes=
if [ "${#first[@]}" -eq 0 ]; then
	first=("${second[@]}")
	second=()
elif [ "${#second[@]}" -gt 0 ]; then
	two_lanes=1
fi
# Where each lane's tests have their ports, 1000 for each file that runs at a time: with two lanes, below those that the
# system gives to whoever does not choose (32768 and up).
ports=${WICGATE_TEST_PORTS:-12000}

# tree PID...: all that these have started, and what that started: "pid ticks-at-its-start" each.
tree() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$*" '
		{ pid = $1; sub(/.*\) /, ""); parent[pid] = $2; began[pid] = $20 }
		END {
			n = split(roots, todo, " ")
			for (i = 1; i <= n; i++)
				for (pid in parent)
					if (parent[pid] == todo[i]) { todo[++n] = pid; print pid, began[pid] }
		}'
}

end_all() {
	local pid n began stat all
	trap '' INT TERM HUP
	printf '\ninterrupted\n'
	all=$(tree "${running[@]}")
	for pid in "${running[@]}"; do kill -TERM -- "-$pid"; done 2>/dev/null
	kill "$ticker" 2>/dev/null
	for ((n = 0; n < 50; n++)); do
		if [ -z "$(jobs -rp)" ]; then break; fi
		sleep 0.2
	done
	for pid in "${running[@]}"; do kill -KILL -- "-$pid"; done 2>/dev/null
	# Whoever has a session of his own (browsers, networks of their own) was not in those groups.
	while read -r pid began; do
		stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
		if [ "$(awk '{ print $20 }' <<<"${stat##*) }")" = "$began" ]; then kill -KILL "$pid" 2>/dev/null; fi
	done <<<"$all"
	exit 130
}
trap end_all INT TERM HUP
ticker=
trap 'rm -rf "$dir"; kill $ticker 2>/dev/null' EXIT

# What a tier's own shell does. $1 the tier, $2 whether to step back, $3 where its times go.
# shellcheck disable=SC2016 # the dollars are that shell's
run='if [ -n "$2" ]; then
	renice -n 19 -p $$ >/dev/null
	# Where the kernel shares processors between sessions first, the session has to step back.
	{ echo 19 >/proc/self/autogroup; } 2>/dev/null
fi
TIMEFORMAT="%U %S"
{ time make --no-print-directory "$1" 2>&3; } 3>&1 2>"$3"'

# start LANE TIER: in a session of its own, which can be ended as a whole; its signals as make expects them.
start() {
	local log=$dir/$2.log nice=
	local env=(env --default-signal=INT --default-signal=QUIT)
	if [ "$1" = second ] && [[ " ${NICE:-} " == *" $2 "* ]]; then nice=yes; fi
	if [ -n "$two_lanes" ] && [ "$1" = second ]; then env+=("WICGATE_TEST_PORTS=$((ports + 4000))"); fi
	if [ -n "$two_lanes" ] && [ "$1" = first ]; then env+=("WICGATE_TEST_PORTS=$ports"); fi
	: >"$log"
	printf '\n=== %s\n' "$2"
	setsid "${env[@]}" bash -c "$run" tier "$2" "$nice" "$dir/$2.times" >"$log" 2>&1 </dev/null &
	running[$1]=$!
	began[$1]=$SECONDS
	if [ -z "$two_lanes" ]; then
		tail -n +1 -s 0.2 -f --pid=$! "$log" &
		shown=$!
	fi
}

# why LOG: what it says of its failures, within reason: the summary at the end of a file of node's, cmocka's words.
why() {
	local text
	text=$(awk '/^--- /{ file = $0; on = 0 } / failing tests:$/{ print file; on = 40 } /^\[  (ERROR|FAILED)/{ on = 2 }
		/^FAIL |ERROR: .*Sanitizer|runtime error:/{ on = 5 } on-- > 0' "$1")
	if [ -z "$text" ]; then text=$(tail -n 20 "$1"); fi
	head -n 300 <<<"$text" | tr -d '\0\r' | cut -c 1-400
}

# ended LANE TIER: say what it said, and count it.
ended() {
	local log=$dir/$2.log rc line p f took=$((SECONDS - began[$1]))
	wait "${running[$1]}"
	rc=$?
	unset "running[$1]"
	if [ -n "$two_lanes" ]; then
		printf '\n=== %s, all of it:\n' "$2"
		cat "$log"
		printf '=== %s has ended after %d s\n' "$2" "$took"
	else
		wait "$shown"
	fi
	line=$(grep -aE '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	p=$(sed -n 's/.*: \([0-9]*\) passed.*/\1/p' <<<"$line")
	f=$(sed -n 's/.* \([0-9]*\) failed$/\1/p' <<<"$line")
	if [ "$rc" -ne 0 ] && [ "${f:-0}" -eq 0 ]; then f=1; fi
	if [ -z "$line" ] && [ "$rc" -eq 0 ]; then f=1; fi
	if [ "${f:-0}" -gt 0 ]; then
		printf '\n--- %s\n' "$2"
		why "$log"
	fi >>"$dir/failures"
	result[$2]="${p:-0} ${f:-0} $took $(awk '{ n += $1 + $2 } END { print int(n + 0.5) }' "$dir/$2.times" 2>/dev/null || echo 0)"
}

# step LANE TIER...: take note of an end, begin the next; the tiers that are left stand in $left.
step() {
	local lane=$1
	shift
	if [ -n "${running[$lane]:-}" ] && ! kill -0 "${running[$lane]}" 2>/dev/null; then
		ended "$lane" "$1"
		shift
	fi
	left=("$@")
	if [ -z "${running[$lane]:-}" ] && [ $# -gt 0 ]; then start "$lane" "$1"; fi
}

while :; do
	step first "${first[@]}"
	first=("${left[@]}")
	step second "${second[@]}"
	second=("${left[@]}")
	[ "${#running[@]}" -gt 0 ] || break
	if [ -z "$ticker" ]; then
		sleep 60 &
		ticker=$!
	fi
	wait -n "${running[@]}" "$ticker" # a tier has ended, or the minute
	if kill -0 "$ticker" 2>/dev/null; then continue; fi
	ticker=
	[ -n "$two_lanes" ] || continue
	for tier in "${first[@]:0:1}" "${second[@]:0:1}"; do
		printf '... %4d s  %-12s %s\n' "$SECONDS" "$tier" "$(tail -n 1 "$dir/$tier.log" | tr -d '\0\r' | cut -c 1-90)"
	done
done

passed=0
failed=0
# Once more, where whoever looks at the end of a long log finds it.
if [ -s "$dir/failures" ]; then printf '\n=== what failed\n'; cat "$dir/failures"; fi
printf '\n'
for tier in "$@"; do
	read -r p f took cpu <<<"${result[$tier]}"
	passed=$((passed + p))
	failed=$((failed + f))
	printf '%-12s %4d passed %4d failed  %4d s, %4d of a processor\n' "$tier" "$p" "$f" "$took" "$cpu"
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
