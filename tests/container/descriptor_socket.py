# SPDX-License-Identifier: Apache-2.0
"""The engine's side of --console-socket and --pidfd-socket."""
import array
import os
import socket


def listen(name):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    return listener


def receive(listener):
    """The one descriptor that comes with a name, and that was sent before the runtime returned."""
    listener.setblocking(False)
    connection, _ = listener.accept()
    name, control, flags, _ = connection.recvmsg(4096, socket.CMSG_SPACE(64 * 4))
    assert name and len(name) < 4096, "the descriptor has no name"
    assert not flags & socket.MSG_CTRUNC and len(control) == 1, control
    level, kind, data = control[0]
    descriptors = array.array("i", data)
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(descriptors) == 1
    assert connection.recv(1) == b"", "more than one message"
    return name, descriptors[0]


def receive_terminal(listener):
    _, terminal = receive(listener)
    assert os.isatty(terminal)
    return terminal
