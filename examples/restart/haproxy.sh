#!/usr/bin/env bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Haproxy.sh restarts two servers behind HAProxy under load, one after the other. The
# environment can set the ports.

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! haproxy=$(PATH=$PATH:/usr/sbin command -v haproxy); then
	echo "skipped: haproxy is not installed"
	exit 0
fi

# HAProxy connects to the servers at A and B. Clients connect to FRONT. ADMIN takes
# commands.
export A=${A:-127.0.0.1:7017} B=${B:-127.0.0.1:7027}
export FRONT=${FRONT:-127.0.0.1:7007} ADMIN=${ADMIN:-127.0.0.1:7037}

# tell sends a command to HAProxy, and fails if the answer is more than an empty line.
tell() {
	local answer
	exec 8<>"/dev/tcp/${ADMIN%:*}/${ADMIN##*:}"
	printf '%s\n' "$1" >&8
	answer=$(cat <&8)
	exec 8>&-
	if [[ -n $answer ]]; then
		echo "FAILED: HAProxy: $1: $answer" >&2
		exit 1
	fi
}

# serve starts server a or b, and sets server to its process id.
serve() {
	start "$restart" serve -name "$1" -listen "$2" -grace 200ms
	server=$pid
	await "$1/$server: serving on .*"
}

# replace restarts server a or b. The third argument is the id of its process.
replace() {
	from_now
	tell "set server lines/$1 state drain" # no new connections; the old ones stay
	kill -TERM "$3"                        # it says goodbye on the old ones
	ended "$3"
	wait "$3"
	serve "$1" "$2"
	tell "set server lines/$1 health up" # do not wait for a health check
	tell "set server lines/$1 state ready"
	await "load: hears $1/$server"
}

serve a "$A"
a=$server
serve b "$B"
b=$server
start "$haproxy" -db -f haproxy.cfg
proxy=$pid
# HAProxy prints no line when it is ready. It is ready when a connection succeeds.
deadline=$((SECONDS + patience))
until (exec 8<>"/dev/tcp/${FRONT%:*}/${FRONT##*:}") 2>/dev/null; do
	if ((SECONDS > deadline)) || ! kill -0 "$proxy" 2>/dev/null; then
		echo "FAILED: HAProxy does not serve" >&2
		exit 1
	fi
done

start "$restart" load -addr "$FRONT"
load=$pid
await "load: hears a/$a"
await "load: hears b/$b"

for _ in 1 2; do
	replace a "$A" "$a"
	a=$server
	replace b "$B" "$b"
	b=$server
done

finish
kill -TERM "$a" "$b"
ended "$a"
ended "$b"
kill -TERM "$proxy"
wait "$proxy" || true # the exit status of HAProxy is that of the signal
check
