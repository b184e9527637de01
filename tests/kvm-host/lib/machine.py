# SPDX-License-Identifier: Apache-2.0
"""The machine: QEMU, the virtiofsd that gives it this machine's files, and its initramfs.

All of it is made of inherited file descriptors, so that there is nothing to
clean up in the file system, and of direct children that die with their parent.
"""

import ctypes
import glob
import os
import re
import resource
import shlex
import signal
import socket
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
QEMU = "qemu-system-x86_64"
BUSYBOX = "/bin/busybox"
# Needed before the root is there, with their parameters. The rest is loaded on demand.
MODULES = (("virtio_pci", ""), ("virtio_console", ""), ("virtiofs", ""), ("overlay", ""),
           ("kvm_amd", "nested=0"))
# TCG runs `rep movsb` byte by byte: without ERMS, Linux and libc copy in larger pieces.
CPU = "max,+svm,+npt,-la57,-erms,-fsrm"
# Crypto self-tests are 40 % of the kernel's start. The TSC is sound but Linux does not know.
KERNEL_ARGS = "console=ttyS0 quiet panic=-1 reboot=t apparmor=0 cryptomgr.notests tsc=reliable"
OPEN_FILES = 1 << 20

PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x4000 | 0x40000
SYS_MOUNT_SETATTR = 442
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY = 1

libc = ctypes.CDLL(None, use_errno=True)


class MachineError(Exception):
    """The machine cannot be built here; the text says why."""


class Mode:
    """What `fast` and `counting` mean."""

    def __init__(self, qemu_args, kernel_args, file_cache_seconds, freeze):
        self.qemu_args = qemu_args
        self.kernel_args = f"{KERNEL_ARGS} {kernel_args}".strip()
        # After so many seconds a changed file is noticed. A count must not depend on it.
        self.file_cache_seconds = file_cache_seconds
        # With sleep=off idle time passes at full speed, so stop QEMU when nothing runs.
        self.freeze = freeze


# A fifth of the instructions of a container: against processors that are not there, against bugs
# of this kernel, and to wait politely. What is counted is counted on a kernel with its defaults.
FAST_KERNEL_ARGS = "mitigations=off nokaslr init_on_alloc=0 rcupdate.rcu_expedited=1"

MODES = {
    "fast": Mode(["-accel", "tcg,thread=multi"], FAST_KERNEL_ARGS, 1, False),
    "counting": Mode(["-accel", "tcg", "-icount", "shift=0,sleep=off"], "", 86400, True),
}


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def die_with(parent):
    """In a new child: end when its parent ends, which may have happened already."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def make_all_read_only():
    """In virtiofsd: whatever the host inside does, it cannot write to this machine."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None), "mount --make-rprivate")
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    check(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, attributes,
                       ctypes.sizeof(attributes)), "mount_setattr")


