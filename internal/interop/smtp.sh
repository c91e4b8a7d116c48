#!/usr/bin/env bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Smtp.sh makes the installed mail clients send mail to cmd/smtpd, on a free port of the
# loopback interface. It checks what has arrived. Its exit status is not 0 if a mail was
# lost or changed.

set -euo pipefail
if [[ $(uname) != Linux ]]; then
	echo "skipped: the options of head, stat and tail are those of Linux"
	exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
pid=    # the process that runs the server
reader= # the process that reads its log
failures=0
checks=0

cleanup() {
	stop || true
	rm -rf "$work"
}
trap cleanup EXIT

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	failures=$((failures + 1))
}

has() {
	command -v "$1" >/dev/null && return
	echo "skipped: $1 is not installed"
	return 1
}

# start starts the server with the given flags, and sets address.
start() {
	rm -rf "$work/mail"
	"$work/smtpd" -addr 127.0.0.1:0 -hostname localhost -v -dir "$work/mail" "$@" >"$work/stdout" 2>"$work/stderr" &
	pid=$!
	exec 3<"$work/stderr"
	local line=
	read -r -t 20 line <&3 || true # the line has the address
	cat <&3 >"$work/log" & # ends when the server ends
	reader=$!
	exec 3<&-
	address=${line##*//}
	port=${address##*:}
	if [[ $line != "smtpd: serving on "* ]]; then
		fail "the server does not start: $line $(cat "$work/log")"
		exit 1
	fi
}

# stop ends the server and checks that it ends in order.
stop() {
	[[ -n $pid ]] || return 0
	local ended=$pid
	pid=
	kill -TERM "$ended"
	timeout 30 tail -f --pid="$ended" /dev/null || kill -KILL "$ended"
	wait "$ended" || fail "the exit status of the server is $?"
	wait "$reader"
}

# expect runs a client. The first argument says how the client must end: "ok" or
# "refused".
expect() {
	local want=$1 got=ok
	shift
	checks=$((checks + 1))
	timeout 30 "$@" <"$work/input" >"$work/output" 2>&1 || got=refused
	if [[ $got != "$want" ]]; then
		fail "$got, want $want: $*"
		cat "$work/output" "$work/log" >&2
	fi
}

# arrived checks that there is one mail with the text of the file. It removes the mail.
arrived() {
	local mails=("$work"/mail/*.eml)
	if [[ ${#mails[@]} != 1 || ! -f ${mails[0]} ]]; then
		fail "there are ${#mails[@]} mails: ${mails[*]}"
	elif ! grep -q -- "$1" "${mails[0]}"; then
		fail "the mail lacks $1:"
		cat "${mails[0]}" >&2
	elif ! cmp -s "$work/text" <(tail -c "$(stat -c %s "$work/text")" "${mails[0]}"); then
		fail "the text of the mail was changed:"
		tail -n 20 "${mails[0]}" >&2
	fi
	rm -f "$work"/mail/*.eml
}

# nothing checks that there is no mail.
nothing() {
	[[ -z $(ls -A "$work/mail") ]] || fail "there are files: $(ls -A "$work/mail")"
}

go build -o "$work/smtpd" ./cmd/smtpd
mkfifo "$work/stderr"
: >"$work/input"
: >"$work/log"

# The text of all mails ends in this way: lines that begin with dots, umlauts, an empty line.
printf '.\r\n..\r\n.x\r\n\r\n\303\244 and a line that ends.\r\n' >"$work/text"
{ printf 'Subject: interop\r\nFrom: a@localhost\r\nTo: b@localhost\r\n\r\n' && cat "$work/text"; } >"$work/crlf"
tr -d '\r' <"$work/crlf" >"$work/lf"
head -c -2 "$work/crlf" >"$work/swaks" # swaks adds the last CRLF

send=(--mail-from a@localhost --mail-rcpt b@localhost)

echo "== in clear"
start -auth -max-size 100000
if has swaks; then
	to=(swaks --server "$address" --from a@localhost --to b@localhost,c@localhost --data "@$work/swaks")
	expect ok "${to[@]}"
	arrived "Delivered-To: c@localhost"
	expect ok "${to[@]}" --pipeline
	arrived "with ESMTP id"
	expect ok "${to[@]}" --protocol SMTP
	arrived "with SMTP id"
	expect ok "${to[@]}" --auth PLAIN --auth-user me --auth-password secret
	arrived "with ESMTPA id"
	expect ok "${to[@]}" --auth LOGIN --auth-user me --auth-password secret
	arrived "with ESMTPA id"
	expect refused swaks --server "$address" --from a@localhost --to nobody --data "@$work/swaks"
	expect ok swaks --server "$address" --quit-after RCPT --from a@localhost --to b@localhost
	nothing
fi
if has curl; then
	expect ok curl -sS "smtp://$address" "${send[@]}" --upload-file "$work/crlf"
	arrived "Return-Path: <a@localhost>"
	expect ok curl -sS "smtp://$address" "${send[@]}" --crlf --upload-file "$work/lf"
	arrived "Return-Path: <a@localhost>"
	expect ok curl -sS "smtp://$address" "${send[@]}" --user me:secret --upload-file "$work/crlf"
	arrived "with ESMTPA id"
	expect refused curl -sS "smtp://$address" "${send[@]}" --upload-file "$work/lf" # the lines end in a bare LF
	head -c 200000 /dev/zero | tr '\0' x >"$work/large"
	expect refused curl -sS "smtp://$address" "${send[@]}" --upload-file "$work/large" # larger than the SIZE of the server
	expect refused curl -sS "smtp://$address" "${send[@]}" --ssl-reqd --upload-file "$work/crlf"
	expect ok curl -sS "smtp://$address" --request "VRFY b"
	nothing
fi
if has msmtp; then
	to=(msmtp --file=/dev/null --host=127.0.0.1 --port="$port" --tls=off --from=a@localhost b@localhost)
	cp "$work/lf" "$work/input" # msmtp changes LF to CRLF
	expect ok "${to[@]}" --auth=off
	arrived "Delivered-To: b@localhost"
	expect ok "${to[@]}" --auth=plain --user=me --passwordeval="echo secret"
	arrived "with ESMTPA id"
	: >"$work/input"
fi
if has python3; then
	cat >"$work/send.py" <<'END'
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=20) as s:
    for option in [], ["BODY=8BITMIME"], ["BODY=8BITMIME", "SMTPUTF8"]:
        s.sendmail("a@localhost", ["b@localhost"], open(sys.argv[3], "rb").read(), option)
END
	expect ok python3 "$work/send.py" 127.0.0.1 "$port" "$work/crlf"
	[[ $(ls "$work"/mail/*.eml | wc -l) == 3 ]] || fail "not all mails of smtplib have arrived"
	rm -f "$work"/mail/*.eml
fi
stop

if has openssl; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key" -out "$work/cert" 2>/dev/null
	certificate=(-cert "$work/cert" -key "$work/key")

	echo "== STARTTLS"
	start -starttls "${certificate[@]}"
	printf 'QUIT\r\n' >"$work/input"
	for version in 1_2 1_3; do
		expect ok openssl s_client -starttls smtp -connect "$address" "-tls$version" -CAfile "$work/cert" \
			-verify_return_error -verify_hostname localhost -quiet
		grep -q '^221 ' "$work/output" || fail "no 221 in reply to openssl, TLS $version"
	done
	expect refused openssl s_client -starttls smtp -connect "$address" -tls1_1 -quiet
	: >"$work/input"
	if has curl; then
		expect ok curl -sS "smtp://$address" "${send[@]}" --ssl-reqd --cacert "$work/cert" --upload-file "$work/crlf"
		arrived "with ESMTPS id"
		expect refused curl -sS "smtp://$address" "${send[@]}" --ssl-reqd --upload-file "$work/crlf" # its certificate is not trusted
		nothing
		expect ok curl -sS "smtp://$address" "${send[@]}" --upload-file "$work/crlf"
		arrived "with ESMTP id"
	fi
	if has msmtp; then
		cp "$work/lf" "$work/input"
		to=(msmtp --file=/dev/null --host=localhost --port="$port" --source-ip=127.0.0.1 --auth=off --from=a@localhost b@localhost)
		expect ok "${to[@]}" --tls=on --tls-starttls=on --tls-trust-file="$work/cert"
		arrived "with ESMTPS id"
		expect refused "${to[@]}" --tls=on --tls-starttls=on
		: >"$work/input"
	fi
	if has swaks; then
		if swaks --support 2>&1 | grep -q '^=== TLS supported'; then
			expect ok swaks --server "$address" --tls --from a@localhost --to b@localhost --data "@$work/swaks"
			arrived "with ESMTPS id"
		else
			echo "skipped: swaks is installed without TLS"
		fi
	fi
	stop

	echo "== TLS"
	start -tls "${certificate[@]}"
	printf 'EHLO localhost\r\nQUIT\r\n' >"$work/input"
	for version in 1_2 1_3; do
		expect ok openssl s_client -connect "$address" "-tls$version" -CAfile "$work/cert" \
			-verify_return_error -verify_hostname localhost -quiet
		grep -q '^221 ' "$work/output" || fail "no 221 in reply to openssl, TLS $version"
		! grep -q STARTTLS "$work/output" || fail "STARTTLS is offered under TLS"
	done
	: >"$work/input"
	if has curl; then
		expect ok curl -sS "smtps://$address" "${send[@]}" --cacert "$work/cert" --upload-file "$work/crlf"
		arrived "with ESMTPS id"
	fi
	stop

	echo "== a self-signed certificate"
	start -starttls
	if has curl; then
		expect ok curl -sS "smtp://$address" "${send[@]}" --ssl-reqd --insecure --upload-file "$work/crlf"
		arrived "with ESMTPS id"
		expect refused curl -sS "smtp://$address" "${send[@]}" --ssl-reqd --upload-file "$work/crlf"
		nothing
	fi
	stop
fi

printf '%d runs of clients, %d failures, in %d seconds\n' "$checks" "$failures" "$SECONDS"
[[ $failures == 0 ]]
