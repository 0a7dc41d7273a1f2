"""The host: system calls that computing does not need are refused, and nothing outside its folder can be seen or changed."""

from tests.redteam.attack import Attack, searching, trying, with_code


def calling(name: str, tries: str, **calls: tuple[int | None, int | None]) -> Attack:
    """Return an attack that makes system calls by their numbers (x86_64, aarch64), past the C library.

    A filter refuses before the kernel looks at the arguments, so any other error is a call that got through.
    """
    return Attack(name, tries, searching(f"""
import ctypes
import errno
import platform
LIBC = ctypes.CDLL(None, use_errno=True)
COLUMN = ('x86_64', 'aarch64').index(platform.machine())
for name, numbers in {calls!r}.items():
    if numbers[COLUMN] is not None:
        ctypes.set_errno(0)
        result = LIBC.syscall(numbers[COLUMN], 0, 0, 0, 0, 0, 0)
        if result >= 0 or ctypes.get_errno() != errno.EPERM:
            FOUND.append((name, result, ctypes.get_errno()))
"""))  # fmt: skip


ATTACKS = [
    Attack(
        "opens_sockets",
        "opens sockets of every family: internet, unix, netlink, packets, virtual machines, Bluetooth, encryption",
        searching("""
import socket
for family in range(46):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            FOUND.append(socket.socket(family, kind))
        except OSError:
            pass
"""),
    ),
    Attack(
        "opens_channels",
        "opens what others could listen on: pairs of sockets, terminals, named pipes, shared memory, locks",
        searching(
            "import fcntl, os, socket\nfrom multiprocessing import shared_memory\nHERE = open('lock', 'w')"
            + trying(
                "socket.socketpair()",
                "os.openpty()",
                "os.mkfifo('pipe')",
                "os.memfd_create('x')",
                "os.eventfd(0)",
                "shared_memory.SharedMemory('redteam', True, 10)",
                "open('/dev/shm/redteam', 'w')",
                "open('/dev/tty', 'w')",
                "fcntl.flock(HERE, fcntl.LOCK_EX)",
                "fcntl.lockf(HERE, fcntl.LOCK_EX)",
            )
        ),
    ),
    Attack(
        "signals_others",
        "signals its parent, the first process and everybody",
        searching("""
import os
import signal
for process in {0, 1, -1, 2, os.getppid(), os.getpid() - 1, os.getpid() + 1} - {os.getpid()}:
    for act in (lambda: os.kill(process, 0), lambda: os.killpg(abs(process), 0), lambda: os.pidfd_open(process),
                lambda: os.setpriority(os.PRIO_PROCESS, process, 19)):
        try:
            FOUND.append((process, act()))
        except OSError:
            pass
"""),
    ),
    Attack(
        "writes_everywhere",
        "writes to installed packages, temporary folders, devices and the system, and changes modes and owners there",
        searching(
            "import os, sys, tempfile\nimport numpy\nimport toolbox\nFLAGS = os.O_WRONLY | os.O_APPEND"
            + trying(
                "os.open(numpy.__file__, FLAGS)",
                "os.open(toolbox.__file__, FLAGS)",
                "os.open(os.__file__, os.O_RDWR)",
                "os.utime(toolbox.__file__)",
                "os.chmod(toolbox.__file__, 0o777)",
                "os.link(toolbox.__file__, 'linked')",
                "os.symlink('x', os.path.dirname(toolbox.__file__) + '/redteam')",
                "os.mkdir('/tmp/redteam')",
                "os.mkdir('/redteam')",
                "os.mkdir('@canary@/redteam')",
                "os.open('@canary@/canary', FLAGS)",
                "os.open('/dev/mem', os.O_RDONLY)",
                "os.open('/etc/passwd', os.O_RDONLY)",
                "os.open('/proc/sys/kernel/core_pattern', FLAGS)",
                "os.open('/sys/fs/cgroup', os.O_RDONLY)",
                "os.open('/run', os.O_RDONLY)",
                "os.mkdir('../redteam')",
                "os.rename(__file__, '@canary@/moved')",
                "os.truncate(toolbox.__file__, os.path.getsize(toolbox.__file__))",
            )
        ),
    ),
    Attack(
        "climbs_out",
        "leaves its folder through links, descriptors of folders and long paths",
        searching(
            "import os\nHERE = os.getcwd()\nUP = '/'.join(['..'] * 30)"
            + trying(
                "os.symlink('@canary@', 'way') or open('way/canary').read()",
                "open(UP + '@canary@/canary').read()",
                "os.listdir('@canary@')",
                "os.open('@canary@', os.O_PATH) and os.open('canary', os.O_RDONLY, dir_fd=os.open('@canary@', os.O_PATH))",
                "os.chdir('@canary@') or open('canary').read()",
                "os.chroot('.')",
                "open('/proc/self/root@canary@/canary').read()",
            )
            + "os.chdir(HERE)"
        ),
    ),
    Attack(
        "raises_its_rights",
        "becomes root, takes capabilities, runs set-id programs and loads libraries into them",
        searching(
            "import os, sys"
            + trying(
                "os.setgroups([])",
                "os.setreuid(-1, 0) or os.seteuid(0)",
                "os.execv('/bin/su', ['su'])",
                "os.execve(sys.executable, [sys.executable, '-c', ''], {'LD_PRELOAD': './x.so'})",
                "os.posix_spawn('/bin/sh', ['sh', '-c', 'true'], {})",
                "os.chroot('/')",
            )
        ),
    ),
    Attack(
        "loads_a_library",
        "writes a shared library into its folder and has the loader map it",
        with_code("""
import ctypes
import glob
for _library in glob.glob('/usr/lib/*/libm.so.6') + glob.glob('/lib/*/libm.so.6'):
    open('mine.so', 'wb').write(open(_library, 'rb').read())
    try:
        ctypes.CDLL('./mine.so').abs
    except (OSError, AttributeError):
        pass
"""),
    ),
    Attack(
        "calls_an_older_machine",
        "calls the kernel as a 32-bit program does, past a filter that knows 64-bit numbers only",
        with_code("""
import ctypes
import mmap
_memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_memory.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, getpid; int 0x80; ret
_call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(_memory)))
adam = lambda *args: _call()
"""),
        {"adam"},
        "ended the process",
    ),
    calling("calls_keys", "keeps secrets for others in the kernel's keyrings",
            add_key=(248, 217), request_key=(249, 218), keyctl=(250, 219)),
    calling("calls_into_processes", "traces, reads, writes and compares other processes, and takes their descriptors",
            ptrace=(101, 117), process_vm_readv=(310, 270), process_vm_writev=(311, 271), kcmp=(312, 272),
            pidfd_open=(434, 434), pidfd_getfd=(438, 438), pidfd_send_signal=(424, 424), process_madvise=(440, 440),
            tkill=(200, 130), rt_sigqueueinfo=(129, 138), move_pages=(279, 239), get_mempolicy=(239, 236)),
    calling("calls_mounts", "mounts, pivots, changes its root and opens files by handle",
            mount=(165, 40), umount2=(166, 39), pivot_root=(155, 41), chroot=(161, 51), open_tree=(428, 428),
            move_mount=(429, 429), fsopen=(430, 430), fsmount=(432, 432), mount_setattr=(442, 442),
            name_to_handle_at=(303, 264), open_by_handle_at=(304, 265), swapon=(167, 224), quotactl=(179, 60)),
    calling("calls_namespaces", "enters and makes namespaces", unshare=(272, 97), setns=(308, 268)),
    calling("calls_shared_memory", "shares memory, semaphores and messages with whoever knows the key",
            shmget=(29, 194), shmat=(30, 196), shmctl=(31, 195), semget=(64, 190), semop=(65, 193), msgget=(68, 186),
            msgsnd=(69, 189), mq_open=(240, 180), mq_unlink=(241, 181), memfd_create=(319, 279), memfd_secret=(447, 447)),
    calling("calls_sockets", "makes sockets and sends on the one it has, descriptors included",
            socket=(41, 198), socketpair=(53, 199), bind=(49, 200), listen=(50, 201), accept=(43, 202), connect=(42, 203),
            sendto=(44, 206), sendmsg=(46, 211), recvmsg=(47, 212), sendmmsg=(307, 269), shutdown=(48, 210)),
    calling("calls_the_new_and_the_rare", "uses the parts of the kernel in which most holes were found",
            io_uring_setup=(425, 425), io_uring_enter=(426, 426), io_uring_register=(427, 427), bpf=(321, 280),
            perf_event_open=(298, 241), userfaultfd=(323, 282), seccomp=(317, 277), fanotify_init=(300, 262),
            inotify_init1=(294, 26), epoll_create1=(291, 20), timerfd_create=(283, 85), signalfd4=(289, 74),
            eventfd2=(290, 19), io_setup=(206, 0), vmsplice=(278, 75), splice=(275, 76), tee=(276, 77),
            landlock_create_ruleset=(444, 444), modify_ldt=(154, None), iopl=(172, None), lookup_dcookie=(212, 18)),
    calling("calls_the_administrator", "loads modules, sets clocks and names, reboots, reads the kernel's log",
            init_module=(175, 105), finit_module=(313, 273), delete_module=(176, 106), kexec_load=(246, 104),
            syslog=(103, 116), settimeofday=(164, 170), clock_settime=(227, 112), adjtimex=(159, 171),
            sethostname=(170, 161), setdomainname=(171, 162), acct=(163, 89), personality=(135, 92)),
    calling("calls_for_rights", "changes its user, groups, capabilities and session",
            setuid=(105, 146), setgid=(106, 144), setresuid=(117, 147), setresgid=(119, 149), setfsuid=(122, 151),
            setgroups=(116, 159), capset=(126, 91), setsid=(112, 157), setpgid=(109, 154), sched_setaffinity=(203, 122),
            sched_setscheduler=(144, 119), setpriority=(141, 140), ioprio_set=(251, 30), setrlimit=(160, 164)),
    calling("calls_for_files", "changes modes, owners, times and attributes of files, and makes links and devices",
            chmod=(90, None), fchmodat=(268, 53), chown=(92, None), fchownat=(260, 54), utimensat=(280, 88),
            setxattr=(188, 5), link=(86, None), linkat=(265, 37), symlink=(88, None), symlinkat=(266, 36),
            mknod=(133, None), mknodat=(259, 33), flock=(73, 32), execve=(59, 221), execveat=(322, 281)),
]  # fmt: skip