def raise_open_files():
    """In virtiofsd: it holds a file descriptor for every inode the host inside knows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def find_kernel():
    """Path and release of the newest kernel, a cloud kernel if there is one."""
    def version(path):
        return ["cloud" in path, [int(number) for number in re.findall(r"\d+", path)]]
    kernels = sorted(glob.glob("/boot/vmlinuz-*-amd64"), key=version)
    if not kernels:
        raise MachineError("no /boot/vmlinuz-*-amd64: install linux-image-cloud-amd64")
    return kernels[-1], kernels[-1][len("/boot/vmlinuz-"):]


def find_modules(release):
    """Files of MODULES and what they depend on, in order, each with its parameters."""
    files = {}
    for module, parameters in MODULES:
        shown = subprocess.run(["modprobe", "--show-depends", "-S", release, module],
                               check=True, capture_output=True, text=True).stdout
        paths = [line.split()[1] for line in shown.splitlines() if line.startswith("insmod ")]
        for path in paths:
            files.setdefault(path, "")
        if paths:
            files[paths[-1]] = parameters
    return files


class Archive:
    """A cpio archive in "newc" format (kernel: driver-api/early-userspace/buffer-format)."""

    def __init__(self):
        self.data = bytearray()
        self._inode = 0

    def add(self, name, mode, content=b""):
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._pad()
        self.data += content
        self._pad()

    def add_file(self, name, path):
        with open(path, "rb") as file:
            self.add(name, 0o100755, file.read())

    def finish(self):
        self.add("TRAILER!!!", 0)
        return self.data

    def _pad(self):
        self.data += bytes(-len(self.data) % 4)


def build_initramfs(release):
    """The initramfs as bytes: busybox, the modules and `init` with its settings."""
    archive = Archive()
    for directory in ("bin", "proc", "sys", "dev", "modules", "lower", "upper", "root"):
        archive.add(directory, 0o40755)
    archive.add_file("bin/busybox", BUSYBOX)
    archive.add_file("init", f"{HERE}/init")
    order = []
    for path, parameters in find_modules(release).items():
        name = f"modules/{os.path.basename(path)}"
        archive.add_file(name, path)
        order.append(f"/{name} {parameters}\n")
    archive.add("modules/order", 0o100644, "".join(order).encode())
    settings = f"TREE={shlex.quote(TREE)}\nAGENT={shlex.quote(HERE + '/agent.py')}\n"
    archive.add("settings", 0o100644, settings.encode())
    return archive.finish()


def memory_file(name, data):
    fd = os.memfd_create(name)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    return fd


class Machine:
    """A started machine.

    port: our end of the agent's virtio-serial port; console: what the kernel,
    QEMU and virtiofsd print; processes: all of which must live.
    """

    def __init__(self, mode, memory, cpus):
        kernel, release = find_kernel()
        self.mode = MODES[mode]
        self.console, output = os.pipe()
        files, self._virtiofsd = self._start_virtiofsd(output)
        self.port, port = socket.socketpair()
        initramfs = memory_file("initramfs", build_initramfs(release))
        command = [
            QEMU, "-M", "q35", *self.mode.qemu_args, "-cpu", CPU, "-smp", str(cpus),
            "-m", str(memory), "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on",
            "-numa", "node,memdev=ram", "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-serial", "stdio",
            "-chardev", f"socket,id=files,fd={files.fileno()}",
            "-device", "vhost-user-fs-pci,chardev=files,tag=root,queue-size=1024",
            "-chardev", f"socket,id=agent,fd={port.fileno()}", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=agent,name=bulkhead.kvm-host",
            "-kernel", kernel, "-initrd", f"/proc/self/fd/{initramfs}",
            "-append", self.mode.kernel_args,
        ]
        parent = os.getpid()
        self._qemu = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            pass_fds=(files.fileno(), port.fileno(), initramfs),
            preexec_fn=lambda: die_with(parent))
        files.close()
        port.close()
        os.close(initramfs)
        os.close(output)
        self.processes = (self._qemu, self._virtiofsd)
        self._frozen = False

    def _start_virtiofsd(self, output):
        """Start virtiofsd. Returns a connection to it and its process."""
        parent = os.getpid()

        def prepare():
            die_with(parent)
            make_all_read_only()
            raise_open_files()

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("")
            listener.listen(1)
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(listener.getsockname())
            timeout = f"-otimeout={self.mode.file_cache_seconds}"
            process = subprocess.Popen(
                [VIRTIOFSD, f"--fd={listener.fileno()}", "-f", "-osource=/", "-osandbox=chroot",
                 "-ocache=always", timeout, "-olog_level=err", "--rlimit-nofile=0"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=(listener.fileno(),), preexec_fn=prepare)
        return connection, process

    def freeze(self, frozen):
        """Stop or continue the machine where its mode wants that."""
        if self.mode.freeze and frozen != self._frozen:
            self._frozen = frozen
            self._qemu.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
