#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# devcerts.sh DIR [NAME...] - development certificates, made at run time, never for production.
#
# Writes into DIR what is missing, and again when a certificate ends within a day or lacks a NAME:
#   ca.pem, ca.key           the development CA (import ca.pem into a browser to trust W2)
#   server.pem, server.key   W2 (WSS): localhost, 127.0.0.1, ::1, cscf, lb, web, w2.ims.example.net,
#                            this machine's host name and addresses, and each NAME (DNS or IP)
#   waf.pem, waf.key         the WAF (HTTPS): waf and the same names
#   iq-cscf.pem, .key        the eP-CSCF on Iq (TLS client), SAN cscf
#   iq-agw.pem, .key         the eIMS-AGW on Iq (TLS server), SAN agw, localhost, 127.0.0.1
# server.pem and the iq files carry the certificate only; the CA is the chain. Keys are mode 0600;
# DEVCERTS_KEY_MODE=0644 lets another user of a private volume read them.
set -euo pipefail

days=397
key_mode=${DEVCERTS_KEY_MODE:-0600}

die() {
	printf 'devcerts: %s\n' "$*" >&2
	exit 1
}

[ $# -ge 1 ] || die "usage: devcerts.sh DIR [NAME...]"
command -v openssl >/dev/null || die "openssl is not installed"
dir=$1
shift
umask 077
mkdir -p "$dir"
chmod 755 "$dir"
made=()

san() {
	case $1 in
	*:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) printf 'IP:%s' "$1" ;;
	*) printf 'DNS:%s' "$1" ;;
	esac
}

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

ca() {
	if [ -s "$dir/ca.key" ] && openssl x509 -checkend 604800 -noout -in "$dir/ca.pem" >/dev/null 2>&1; then
		return 0
	fi
	new_key "$dir/ca.key"
	openssl req -x509 -new -key "$dir/ca.key" -days 3650 -sha256 -out "$dir/ca.pem" \
		-subj "/O=wicgate development/CN=wicgate development CA $(date +%Y%m%d%H%M%S)" \
		-addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
		-addext 'keyUsage=critical,keyCertSign,cRLSign'
	rm -f "$dir"/{server,waf,iq-cscf,iq-agw}.pem
	made+=(ca)
}

# still_good FILE NAME... - the certificate is of this CA, lasts a day, and carries every name.
still_good() {
	local file=$1 text name
	shift
	openssl verify -CAfile "$dir/ca.pem" "$file" >/dev/null 2>&1 || return 1
	openssl x509 -checkend 86400 -noout -in "$file" >/dev/null || return 1
	for name in "$@"; do
		case $(san "$name") in
		IP:*) text=$(openssl x509 -noout -checkip "$name" -in "$file") ;;
		*) text=$(openssl x509 -noout -checkhost "$name" -in "$file") ;;
		esac
		[[ $text == *"does match"* ]] || return 1
	done
}

# leaf FILE USAGE NAME... - a certificate signed by the CA; NAME 1 is the common name.
leaf() {
	local base=$dir/$1 usage=$2 names n sans=()
	names=("${@:3}")
	if [ -s "$base.key" ] && [ -s "$base.pem" ] && still_good "$base.pem" "${names[@]}"; then
		return 0
	fi
	for n in "${names[@]}"; do sans+=("$(san "$n")"); done
	new_key "$base.key"
	openssl req -new -key "$base.key" -subj "/O=wicgate development/CN=${names[0]}" -out "$base.csr"
	openssl x509 -req -in "$base.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$days" -sha256 \
		-set_serial "0x$(openssl rand -hex 16)" -out "$base.pem" 2>/dev/null -extfile - <<-END
			basicConstraints=critical,CA:FALSE
			keyUsage=critical,digitalSignature
			extendedKeyUsage=$usage
			subjectAltName=$(IFS=,; echo "${sans[*]}")
		END
	rm -f "$base.csr"
	made+=("$1")
}

mapfile -t own < <(
	hostname 2>/dev/null || true
	{ hostname -I 2>/dev/null || true; } | tr ' ' '\n' | grep -v '^fe80' | grep . || true
)
ca
leaf server serverAuth localhost 127.0.0.1 ::1 cscf lb web w2.ims.example.net "${own[@]}" "$@"
leaf waf serverAuth waf localhost 127.0.0.1 ::1 "${own[@]}" "$@"
leaf iq-cscf clientAuth,serverAuth cscf localhost
leaf iq-agw serverAuth,clientAuth agw localhost 127.0.0.1 ::1
chmod 644 "$dir"/*.pem
chmod "$key_mode" "$dir"/{server,waf,iq-cscf,iq-agw}.key
printf 'devcerts: %s: %s\n' "$dir" "${made[*]:-all there}"
