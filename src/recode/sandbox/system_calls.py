"""The filter of system calls that every sandboxed program runs under, made by libseccomp and installed in the program's process.

It refuses what no program of ours needs and what has led out of namespaces before: making namespaces, mounting, tracing, keys, bpf, io_uring,
userfaultfd, shared memory that no limit counts, and every socket that is not a local one.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import functools
import tempfile

from recode.errors import SandboxError

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_AF_UNIX = 1
_NEW_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)

REFUSED = (
    "acct add_key adjtimex bpf chroot clock_adjtime clock_settime create_module delete_module fanotify_init finit_module fsconfig fsmount "
    "fsopen fspick get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl "
    "lookup_dcookie mbind memfd_create memfd_secret migrate_pages mknod mknodat mount mount_setattr move_mount move_pages mq_getsetattr "
    "mq_notify "
    "mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd name_to_handle_at nfsservctl open_by_handle_at open_tree "
    "perf_event_open personality pidfd_getfd pidfd_open pidfd_send_signal pivot_root process_madvise process_mrelease process_vm_readv "
    "process_vm_writev ptrace quotactl quotactl_fd reboot request_key semctl semget semop semtimedop set_mempolicy setdomainname "
    "sethostname setns "
    "settimeofday shmat shmctl shmdt shmget swapoff swapon sysfs syslog umount umount2 unshare uselib userfaultfd vhangup vmsplice"
).split()
"""Calls refused with EPERM whatever their arguments."""


class _Compare(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@functools.cache
def filter_program() -> bytes:
    """Return the filter as a BPF program for this machine's architecture; another architecture's calls kill the caller.

    Raises:
        SandboxError: libseccomp is not there, or refuses a rule.
    """
    name = ctypes.util.find_library("seccomp")
    if name is None:
        raise SandboxError("libseccomp is not installed (Debian, Ubuntu: apt install libseccomp2)")
    library = ctypes.CDLL(name)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    if not context:
        raise SandboxError("libseccomp could not make a filter")
    try:
        for call in REFUSED:
            _refuse(library, context, call, errno.EPERM)
        # The C library falls back on clone, whose flags can be seen.
        _refuse(library, context, "clone3", errno.ENOSYS)
        for flag in _NEW_NAMESPACES:
            _refuse(library, context, "clone", errno.EPERM, _Compare(0, _MASKED_EQUAL, flag, flag))
        for call in ("socket", "socketpair"):
            _refuse(library, context, call, errno.EACCES, _Compare(0, _NOT_EQUAL, _AF_UNIX, 0))
        with tempfile.TemporaryFile() as file:
            if library.seccomp_export_bpf(context, file.fileno()):
                raise SandboxError("libseccomp could not write its filter")
            file.seek(0)
            return file.read()
    finally:
        library.seccomp_release(context)


def _refuse(library: ctypes.CDLL, context: ctypes.c_void_p, call: str, error: int, *compared: _Compare) -> None:
    number = library.seccomp_syscall_resolve_name(call.encode())
    if number < 0:
        # Negative: this architecture, or this version of libseccomp, does not have the call.
        return
    given = (_Compare * max(1, len(compared)))(*compared)
    action = ctypes.c_uint32(_ERRNO | error)
    if library.seccomp_rule_add_array(context, action, number, ctypes.c_uint(len(compared)), given):
        raise SandboxError(f"libseccomp refused the rule for {call}")
