#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# docker-engine.sh COMMAND - a Docker engine and the base image, on machines that may have neither
# a service manager nor a way to an image registry.
#
#   start   make sure an engine answers: use the one that runs, else `systemctl start docker`, else
#           start dockerd ourselves and remember its PID
#   base    make sure debian:bookworm-slim is there: local, else pulled, else made from Debian's
#           packages with mmdebstrap (with this machine's apt sources and proxy settings)
#   tar F   make the base image's root file system as the tar file F; needs no engine
#   env     print DOCKER=... COMPOSE=... for `eval`: the client to use and the compose command
#   stop    stop the dockerd that `start` started; never another one
#
# Works with Debian 12's docker.io (20.10) + docker-compose (1.29) and with newer engines and the
# compose v2 plug-in. State: ${WICGATE_STATE:-/run/wicgate}/dockerd.{pid,log}.
set -euo pipefail

image=debian:bookworm-slim
state=${WICGATE_STATE:-/run/wicgate}
pid_file=$state/dockerd.pid
log_file=$state/dockerd.log
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'docker-engine: %s\n' "$*" >&2; }
die() {
	printf 'docker-engine: %s\n' "$*" >&2
	exit 1
}

# Debian's client stands first on purpose: another `docker` may stand earlier on PATH, of another
# age than the engine and without it.
docker_client() {
	if [ -x /usr/bin/docker ]; then
		echo /usr/bin/docker
	else
		command -v docker || die "no docker client: run deploy/setup/install.sh docker"
	fi
}

# docker-compose before the plug-in: where both are, the former belongs to Debian's engine.
compose_command() {
	if command -v docker-compose >/dev/null; then
		command -v docker-compose
	elif "$(docker_client)" compose version >/dev/null 2>&1; then
		echo "$(docker_client) compose"
	else
		die "neither docker-compose nor the compose plug-in is there: run deploy/setup/install.sh docker"
	fi
}

answers() { timeout 10 "$(docker_client)" info >/dev/null 2>&1; }

# A smaller MTU of the way out (tunnels, clouds) must be the bridges' too, or large packets vanish.
uplink_mtu() {
	local device
	device=$(ip route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
	cat "/sys/class/net/${device:-lo}/mtu" 2>/dev/null || echo 1500
}

wait_answer() {
	local n
	for ((n = 0; n < 120; n++)); do
		answers && return 0
		[ -z "${1:-}" ] || kill -0 "$1" 2>/dev/null || return 1
		sleep 0.25
	done
	return 1
}

start() {
	if answers; then
		say "an engine answers already"
		return 0
	fi
	if [ -d /run/systemd/system ] && systemctl start docker && wait_answer; then
		say "started by systemd"
		return 0
	fi
	command -v dockerd >/dev/null || die "no Docker engine answers and dockerd is not installed: run deploy/setup/install.sh docker"
	[ "$(id -u)" = 0 ] || die "no Docker engine answers and only root can start one"
	mkdir -p "$state"
	local mtu pid
	mtu=$(uplink_mtu)
	[ "$mtu" -le 1500 ] || mtu=1500
	say "starting dockerd (mtu $mtu, log $log_file)"
	setsid dockerd --mtu "$mtu" >"$log_file" 2>&1 </dev/null &
	pid=$!
	if ! wait_answer "$pid"; then
		tail -n 15 "$log_file" >&2
		die "dockerd does not answer; its last lines stand above"
	fi
	echo "$pid" >"$pid_file"
	say "dockerd answers, PID $pid"
}

stop() {
	local pid n
	[ -s "$pid_file" ] || {
		say "no engine of ours to stop"
		return 0
	}
	pid=$(cat "$pid_file")
	rm -f "$pid_file"
	if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != dockerd ]; then
		say "the engine (PID $pid) is gone already"
		return 0
	fi
	kill "$pid"
	for ((n = 0; n < 120; n++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.25
	done
	say "engine stopped"
}

# This machine's Debian sources, as the one-line form mmdebstrap takes.
apt_sources() {
	# shellcheck disable=SC2016 # the dollars are apt-get's
	apt-get indextargets --format '$(ORIGIN)|deb $(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		sed -n 's/^Debian|//p' | grep -E ' bookworm(-updates|-security)? main$' | sort -u
}

# This machine's apt settings that decide whether a download works.
apt_settings() {
	apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-(Valid-Until|Date)|Retries) ' || true
}

# The root file system of $image as the tar file $1.
base_tar() {
	command -v mmdebstrap >/dev/null || die "cannot make $image: run deploy/setup/install.sh docker"
	[ "$(id -u)" = 0 ] || die "only root can make $image"
	local dir rc=0 sources=()
	dir=$(mktemp -d)
	apt_settings >"$dir/apt.conf"
	apt_sources >"$dir/sources.list" || true
	# Where apt names no such source (another suite, no lists yet) mmdebstrap takes its default.
	if grep -q ' bookworm main$' "$dir/sources.list"; then sources=("$dir/sources.list"); fi
	mmdebstrap --quiet --variant=minbase --aptopt="$dir/apt.conf" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm "$1" "${sources[@]}" 2>"$dir/log" || rc=$?
	[ "$rc" = 0 ] || tail -n 15 "$dir/log" >&2
	rm -rf "$dir"
	[ "$rc" = 0 ] || die "making $1 failed"
}

make_base() {
	local dir rc=0
	dir=$(mktemp -d)
	say "no registry in reach: making $image from Debian packages (about 20 s)"
	(base_tar "$dir/base.tar") || rc=$?
	[ "$rc" != 0 ] ||
		"$(docker_client)" import -m "minbase bookworm by mmdebstrap" "$dir/base.tar" "$image" >/dev/null || rc=$?
	rm -rf "$dir"
	[ "$rc" = 0 ] || die "making $image failed"
}

base() {
	local docker
	docker=$(docker_client)
	if "$docker" image inspect "$image" >/dev/null 2>&1; then
		say "$image is here"
	elif timeout "${WICGATE_PULL_TIMEOUT:-60}" "$docker" pull -q "$image" >/dev/null 2>&1; then
		say "$image pulled"
	else
		make_base
		say "$image made"
	fi
}

case ${1:-} in
start) start ;;
stop) stop ;;
base) base ;;
tar) base_tar "${2:?tar FILE}" ;;
env) printf 'DOCKER=%q\nCOMPOSE=%q\n' "$(docker_client)" "$(compose_command)" ;;
*) die "usage: $here/docker-engine.sh start|base|tar|env|stop" ;;
esac
