# SPDX-License-Identifier: Apache-2.0
"""The background process behind one emulated host.

It owns the machine, routes frames between clients and the agent, and ends with
everything else when its owner is gone, when it is told to (SIGTERM) or when
the machine dies. Its name is an abstract socket address, which the kernel
frees when the process ends, however it ends.
"""

import json
import os
import selectors
import signal
import socket
import struct
import time
import traceback

import channel as ch
from machine import Machine, MachineError

CONSOLE_KEPT = 64 << 10
CONSOLE_TAIL_LINES = 25
BOOT_SECONDS = 180
BEAT_SECONDS = 1


class HostDied(Exception):
    """The host ended by itself; the text says how."""


class Stop(Exception):
    """The host shall end."""


class Supervisor:
    """The loop. `report` is a pipe to `kvm-host up`, which waits for the word "ready"."""

    def __init__(self, listener, owner_pidfd, report, options):
        self.listener, self.options, self.report = listener, options, report
        self.selector = selectors.DefaultSelector()
        self.clients = {}
        self.next_number = 1
        self.active = set()
        self.ready = False
        self.started = time.monotonic()
        self.console = bytearray()
        self.progress = 0
        self.next_beat = 0.0
        self.machine = self.port = None
        if owner_pidfd >= 0:
            self._watch(owner_pidfd, self._stop)
        self._watch(report, self._on_report_closed)
        self._watch(listener, self._accept)
        wakeup, signal_writer = os.pipe()
        os.set_blocking(signal_writer, False)
        signal.set_wakeup_fd(signal_writer)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self._watch(wakeup, self._stop)

    def main(self):
        try:
            self.machine = Machine(**self.options)
            self._loop()
        except Stop:
            pass
        except (HostDied, MachineError, OSError) as error:
            self._tell_all(str(error))
        except Exception:  # pylint: disable=broad-except # there is nobody else to tell
            self._tell_all(traceback.format_exc())
        finally:
            if self.machine:
                self.machine.stop()

    def _loop(self):
        machine = self.machine
        self.port = ch.Channel(machine.port.fileno())
        self._watch(self.port, self._on_port)
        os.set_blocking(machine.console, False)
        self._watch(machine.console, self._on_console)
        for process in machine.processes:
            self._watch(os.pidfd_open(process.pid), self._on_death)
        while True:
            timeout = self._beat() if self.ready else self.started + BOOT_SECONDS - time.monotonic()
            if not self.ready and timeout <= 0:
                raise HostDied(self._with_console(f"no answer within {BOOT_SECONDS} s"))
            self._select_writers()
            for key, mask in self.selector.select(timeout):
                if mask & selectors.EVENT_WRITE:
                    key.fileobj.flush()
                if mask & selectors.EVENT_READ and self._is_watched(key):
                    key.data()

    # Events

    def _stop(self):
        raise Stop

    def _on_report_closed(self):
        """`kvm-host up` was interrupted, or has read that we are ready."""
        if not self.ready:
            raise Stop
        self._unwatch(self.report)
        os.close(self.report)
        self.report = -1

    def _on_death(self):
        """QEMU or virtiofsd ended; either takes the other along."""
        self._read_console()
        raise HostDied(self._with_console("the machine ended"))

    def _on_console(self):
        self._read_console()
        if not self.ready:
            self._report_progress()

    def _read_console(self):
        """Take what has been printed; the end is noticed elsewhere."""
        try:
            data = os.read(self.machine.console, CONSOLE_KEPT)
        except BlockingIOError:
            return
        self.console += data.replace(b"\r", b"")
        del self.console[:-CONSOLE_KEPT]

    def _report_progress(self):
        """Tell `kvm-host up` what `init` says on the console, once."""
        said = [line for line in self.console.split(b"\n")[:-1] if line.startswith(b"kvm-host: ")]
        for line in said[self.progress:]:
            self._report(f"{line[len('kvm-host: '):].decode()} after {self._age():.1f} s")
        self.progress = len(said)

    def _accept(self):
        connection, _ = self.listener.accept()
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("iII", credentials)[1] not in (0, os.geteuid()):
            connection.close()
            return
        client = Client(connection, self.next_number)
        self.next_number += 1
        self.clients[client.number] = client
        self._watch(client, lambda: self._on_client(client))

    def _on_client(self, client):
        for kind, _, payload in client.receive():
            if kind == ch.STATUS:
                client.send(ch.STATUS, 0, json.dumps(self._status()).encode())
                continue
            if kind == ch.START:
                self.active.add(client.number)
                self.machine.freeze(False)
            if client.number in self.active:
                self.port.send(kind, client.number, payload)
        if client.closed:
            self._drop(client)

    def _on_port(self):
        for kind, number, payload in self.port.receive():
            client = self.clients.get(number)
            if kind == ch.HELLO:
                self.ready = True
                self._report(f"ready after {self._age():.1f} s\n", end="")
                os.write(self.report, b"\0")
            elif client:
                client.send(kind, number, payload)
            if kind == ch.EXIT:
                self.active.discard(number)
        if self.port.closed:
            self._on_death()
        if self.ready and not self.active:
            self.machine.freeze(True)

    # Helpers

    def _beat(self):
        """Interrupt the host once a second, which finds what QEMU 7.2 may have lost: VMRUN changes
        the pending interrupts of a processor (helper_vmrun(), interrupt_request) while another
        thread does. A lost timer would be the last one. Returns the seconds to the next beat."""
        if self.machine.mode.freeze:
            return None  # a count must not depend on it
        now = time.monotonic()
        if now >= self.next_beat:
            self.next_beat = now + BEAT_SECONDS
            if not self.port.wants_write():
                self.port.send(ch.BEAT, 0)
        return self.next_beat - now

    def _drop(self, client):
        if client.number in self.active:
            self.port.send(ch.KILL, client.number)
        del self.clients[client.number]
        self._unwatch(client)
        client.close()

    def _status(self):
        return {
            **self.options, "pid": os.getpid(), "ready": self.ready, "age": round(self._age(), 1),
            "runs": len(self.active), "console": self.console.decode(errors="replace"),
        }

    def _age(self):
        return time.monotonic() - self.started

    def _report(self, line, end="\n"):
        if self.report < 0:
            return
        try:
            os.write(self.report, (line + end).encode())
        except BrokenPipeError:
            pass

    def _tell_all(self, text):
        self._report(text)
        for client in self.clients.values():
            client.send(ch.FAILED, 0, text.encode())
            client.flush()

    def _with_console(self, what):
        lines = self.console.decode(errors="replace").splitlines()[-CONSOLE_TAIL_LINES:]
        return "\n".join([f"{what}; the end of the console:"] + [f"  {line}" for line in lines])

    def _watch(self, fileobj, handle):
        self.selector.register(fileobj, selectors.EVENT_READ, handle)

    def _unwatch(self, fileobj):
        self.selector.unregister(fileobj)

    def _is_watched(self, key):
        return self.selector.get_map().get(key.fd) is key

    def _select_writers(self):
        """Wait for writing where there is something to write; the agent listens once ready."""
        for channel in [*self.clients.values(), *([self.port] if self.ready else [])]:
            key = self.selector.get_key(channel)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.wants_write() else 0)
            if key.events != events:
                self.selector.modify(channel, events, key.data)


class Client(ch.Channel):
    """A connected `kvm-host run` (or `status`)."""

    def __init__(self, connection, number):
        super().__init__(connection.fileno())
        self.number = number
        self.close = connection.close
