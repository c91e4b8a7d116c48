# Copyright 2026 The framer authors. All rights reserved.
# Use of this source code is governed by a BSD-style
# license that can be found in the LICENSE file.

"""A server of lines with asynchat. See package lines of bench."""

import asynchat
import asyncore
import gc
import os
import time

END = b"\r\n"


def say(text):
    print(text, flush=True)


def answer(request):
    """Return the reply to a request, and whether to close after it."""
    verb, _, argument = request.partition(b" ")
    if verb in (b"reply", b"close"):
        return b"x" * (int(argument) - len(END)) + END, verb == b"close"
    if verb == b"work":
        say("working")
        time.sleep(1)
        return b"done" + END, False
    if verb == b"mark":
        say("marked")
    return request + END, False


class Handler(asynchat.async_chat):
    def __init__(self, sock):
        super().__init__(sock)
        self.set_terminator(END)

    def collect_incoming_data(self, data):
        self._collect_incoming_data(data)

    def found_terminator(self):
        reply, last = answer(self._get_data())
        self.push(reply)
        if last:
            self.close_when_done()


class Server(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(100)
        say("listening %s:%d" % self.socket.getsockname())

    def handle_accepted(self, sock, addr):
        Handler(sock)


class Commands(asyncore.file_dispatcher):
    def writable(self):
        return False

    def handle_read(self):
        for command in self.recv(100).split():
            if command == b"gc":
                gc.collect()
                say("done")
            elif command == b"goroutines":
                say("0")
            elif command == b"shutdown":
                asyncore.close_all()  # which ends the loop
                say("done")

    def handle_close(self):
        asyncore.close_all()


Server()
Commands(0)
asyncore.loop(use_poll=True)
