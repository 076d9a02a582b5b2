#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start the core stand-in on this container's address; --ready asks a running one. DOMAIN: home domain.
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
exec /opt/core/start-core.sh --addr "$address" --port 5060 --domain "${DOMAIN:-ims.test}" --dir "$(mktemp -d)" "$@"
