#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `make run`: from a fresh clone to a working gateway with a softphone page. Installs what is missing,
# builds, and hands over to run.mjs, which starts everything, places one call and stays up.
# Options are run.mjs's (--help). MODE: the build to run (default release).
set -euo pipefail

cd "$(dirname "$0")/../.."
mode=${MODE:-release}

# The level of make above must not leak into ours: its flags (a jobserver, -n) are not for us.
unset MAKEFLAGS MFLAGS MAKELEVEL

deploy/setup/install.sh build node core
make -j2 "$mode"
make softphone
tests/lib/npm-install.sh deploy/waf
# The automatic call uses a browser when there is one; this library drives it.
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
	tests/lib/npm-install.sh tests
fi
exec node deploy/run/run.mjs --bin "build/$mode/bin" "$@"
