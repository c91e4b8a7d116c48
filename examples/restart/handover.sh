#!/usr/bin/env bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Handover.sh replaces a server three times under load, without a proxy. The old process
# starts the new one on the same socket.

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

start "$restart" serve -name lines
await "lines/([0-9]+): serving on (.*)"
server=${found[1]} address=${found[2]}

start "$restart" load -addr "$address"
load=$pid
await "load: hears lines/$server"

for _ in 1 2 3; do
	from_now
	kill -HUP "$server"
	old=$server
	await "lines/([0-9]+): serving on .*"
	server=${found[1]}
	pids+=("$server") # it is no child of this shell
	ended "$old"
	await "load: hears lines/$server"
done

finish
kill -TERM "$server"
ended "$server"
check
