"""A network of the benchmark's own, TCP cubic in it, and cores that a build beside it does not take.

bbr, which some machines have by default, paces with timers, and so distorts large messages on
loopback.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40
_IPV4 = '/proc/sys/net/ipv4/'


def _read(path):
    with open(path, encoding='ascii') as file:
        return file.read().strip()


def _write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


def _unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _enter_namespace():
    if os.geteuid() == 0:
        _unshare(_CLONE_NEWNET)
        return
    uid, gid = os.getuid(), os.getgid()
    _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    _write('/proc/self/setgroups', 'deny')
    _write('/proc/self/uid_map', f'0 {uid} 1')
    _write('/proc/self/gid_map', f'0 {gid} 1')


def _bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack('16sh14x', b'lo', _IFF_UP_RUNNING))


def _open_allowed():
    """The list of algorithms that a namespace may choose is the whole machine's: where cubic is not
    on it, it is added for the moment of choosing. Returns what to put back, (descriptor, list),
    or None."""
    path = _IPV4 + 'tcp_allowed_congestion_control'
    allowed = _read(path)
    if 'cubic' in allowed.split():
        return None
    fd = os.open(path, os.O_WRONLY)  # kept open: within the namespace it could not be opened
    os.pwrite(fd, (allowed + ' cubic').encode(), 0)
    return fd, allowed


def own_network():
    """Moves this process into a network namespace with loopback and cubic. Returns what came of it,
    in words."""
    notes, restore = [], None
    try:
        restore = _open_allowed()
    except OSError as error:
        notes.append(f'cubic is not allowed to namespaces here ({error.strerror})')
    try:
        _enter_namespace()
        _bring_loopback_up()
        notes.insert(0, 'own network namespace')
        _write(_IPV4 + 'tcp_no_metrics_save', '1')  # no run inherits what an earlier one learned
        _write(_IPV4 + 'tcp_congestion_control', 'cubic')
    except OSError as error:
        notes.append(f'network not isolated as wanted ({error.strerror}): '
                     'the figures of large messages may be distorted')
    if restore:
        fd, allowed = restore
        os.pwrite(fd, allowed.encode(), 0)
        os.close(fd)
    notes.append('TCP ' + _read(_IPV4 + 'tcp_congestion_control'))
    return ', '.join(notes)


def raise_priority():
    """A session, and so a scheduling group, of its own, before those of builds and editors
    (sched(7), autogroup): plain niceness counts only within a group. Returns what came of it, in
    words."""
    try:
        if os.getsid(0) != os.getpid():
            child = os.fork()
            if child:  # the parent only passes on how it ended
                _wait_for(child)
            end_with_parent(signal.SIGINT)
            os.setsid()
        _write('/proc/self/autogroup', '-15')
        return 'priority raised'
    except OSError as error:
        return f'ordinary priority ({error.strerror})'


def end_with_parent(with_signal):
    """The kernel sends this process the signal when its parent ends (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(with_signal))


def _wait_for(child):
    while True:
        try:
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)
        except KeyboardInterrupt:
            os.kill(child, signal.SIGINT)  # it is in another session, and hears no Ctrl-C


def cores(wanted):
    """The cores of server and client; raises ValueError where they cannot be had."""
    available = sorted(os.sched_getaffinity(0))
    if wanted:
        try:
            server, client = (int(core) for core in wanted.split(','))
        except ValueError:
            raise ValueError(f"--cores '{wanted}' is not SERVER,CLIENT, as in 0,1") from None
        if server not in available or client not in available:
            raise ValueError(f"--cores '{wanted}': this process may use {available}")
        return server, client
    return available[0], available[1 % len(available)]
