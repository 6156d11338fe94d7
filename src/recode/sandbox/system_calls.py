"""The system call filter of all sandboxed programs, built with libseccomp and installed in the program's process.

It refuses calls that sandboxed programs do not need and that have been used to escape from namespaces: creating namespaces, mounting,
tracing, keys, bpf, io_uring, userfaultfd, shared memory that no limit counts, and all sockets but local ones.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import functools
import stat
import tempfile

from recode.errors import SandboxError

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_AF_UNIX = 1
_NEW_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)

REFUSED = (
    "acct add_key adjtimex bpf chroot clock_adjtime clock_settime create_module delete_module fanotify_init finit_module fsconfig "
    "fsmount fsopen fspick get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load "
    "kexec_load keyctl listmount lookup_dcookie lsm_set_self_attr mbind memfd_create memfd_secret migrate_pages mknod mknodat "
    "modify_ldt mount mount_setattr move_mount move_pages mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl "
    "msgget msgrcv msgsnd name_to_handle_at nfsservctl open_by_handle_at open_tree open_tree_attr perf_event_open personality "
    "pidfd_getfd pidfd_open pidfd_send_signal pivot_root process_madvise process_mrelease process_vm_readv process_vm_writev ptrace "
    "quotactl quotactl_fd reboot request_key semctl semget semop semtimedop set_mempolicy set_mempolicy_home_node setdomainname "
    "sethostname setns settimeofday shmat shmctl shmdt shmget statmount swapoff swapon sysfs syslog umount umount2 unshare uselib "
    "userfaultfd vhangup vmsplice"
).split()
"""Calls refused with EPERM, whatever their arguments."""


_MODES = (
    ("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2), ("creat", 1), ("open", 2), ("openat", 3), ("mkdir", 1), ("mkdirat", 2),
)  # fmt: skip
"""Calls that set a file's mode, with the index of that argument: no file may become set-user-id or set-group-id."""
_NUMBERS = {
    "fchmodat2": 452, "statmount": 457, "listmount": 458, "lsm_set_self_attr": 460, "setxattrat": 463, "removexattrat": 466,
    "open_tree_attr": 467, "file_setattr": 469,
}  # fmt: skip
"""Calls that older libseccomp releases do not know by name. Their numbers are the same on every architecture."""
_OF_SHARED_FILES = (
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr "
    "fremovexattr removexattrat utime utimes utimensat futimesat file_setattr"
).split()
_OF_PROCESSES = {
    "prlimit64": 0,
    "setpriority": 1,
    "sched_setaffinity": 0,
    "sched_setscheduler": 0,
    "sched_setparam": 0,
    "sched_setattr": 0,
    "setpgid": 0,
}
"""Calls that act on a process, with the index of the argument that names it; a value of 0 is the caller itself."""


class _Compare(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@functools.cache
def filter_program(shares_files: bool = False, one_session: bool = False) -> bytes:
    """Return the filter as a BPF program for this machine's architecture; calls of any other architecture kill the caller.

    Args:
        shares_files: whether the program sees the host's files and processes. If so, it may not change the permissions, owners, times or
            extended attributes of files, affect other processes, or connect to sockets that have a path.
        one_session: whether starting a session is refused; the kernel would give a new session its own full share of the cores.

    Raises:
        SandboxError: libseccomp is not installed, or refuses a rule.
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
        # The C library then falls back to clone, whose flags the filter can inspect.
        _refuse(library, context, "clone3", errno.ENOSYS)
        for flag in _NEW_NAMESPACES:
            _refuse(library, context, "clone", errno.EPERM, _Compare(0, _MASKED_EQUAL, flag, flag))
        for call in ("socket", "socketpair"):
            _refuse(library, context, call, errno.EACCES, _Compare(0, _NOT_EQUAL, _AF_UNIX, 0))
        for call, argument in _MODES:
            for bit in (stat.S_ISUID, stat.S_ISGID):
                _refuse(library, context, call, errno.EPERM, _Compare(argument, _MASKED_EQUAL, bit, bit))
        if one_session:
            _refuse(library, context, "setsid", errno.EPERM)
        if shares_files:
            for call in _OF_SHARED_FILES:
                _refuse(library, context, call, errno.EPERM)
            for call in _OF_PROCESSES:
                _refuse(library, context, call, errno.EPERM, _Compare(_OF_PROCESSES[call], _NOT_EQUAL, 0, 0))
            _refuse(library, context, "socket", errno.EACCES)
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
        number = _NUMBERS.get(call, number)
    if number < 0:
        # Negative: this architecture or this libseccomp release does not have the call.
        return
    given = (_Compare * max(1, len(compared)))(*compared)
    action = ctypes.c_uint32(_ERRNO | error)
    if library.seccomp_rule_add_array(context, action, number, ctypes.c_uint(len(compared)), given):
        raise SandboxError(f"libseccomp refused the rule for {call}")
