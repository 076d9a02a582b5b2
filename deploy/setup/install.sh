#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# install.sh GROUP... - install the Debian packages of the named groups.
#
# The groups stand in packages.txt beside this file, one package a line:
#   [group]            a group begins
#   package            wanted
#   package unless CMD wanted only when no command CMD is on PATH (another source may provide it)
#   @group             all of that group
#
# Does nothing, after one dpkg-query, when all is there. Services of the packages are not started:
# a development machine must not suddenly run a SIP server. Environment: APT_TRIES (default 4).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list=$here/packages.txt
policy=/usr/sbin/policy-rc.d
policy_made=

say() { printf 'install: %s\n' "$*"; }
die() {
	printf 'install: %s\n' "$*" >&2
	exit 1
}

# Print the package lines of group $1, with its @groups resolved; fails on an unknown group.
group() {
	grep -qxF "[$1]" "$list" || die "no group '$1' in $list (groups: $(known_groups))"
	local line
	while read -r line; do
		case $line in
		@*) group "${line#@}" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done < <(awk -v want="[$1]" '/^\[/ { on = ($0 == want); next } on && NF && !/^#/' "$list")
}

known_groups() { sed -n 's/^\[\(.*\)\]$/\1/p' "$list" | tr '\n' ' '; }

# Reduce "package unless CMD" lines to the package names that are wanted on this machine.
wanted() {
	local package word command
	while read -r package word command; do
		if [ "$word" = unless ] && command -v "$command" >/dev/null; then
			continue
		fi
		printf '%s\n' "$package"
	done
}

missing() {
	local installed
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p' | sort -u || true)
	comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$installed")
}

# apt-get, tried again after a pause: mirrors and networks have bad moments.
apt_try() {
	local tries=${APT_TRIES:-4} n
	for ((n = 1; n <= tries; n++)); do
		if apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; then
			return 0
		fi
		[ "$n" -lt "$tries" ] || break
		say "apt-get $1 failed (try $n of $tries), again in $((n * 3)) s"
		sleep $((n * 3))
	done
	die "apt-get $1 failed $tries times; the reason stands above"
}

# While packages are being configured, invoke-rc.d asks this file and is told not to start anything.
forbid_services() {
	[ ! -e "$policy" ] || return 0
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	policy_made=1
}

allow_services() { [ -z "$policy_made" ] || rm -f "$policy"; }

# A SIP server that came with us must not come up at the next boot either.
not_at_boot() {
	local name
	command -v systemctl >/dev/null || return 0
	for name in "${need[@]}"; do
		[ "$name" != kamailio ] || systemctl disable --quiet kamailio.service 2>/dev/null || true
	done
}

main() {
	[ $# -gt 0 ] || die "usage: install.sh GROUP... (groups: $(known_groups))"
	command -v dpkg-query >/dev/null || die "this machine is not Debian: install the packages of $list by hand"
	local lines packages need name
	lines=$(for name in "$@"; do group "$name" || exit 1; done) || exit 1
	mapfile -t packages < <(wanted <<<"$lines")
	[ -n "${packages[*]}" ] || return 0
	mapfile -t need < <(missing "${packages[@]}")
	if [ -z "${need[*]}" ]; then
		say "$*: all ${#packages[@]} packages are there"
		return 0
	fi
	if [ "$(id -u)" != 0 ]; then
		die "missing: ${need[*]} -- run as root: apt-get install --no-install-recommends ${need[*]}"
	fi
	say "$*: installing ${#need[@]} of ${#packages[@]} packages: ${need[*]}"
	export DEBIAN_FRONTEND=noninteractive
	trap allow_services EXIT
	forbid_services
	apt_try update -qq
	apt_try install -y -qq --no-install-recommends "${need[@]}"
	not_at_boot
	say "$*: done"
}

main "$@"
