#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh BIN OUT - Debian packages of the programs in BIN (build/release/bin), into OUT.
#
# The source package is put together in OUT/wicgate-VERSION: this folder as debian/, what is
# installed in stage/. VERSION is that of the nearest tag vX.Y.Z (commits after it: X.Y.Z+N.gHASH),
# without one GW_VERSION of common/options.h. All times in the packages are SOURCE_DATE_EPOCH, or the
# last commit's.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: build.sh BIN OUT" >&2; exit 2; }
bin=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version() {
	local tag
	if tag=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/; s/-/~/g' <<<"$tag"
	else
		sed -n 's/^#define GW_VERSION *"\(.*\)"$/\1/p' common/options.h
	fi
}

v=$(version)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y common/options.h)}
export SOURCE_DATE_EPOCH
tree=$out/wicgate-$v
rm -rf "$out"/wicgate-*/ "$out"/*.deb "$out"/*.buildinfo "$out"/*.changes
mkdir -p "$tree/stage"
cp -r deploy/deb "$tree/debian"
rm -f "$tree"/debian/{build.sh,module.mk,README.md}
cp "$bin"/{wicgate-cscf,wicgate-agw,wicgatectl} "$tree/stage/"
cp README.md deploy/conf/wicgate-{cscf,agw}.yaml "$tree/stage/"
cp deploy/systemd/README.md "$tree/stage/README.service.md"
cp deploy/wicgatectl/README.md "$tree/stage/README.wicgatectl.md"
for p in wicgate-cscf wicgate-agw; do
	cp "deploy/systemd/$p.service" "$tree/debian/"
	cp "deploy/systemd/sysusers.d/$p.conf" "$tree/debian/$p.sysusers"
	cp "deploy/systemd/tmpfiles.d/$p.conf" "$tree/debian/$p.tmpfiles"
done
{
	printf 'wicgate (%s) bookworm; urgency=medium\n\n  * Built from the sources of this version.\n\n' "$v"
	printf ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' deploy/deb/control)" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")"
} >"$tree/debian/changelog"
cd "$tree"
log=$out/build.log
if ! dpkg-buildpackage -us -uc -b >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	exit 1
fi
echo "  DEB   $(cd "$out" && printf '%s ' wicgate*.deb)"
