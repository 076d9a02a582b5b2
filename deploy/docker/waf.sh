#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start the WAF with a lab's users; --ready asks a running one.
# ISSUER: its URL as browsers see it. PAGE: the page's. DOMAIN: home domain.
set -euo pipefail

if [ "${1:-}" = --ready ]; then
	exec node -e "require('https').get({ port: 8444, path: '/healthz', rejectUnauthorized: false }, (r) => process.exit(r.statusCode !== 200))"
fi
# The eP-CSCF, another user in another container, reads it from a volume that only the two have.
secret=/var/lib/waf-secret/epcscf.secret
[ -s $secret ] || od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >$secret
chmod 0644 $secret
exec node /opt/waf/waf.mjs --dev /var/lib/waf --issuer "$ISSUER" --listen 0.0.0.0:8444 --page "$PAGE" \
	--cert /certs/waf.pem --key /certs/waf.key --domain "${DOMAIN:-ims.test}" --secret $secret
