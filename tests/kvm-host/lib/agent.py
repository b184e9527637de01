# SPDX-License-Identifier: Apache-2.0
"""Process 1 of the emulated host: runs commands for the supervisor outside.

Each command gets a session and a cgroup of its own; the latter is what makes
sure that all of it can be killed.
"""

import errno
import fcntl
import os
import resource
import select
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import channel as ch  # pylint: disable=wrong-import-position

PORTS = "/sys/class/virtio-ports"
PORT_NAME = "bulkhead.kvm-host"
CGROUPS = "/sys/fs/cgroup"
PIPE_SIZE = 1 << 20
OPEN_FILES = (1024, 1 << 20)  # soft and hard limit
DEFAULT_ENV = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL": "/bin/bash",
    "TERM": "dumb",
    "USER": "root",
}


class Run:
    """One command: its processes and its three streams."""

    def __init__(self, port, number, request):
        self.port, self.number = port, number
        self.cgroup = f"{CGROUPS}/run-{number}"
        os.mkdir(self.cgroup)
        stdin, to_stdin = self._pipe()
        from_stdout, stdout = self._pipe()
        from_stderr, stderr = self._pipe()
        self.pid = os.fork()
        if not self.pid:
            self._become(request, stdin, stdout, stderr)
        for fd in (stdin, stdout, stderr):
            os.close(fd)
        for fd in (to_stdin, from_stdout, from_stderr):
            os.set_blocking(fd, False)
        self.stdin = ch.Sink(port, number, ch.STDIN, to_stdin)
        self.outputs = {
            ch.STDOUT: ch.Source(port, number, ch.STDOUT, from_stdout),
            ch.STDERR: ch.Source(port, number, ch.STDERR, from_stderr),
        }

    @staticmethod
    def _pipe():
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        return reader, writer

    def _become(self, request, stdin, stdout, stderr):
        """In the child: turn into the command. Exit codes of failures are those of env(1)."""
        code, subject = 125, request["cwd"]
        try:
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.setsid()
            write_file(f"{self.cgroup}/cgroup.procs", "0")
            reset_signals()
            resource.setrlimit(resource.RLIMIT_NOFILE, OPEN_FILES)
            if request["cwd_required"] or os.path.isdir(request["cwd"]):
                os.chdir(request["cwd"])
            code, subject = 126, request["argv"][0]
            env = {**DEFAULT_ENV, **request["env"]}
            os.environ["PATH"] = env["PATH"]  # where execvpe looks
            os.execvpe(request["argv"][0], request["argv"], env)
        except OSError as error:
            if code == 126 and error.errno == errno.ENOENT:
                code = 127
            os.write(2, os.fsencode(f"kvm-host: {subject}: {error.strerror}\n"))
        finally:
            os._exit(code)

    def kill(self, number):
        """Send a signal to the process group; SIGKILL to all that descends from it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass  # not yet the leader of a group
        if number == signal.SIGKILL:
            write_file(f"{self.cgroup}/cgroup.kill", "1")

    def finish(self, exit_code):
        """The command ended: send what it wrote, and how it ended."""
        self.stdin.close()
        for source in self.outputs.values():
            source.finish()
        self.port.send(ch.EXIT, self.number, ch.NUMBER.pack(exit_code))


class Agent:
    """The loop around the port and the runs."""

    def __init__(self):
        self.port = ch.Channel(open_port())
        self.runs = {}  # by number
        self.old_cgroups = set()
        self.wakeup, signal_writer = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(signal_writer, False)
        signal.set_wakeup_fd(signal_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self):
        self.port.send(ch.HELLO, 0)
        while not self.port.closed:
            self.port.flush()
            for fd, handle in self._wait():
                if fd == self.wakeup:
                    self._reap()
                else:
                    handle()

    def _wait(self):
        """Wait for events. Returns what is ready: file descriptor and what to call."""
        poll = select.poll()
        handles = {self.wakeup: None, self.port.fd: self._on_port}
        poll.register(self.wakeup, select.POLLIN)
        full = self.port.wants_write()
        poll.register(self.port.fd, select.POLLIN | (select.POLLOUT if full else 0))
        for run in self.runs.values():
            if run.stdin.wants_write():
                handles[run.stdin.fd] = run.stdin.pump
                poll.register(run.stdin.fd, select.POLLOUT)
            for source in run.outputs.values():
                if source.wants_read() and not full:
                    handles[source.fd] = source.pump
                    poll.register(source.fd, select.POLLIN)
        return [(fd, handles[fd]) for fd, _ in poll.poll()]

    def _on_port(self):
        for kind, number, payload in self.port.receive():
            if kind == ch.START:
                self._start(number, ch.unpack_request(payload))
            elif number in self.runs:
                self._on_frame(self.runs[number], kind, payload)

    def _start(self, number, request):
        try:
            self.runs[number] = Run(self.port, number, request)
        except OSError as error:
            self.port.send(ch.STDERR, number, f"kvm-host: cannot start: {error}\n".encode())
            self.port.send(ch.EXIT, number, ch.NUMBER.pack(125))

    @staticmethod
    def _on_frame(run, kind, payload):
        if kind == ch.STDIN:
            run.stdin.feed(payload)
        elif kind == ch.CREDIT:
            stream, count = ch.CREDIT_BODY.unpack(payload)
            run.outputs[stream].grant(count)
        elif kind == ch.SIGNAL:
            run.kill(ch.NUMBER.unpack(payload)[0])
        elif kind == ch.KILL:
            run.kill(signal.SIGKILL)
            for source in run.outputs.values():
                source.close()

    def _reap(self):
        """Collect every child that ended, adopted ones included."""
        os.read(self.wakeup, 512)
        pid = -1
        while pid:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            for run in [run for run in self.runs.values() if run.pid == pid]:
                code = os.waitstatus_to_exitcode(status)
                run.finish(code if code >= 0 else 128 - code)
                self._forget(run)

    def _forget(self, run):
        """Drop a run, and the cgroups of it and earlier ones in which nothing is left."""
        del self.runs[run.number]
        self.old_cgroups.add(run.cgroup)
        self.old_cgroups = {path for path in self.old_cgroups if not removed(path)}


def write_file(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def open_port():
    """Open the port to the supervisor; it appears a while after its driver."""
    while True:
        for name in os.listdir(PORTS):
            with open(f"{PORTS}/{name}/name", encoding="ascii") as file:
                if file.read().strip() == PORT_NAME:
                    return os.open(f"/dev/{name}", os.O_RDWR)
        time.sleep(0.01)


def removed(cgroup):
    """Remove a cgroup; something left in the background may still live in it."""
    try:
        os.rmdir(cgroup)
    except OSError:
        return False
    return True


def reset_signals():
    """Undo what Python did to signals."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    Agent().serve()
