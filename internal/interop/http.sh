#!/usr/bin/env bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Http.sh tests a server of HTTP/1.1, HTTP/2 and a framed protocol on one TLS port, with
# curl and openssl. If a program is not installed, its tests are skipped, with a message.
# The script uses a free port of 127.0.0.1. It takes two minutes at most.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/http"
export GOWORK=off

dir=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT

failed=0

# check compares what a command has printed, without carriage returns.
check() {
	local name=$1 want=$2 got=$3
	got=${got//$'\r'/}
	if [[ $got == "$want" ]]; then
		printf 'ok: %s\n' "$name"
	else
		printf 'FAILED: %s: got %q, want %q\n' "$name" "$got" "$want"
		failed=1
	fi
}

have() {
	command -v "$1" >"$dir/where" && return
	printf 'skipped: %s, which is not installed\n' "$1"
	return 1
}

go build -o "$dir/http" .
mkfifo "$dir/port"
"$dir/http" serve "$dir/cert" >"$dir/port" &
server=$!
read -r -t 30 port <"$dir/port"

if have curl; then
	get() { timeout 20 curl -sS --noproxy '*' --cacert "$dir/cert" --resolve "framer.test:$port:127.0.0.1" "$@" || true; }
	url=https://framer.test:$port
	version='%{http_version} %{http_code}\n'
	check "curl, HTTP/1.1" $'hello over HTTP/1.1\n1.1 200' "$(get --http1.1 -w "$version" "$url/")"
	check "curl, not upgraded" $'upgrade to lines/1 required\n1.1 426' "$(get --http1.1 -w "$version" "$url/lines")"
	if curl --version | grep -q HTTP2; then
		check "curl, HTTP/2" $'hello over HTTP/2.0\n2 200' "$(get --http2 -w "$version" "$url/")"
		check "curl, HTTP/2 is not upgraded" $'only HTTP/1.1 can be upgraded to lines/1\n2 505' "$(get --http2 -w "$version" "$url/lines")"
	else
		echo "skipped: HTTP/2, which this curl does not have"
	fi
fi

if have openssl; then
	talk() {
		timeout 20 openssl s_client -connect "127.0.0.1:$port" -servername framer.test -CAfile "$dir/cert" \
			-verify_return_error -quiet "$@" 2>"$dir/openssl" || true
	}
	for version in tls1_2 tls1_3; do
		check "openssl, $version, ALPN" $'one\ntwo' "$(printf 'one\ntwo\nquit\n' | talk "-$version" -alpn h3,lines/1)"
		request=$'GET /lines HTTP/1.1\r\nHost: framer.test\r\nConnection: Upgrade\r\nUpgrade: lines/1\r\n\r\n'
		check "openssl, $version, upgrade with messages behind" \
			$'HTTP/1.1 101 Switching Protocols\nUpgrade: lines/1\nConnection: Upgrade\n\none\ntwo' \
			"$(printf '%sone\ntwo\nquit\n' "$request" | talk "-$version")"
		check "openssl, $version, HTTP without ALPN" $'HTTP/1.0 200 OK' \
			"$(printf 'GET / HTTP/1.0\r\n\r\n' | talk "-$version" | head -n 1)"
		check "openssl, $version, another protocol" "" "$(printf 'one\nquit\n' | talk "-$version" -alpn other)"
		grep -q 'alert no application protocol' "$dir/openssl" || check "its alert" "no application protocol" "$(cat "$dir/openssl")"
	done
fi

check "DialHTTP, https" "one" "$(SSL_CERT_FILE=$dir/cert timeout 30 "$dir/http" dial "https://127.0.0.1:$port/lines" one)"

kill -TERM "$server"
status=0
timeout 30 tail --pid="$server" -f /dev/null || true
wait "$server" || status=$?
server=
check "drained" 0 "$status"
exit "$failed"
