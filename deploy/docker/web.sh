#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Serve the softphone; --ready asks a running one.
# DOMAIN, NUMBER: what the page's form starts with. WSS: the gateway's URL as browsers see it,
# empty = this host, port WSS_PORT (8443). WAF_ISSUER: who signs people in, empty = nobody.
set -euo pipefail

if [ "${1:-}" = --ready ]; then
	exec 3<>/dev/tcp/127.0.0.1/8080
	exit 0
fi
dir=$(mktemp -d)
sed -e "s|@DIR@|$dir|g" -e "s|@WAF@|${WAF_ISSUER:-}|" /etc/wicgate/nginx.conf >"$dir/nginx.conf"
config="\"domain\":\"${DOMAIN:-ims.test}\",\"number\":\"${NUMBER:-echo}\",\"user\":\"${SIP_USER:-alice}\""
[ -z "${WSS:-}" ] || config+=",\"wss\":\"$WSS\""
[ -n "${WSS:-}" ] || config+=",\"wssPort\":${WSS_PORT:-8443}"
[ -z "${WAF_ISSUER:-}" ] || config+=",\"waf\":{\"issuer\":\"$WAF_ISSUER\",\"client_id\":\"wicgate-softphone\"}"
printf '{%s}\n' "$config" >"$dir/config.json"
exec nginx -c "$dir/nginx.conf" -g 'daemon off;'
