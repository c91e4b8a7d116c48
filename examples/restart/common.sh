# shellcheck shell=bash
# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

# Common.sh is for the other scripts: it builds the program, runs it, and waits for what it
# prints. All processes are ended by their ids.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOWORK=off

patience=30 # how many seconds a line is waited for
work=$(mktemp -d)
restart=$work/restart
pid=""   # of the last process
pids=()  # of all processes
lines=() # that they have printed
answers=0 executed=0

cleanup() {
	if ((${#pids[@]} > 0)); then
		{ kill -KILL "${pids[@]}" || true; wait; } 2>/dev/null # of which the shell would tell
	fi
	rm -rf "$work"
}
trap cleanup EXIT

go build -o "$restart" .
mkfifo "$work/output"
exec 9<>"$work/output" # the output of all, line by line

# start starts a command, and sets pid.
start() {
	"$@" >"$work/output" 9>&- &
	pid=$!
	pids+=("$pid")
}

# next reads the next line, if one comes within the time, and as long as the processes run
# that must: the last that was started, and the proxy.
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

# await waits for a line that matches the pattern, from the mark on, and sets found to the
# parts of it.
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

# from_now sets the mark.
from_now() { mark=${#lines[@]}; }
from_now

# ended waits for what the server with this id has executed, the last that it prints.
ended() {
	await "[a-z]+/$1: executed ([0-9]+)"
	executed=$((executed + found[1]))
}

# finish ends the load, which must not have lost a request.
finish() {
	kill -TERM "$load"
	await "load: answered ([0-9]+)"
	answers=${found[1]}
	if ! wait "$load"; then
		echo "FAILED: the load has lost requests" >&2
		exit 1
	fi
	pid="" # what ends from now on is told to
}

# check compares what was answered with what the servers have executed.
check() {
	if ((answers == 0 || answers != executed)); then
		echo "FAILED: $answers requests answered, $executed executed" >&2
		exit 1
	fi
	echo "ok: $answers requests, each executed once and answered"
}
