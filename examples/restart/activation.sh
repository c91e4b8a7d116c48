#!/usr/bin/env bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Activation.sh restarts a server three times under load. It does the same as "systemctl
# restart framer-lines.service" while framer-lines.socket holds the socket, but with
# "restart hold" in place of systemd.

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

start "$restart" hold -listen 127.0.0.1:0 "$restart" serve -name lines
holder=$pid
await "hold: holds (.*), process .*"
address=${found[1]}
await "lines/([0-9]+): serving on .*"
server=${found[1]}
pids+=("$server")

start "$restart" load -addr "$address"
load=$pid
await "load: hears lines/$server"

for _ in 1 2 3; do
	from_now
	kill -HUP "$holder"
	ended "$server"
	await "lines/([0-9]+): serving on .*"
	server=${found[1]}
	pids+=("$server")
	await "load: hears lines/$server"
done

finish
kill -TERM "$holder"
ended "$server"
wait "$holder"
check
