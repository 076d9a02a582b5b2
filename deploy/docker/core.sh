#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start the core stand-in on this container's address; --ready asks a running one. DOMAIN: home domain.
# TRUSTED: a name all of whose addresses are trusted nodes (the eP-CSCFs), looked up again each second.
set -euo pipefail

address=$(hostname -i)
address=${address%% *}
if [ "${1:-}" = --ready ]; then
	exec 3<>"/dev/tcp/$address/5060"
	printf 'GET /ready HTTP/1.1\r\nHost: core\r\nConnection: close\r\n\r\n' >&3
	while IFS= read -r -t 1 line <&3; do
		[[ $line != ready* ]] || exit 0
	done
	exit 1
fi

# trust ADDRESS, distrust ADDRESS: one JSON-RPC of the core.
trust() { rpc htable.sets "\"trusted\",\"$1\",\"1\""; }
distrust() { rpc htable.delete "\"trusted\",\"$1\""; }
rpc() {
	local line call="{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":[$2]}"
	exec 3<>"/dev/tcp/$address/5060"
	printf 'POST /RPC HTTP/1.1\r\nHost: core\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
		"${#call}" "$call" >&3
	IFS= read -r -t 2 line <&3 && [[ $line == *" 200 "* ]]
}

# Replicas come and go; an address that is gone may be somebody else's next.
watch_trusted() {
	local now one known=' '
	while sleep 1; do
		now=" $({ getent ahostsv4 "$TRUSTED" || true; } | awk '{ print $1 }' | sort -u | tr '\n' ' ')"
		for one in $now; do
			[[ $known == *" $one "* ]] || trust "$one" || now=${now/ $one / }
		done
		for one in $known; do
			[[ $now == *" $one "* ]] || distrust "$one" || now+="$one "
		done
		known=$now
	done 2>/dev/null
}

[ -z "${TRUSTED:-}" ] || watch_trusted &
exec /opt/core/start-core.sh --addr "$address" --port 5060 --domain "${DOMAIN:-ims.test}" --dir "$(mktemp -d)" "$@"
