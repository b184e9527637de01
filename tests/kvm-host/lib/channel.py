# SPDX-License-Identifier: Apache-2.0
"""Frames, and byte streams with flow control, over one connection.

The same frames travel between `kvm-host run` and the supervisor (a unix
socket, one run each) and between the supervisor and the agent inside the host
(a virtio-serial port, all runs). The supervisor only routes: streams and their
credit are a matter between the two ends, so that a slow reader of one run
never holds up another, and nobody buffers more of a stream than WINDOW and, when
a command has ended, what was left in its pipe.
"""

import collections
import fcntl
import marshal
import os
import struct
import termios

HEADER = struct.Struct("!BII")  # kind, run number, payload length
CHUNK = 128 << 10               # most payload in one frame
WINDOW = 1 << 20                # most bytes of a stream that are under way

# Kinds of frame. Streams are named by their file descriptor in the command.
STDIN, STDOUT, STDERR = 0, 1, 2  # data; an empty frame is the end of the stream
START = 3                        # client: argv, env, cwd, cwd_required; see pack_request
SIGNAL = 4                       # client: number, for the command's process group
KILL = 5                         # supervisor: the client is gone
EXIT = 6                         # agent: exit code as a shell would give it
CREDIT = 7                       # reader of a stream: CREDIT_BODY
HELLO = 8                        # agent: ready for runs
STATUS = 9                       # client asks, supervisor answers with JSON
FAILED = 10                      # supervisor: why the host ended, as text
BEAT = 11                        # supervisor: nothing, to nobody; see Supervisor._beat

CREDIT_BODY = struct.Struct("!BI")  # stream, bytes consumed; 0: the reader is gone
NUMBER = struct.Struct("!I")


def pack_request(request):
    """START's payload. Both ends are the same Python, and importing json takes the agent 0.4 s."""
    return marshal.dumps(request)


unpack_request = marshal.loads


class Channel:
    """Frames over a non-blocking file descriptor."""

    def __init__(self, fd):
        self.fd = fd
        self.closed = False
        self._out = collections.deque()
        self._in = bytearray()
        os.set_blocking(fd, False)

    def fileno(self):
        return self.fd

    def wants_write(self):
        return bool(self._out) and not self.closed

    def send(self, kind, run, payload=b""):
        self._out.append(memoryview(HEADER.pack(kind, run, len(payload)) + payload))

    def flush(self):
        """Write what can be written now."""
        while self._out:
            data = self._out[0]
            try:
                written = os.write(self.fd, data)
            except BlockingIOError:
                return
            except OSError:
                self.closed = True
                return
            if written == len(data):
                self._out.popleft()
            else:
                self._out[0] = data[written:]

    def receive(self):
        """Yield the complete frames that have arrived; sets closed at the end."""
        self._fill()
        while len(self._in) >= HEADER.size:
            kind, run, length = HEADER.unpack_from(self._in)
            end = HEADER.size + length
            if len(self._in) < end:
                return
            payload = bytes(memoryview(self._in)[HEADER.size:end])
            del self._in[:end]
            yield kind, run, payload

    def _fill(self):
        limit = len(self._in) + 4 * CHUNK
        while len(self._in) < limit:
            try:
                data = os.read(self.fd, CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return
            self._in += data


class Source:
    """Sends what can be read from fd as stream `kind`, within the reader's credit."""

    def __init__(self, channel, run, kind, fd):
        self.channel, self.run, self.kind, self.fd = channel, run, kind, fd
        self.credit = WINDOW

    def wants_read(self):
        return self.fd >= 0 and self.credit > 0

    def pump(self):
        """Read once and send it. Returns whether there may be more at once."""
        try:
            data = os.read(self.fd, min(CHUNK, self.credit))
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.credit -= len(data)
        self.channel.send(self.kind, self.run, data)
        if not data:
            self.close()
        return self.wants_read()

    def grant(self, count):
        """The reader consumed `count` bytes, or is gone (0)."""
        self.credit += count
        if not count:
            self.close()

    def finish(self):
        """Send what a pipe holds right now, whatever the credit, and close it."""
        if self.fd < 0:
            return
        left = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)))[0]
        while left > 0:
            data = os.read(self.fd, min(CHUNK, left))
            self.channel.send(self.kind, self.run, data)
            left -= len(data)
        self.close()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Sink:
    """Writes stream `kind` to fd and gives the sender credit for it."""

    def __init__(self, channel, run, kind, fd):
        self.channel, self.run, self.kind, self.fd = channel, run, kind, fd
        self._queue = collections.deque()
        self._consumed = 0
        self._ended = False

    def wants_write(self):
        return self.fd >= 0 and bool(self._queue)

    def feed(self, data):
        """Take data from the stream; an empty piece is its end."""
        if data:
            if self.fd >= 0:
                self._queue.append(memoryview(data))
        else:
            self._ended = True
            self._close_if_done()

    def pump(self):
        """Write what can be written now (all of it when fd blocks)."""
        while self._queue:
            data = self._queue[0]
            try:
                written = os.write(self.fd, data)
            except BlockingIOError:
                return
            except OSError:
                self.abandon()
                return
            if written == len(data):
                self._queue.popleft()
            else:
                self._queue[0] = data[written:]
            self._consume(written)
        self._close_if_done()

    def abandon(self):
        """Nobody reads fd any more: let the sender's side see that too."""
        self._send_credit(0)
        self.close()

    def close(self):
        self._queue.clear()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _consume(self, count):
        self._consumed += count
        if self._consumed >= WINDOW // 4:
            self._send_credit(self._consumed)
            self._consumed = 0

    def _send_credit(self, count):
        self.channel.send(CREDIT, self.run, CREDIT_BODY.pack(self.kind, count))

    def _close_if_done(self):
        if self._ended and not self._queue:
            self.close()
