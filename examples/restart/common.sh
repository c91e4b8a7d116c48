# shellcheck shell=bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Common.sh has the functions of the other scripts: they build the program, run it, and
# wait for its output. They end every process by its id.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOWORK=off

patience=30 # how many seconds to wait for a line
work=$(mktemp -d)
restart=$work/restart
pid=""   # the id of the last process
pids=()  # the ids of all processes
lines=() # all lines that they have printed
answers=0 executed=0

cleanup() {
	if ((${#pids[@]} > 0)); then
		{ kill -KILL "${pids[@]}" || true; wait; } 2>/dev/null # the shell would report their end
	fi
	rm -rf "$work"
}
trap cleanup EXIT

go build -o "$restart" .
mkfifo "$work/output"
exec 9<>"$work/output" # the output of all processes, line by line

# start starts a command, and sets pid to its process id.
start() {
	"$@" >"$work/output" 9>&- &
	pid=$!
	pids+=("$pid")
}

# next reads the next line. It fails if no line comes in time, or if a process has ended
# that must run: the last one that was started, or the proxy.
next() {
	local p end=$((SECONDS + patience))
	until read -r -t 1 -u 9 line; do
		for p in $pid ${proxy:-}; do
			if ! kill -0 "$p" 2>/dev/null; then
				echo "FAILED: process $p has ended, and there is no line $1" >&2
				exit 1
			fi
		done
		if ((SECONDS >= end)); then
			echo "FAILED: no line $1 in $patience seconds" >&2
			exit 1
		fi
	done
}

# await waits for a line after the mark that matches the pattern, and sets found to the
# match and its groups.
await() {
	local i=$mark line
	while true; do
		while ((i < ${#lines[@]})); do
			if [[ ${lines[i++]} =~ ^$1$ ]]; then
				found=("${BASH_REMATCH[@]}")
				return
			fi
		done
		next "$1"
		printf '%s\n' "$line"
		lines+=("$line")
		if [[ $line == "load: answered"* && $1 != "load: answered"* ]]; then
			echo "FAILED: the load has ended" >&2
			exit 1
		fi
	done
}

# from_now sets the mark to the end of the output so far.
from_now() { mark=${#lines[@]}; }
from_now

# ended waits for the last line of the server with this id: how many requests it has executed.
ended() {
	await "[a-z]+/$1: executed ([0-9]+)"
	executed=$((executed + found[1]))
}

# finish ends the load, and fails if the load has lost a request.
finish() {
	kill -TERM "$load"
	await "load: answered ([0-9]+)"
	answers=${found[1]}
	if ! wait "$load"; then
		echo "FAILED: the load has lost requests" >&2
		exit 1
	fi
	pid="" # from now on, processes end because they are told to
}

# check compares the number of answered requests with the number of executed ones.
check() {
	if ((answers == 0 || answers != executed)); then
		echo "FAILED: $answers requests answered, $executed executed" >&2
		exit 1
	fi
	echo "ok: $answers requests, each executed once and answered"
}
