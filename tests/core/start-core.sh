#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Start the IMS core stand-in in the foreground (exec: the caller's PID is Kamailio's).
# Ready when GET http://ADDR:PORT/ready answers. Stop with SIGTERM.
set -euo pipefail

usage() {
	cat <<'U'
usage: start-core.sh [options]
  --addr IP           address to listen on, UDP and TCP   (127.0.0.1)
  --port N            port                                (5070)
  --advertise HOST    address written into Record-Route and Service-Route (ADDR)
  --domain NAME       home domain and Digest realm        (ims.test)
  --transport udp|tcp transport of the Service-Route      (udp)
  --dir DIR           runtime directory, made if missing  (mktemp -d)
  --user NAME:PW[:TEL] add a user; repeatable (default alice, bob, carol, echo; password = name)
  --fixed NAME=URI    requests for NAME go to URI without registration; repeatable
  --trusted IP        accept auth-done (Trusted Node Authentication) from here; repeatable (nobody)
  --guests N          guest-0001 … with IMPI guest-0001.pool@DOMAIN, for auth-done only (50)
  --min-expires N     (10)    --max-expires N  (3600)    --debug N  (1)
Users load0, load1, … always exist, password "load".
U
}

addr=127.0.0.1 port=5070 domain=ims.test dir='' debug=1 advertise='' transport=udp
min_expires=10 max_expires=3600 users=() fixed=() trusted=() guests=50
here=$(cd "$(dirname "$0")" && pwd)

while [ $# -gt 0 ]; do
	case $1 in
	--addr) addr=$2 ;;
	--port) port=$2 ;;
	--advertise) advertise=$2 ;;
	--domain) domain=$2 ;;
	--transport) transport=$2 ;;
	--dir) dir=$2 ;;
	--user) users+=("$2") ;;
	--fixed) fixed+=("$2") ;;
	--trusted) trusted+=("$2") ;;
	--guests) guests=$2 ;;
	--min-expires) min_expires=$2 ;;
	--max-expires) max_expires=$2 ;;
	--debug) debug=$2 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift 2
done
[ -n "$dir" ] || dir=$(mktemp -d)
mkdir -p "$dir"
public=${advertise:-$addr}
[ ${#users[@]} -gt 0 ] || users=(alice:alice:+15550101 bob:bob:+15550102 carol:carol:+15550103
	echo:echo:+15550109)
param=''
[ "$transport" = udp ] || param=";transport=$transport"
as=''
[ -z "$advertise" ] || as=" advertise $advertise:$port"

{
	echo '#!KAMAILIO'
	echo "#!substdef \"!CORE_DOMAIN!$domain!g\""
	echo "#!substdef \"!CORE_ADDR!$public!g\""
	echo "#!substdef \"!CORE_PORT!$port!g\""
	echo "#!substdef \"!CORE_DEBUG!$debug!g\""
	echo "#!substdef \"!CORE_MIN_EXPIRES!$min_expires!g\""
	echo "#!substdef \"!CORE_MAX_EXPIRES!$max_expires!g\""
	echo "#!substdef \"!CORE_TRANSPORT_PARAM!$param!g\""
	echo "listen=udp:$addr:$port$as"
	echo "listen=tcp:$addr:$port$as"
	echo "include_file \"$here/kamailio.cfg\""
	echo 'event_route[htable:mod-init] {'
	for u in "${users[@]}"; do
		IFS=: read -r name pw tel <<<"$u"
		echo "	\$sht(users=>$name) = \"$pw\";"
		echo "	\$sht(impis=>$name.wic@$domain) = \"$name\";"
		if [ -n "$tel" ]; then
			echo "	\$sht(tels=>$name::tel) = \"$tel\";"
			echo "	\$sht(tels=>$tel) = \"$name\";"
		fi
	done
	for f in "${fixed[@]}"; do
		echo "	\$sht(fixed=>${f%%=*}) = \"${f#*=}\";"
	done
	for t in "${trusted[@]}"; do
		echo "	\$sht(trusted=>$t) = \"1\";"
	done
	for ((i = 1; i <= guests; i++)); do
		printf -v name 'guest-%04d' "$i"
		echo "	\$sht(guests=>$name) = \"1\";"
		echo "	\$sht(impis=>$name.pool@$domain) = \"$name\";"
	done
	echo '}'
} >"$dir/core.cfg"

exec "${KAMAILIO:-kamailio}" -DD -E -f "$dir/core.cfg" -P "$dir/core.pid" -Y "$dir" -w "$dir" \
	-m 32 -M 4
