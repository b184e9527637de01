# SPDX-License-Identifier: Apache-2.0
"""What `kvm-host` does in the caller's process: find hosts, and speak for one run."""

import hashlib
import json
import os
import select
import signal
import socket
import struct

import channel as ch
from machine import TREE

# Every working tree has its own names.
PREFIX = f"bulkhead-kvm-host/{os.geteuid()}/{hashlib.sha256(TREE.encode()).hexdigest()[:16]}/"
FORWARDED_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
                     signal.SIGUSR1, signal.SIGUSR2)


class HostFailed(Exception):
    """The host ended while it was needed."""


def address(name):
    return f"\0{PREFIX}{name}"


def host_names():
    """Names of the hosts of this tree that are up, or starting."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        paths = [line.split(None, 7)[7].rstrip("\n") for line in file if "@" in line]
    start = "@" + PREFIX
    return sorted({path[len(start):] for path in paths if path.startswith(start)})


def connect(name):
    """A connection to the host's supervisor, or None if there is no such host."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address(name))
    except ConnectionRefusedError:
        connection.close()
        return None
    return connection


def supervisor_pidfd(connection):
    pid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return os.pidfd_open(pid)


def take_down(name):
    """End a host and wait until all of it is gone. Returns whether there was one."""
    connection = connect(name)
    if not connection:
        return False
    with connection:
        pidfd = supervisor_pidfd(connection)
    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    select.select([pidfd], [], [])
    os.close(pidfd)
    return True


def ask_status(name):
    """What the supervisor says of itself, or None if there is no such host."""
    connection = connect(name)
    if not connection:
        return None
    with connection:
        channel = ch.Channel(connection.fileno())
        channel.send(ch.STATUS, 0)
        channel.flush()
        while not channel.closed:
            select.select([channel], [], [])
            for kind, _, payload in channel.receive():
                if kind == ch.STATUS:
                    return json.loads(payload)
    return None


class RemoteRun:
    """One command inside, with the caller's stdin, stdout and stderr."""

    def __init__(self, connection, argv, cwd, env):
        self.connection = connection
        self.channel = ch.Channel(connection.fileno())
        self.stdin = ch.Source(self.channel, 0, ch.STDIN, 0)
        self.outputs = {stream: ch.Sink(self.channel, 0, stream, stream)
                        for stream in (ch.STDOUT, ch.STDERR)}
        request = {"argv": argv, "env": env, "cwd": cwd or os.getcwd(), "cwd_required": bool(cwd)}
        self.channel.send(ch.START, 0, ch.pack_request(request))

    def wait(self):
        """Carry the streams until the command ended. Returns its exit code."""
        for number in FORWARDED_SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._forward)
        wakeup, signal_writer = os.pipe()
        os.set_blocking(signal_writer, False)
        signal.set_wakeup_fd(signal_writer)
        while not self.channel.closed:
            self.channel.flush()
            poll = select.poll()
            poll.register(wakeup, select.POLLIN)
            wants_write = self.channel.wants_write()
            poll.register(self.channel,
                          select.POLLIN | (select.POLLOUT if wants_write else 0))
            if self.stdin.wants_read() and not wants_write:
                poll.register(self.stdin.fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd == self.channel.fd:
                    code = self._receive()
                    if code is not None:
                        return code
                elif fd == wakeup:
                    os.read(wakeup, 512)
                else:
                    self.stdin.pump()
        raise HostFailed("the host ended")

    def _receive(self):
        for kind, _, payload in self.channel.receive():
            if kind in self.outputs:
                self.outputs[kind].feed(payload)
                self.outputs[kind].pump()
            elif kind == ch.CREDIT:
                _, count = ch.CREDIT_BODY.unpack(payload)
                self.stdin.grant(count)
            elif kind == ch.EXIT:
                return ch.NUMBER.unpack(payload)[0]
            elif kind == ch.FAILED:
                raise HostFailed(payload.decode())
        return None

    def _forward(self, number, _frame):
        self.channel.send(ch.SIGNAL, 0, ch.NUMBER.pack(number))
