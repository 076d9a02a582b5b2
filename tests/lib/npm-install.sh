#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# npm ci in each folder given, only when its lock file changed since the last time.
set -euo pipefail
for dir in "$@"; do
	[ -f "$dir/package-lock.json" ] || continue
	stamp="$dir/node_modules/.lock-sum"
	sum=$(sha256sum "$dir/package-lock.json" | cut -d' ' -f1)
	[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && continue
	echo "  NPM   $dir"
	(cd "$dir" && npm ci --no-audit --no-fund --loglevel=error)
	echo "$sum" >"$stamp"
done
