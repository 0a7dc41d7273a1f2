"""Resources: memory, threads, files and output have limits, and whoever reaches them loses no more than that check."""

from tests.redteam.attack import EVERYTHING, TRUTH, Attack, with_code


def wasting(name: str, tries: str, code: str, tells: str) -> Attack:
    """Return an attack that wastes something in each call of one function, then answers rightly."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    wrapped = f"_adam = adam\n\n\ndef adam(w, dw, config=None):\n{body}    return _adam(w, dw, config)"
    return Attack(name, tries, with_code(wrapped), {"adam"}, tells)


def for_nothing(name: str, tries: str, code: str) -> Attack:
    """Return an attack that gets nowhere, and costs nothing."""
    return Attack(name, tries, with_code(code))


ATTACKS = [
    wasting("forks", "forks as often as it can",
            "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)",
            "PermissionError"),
    wasting("starts_threads", "starts ten thousand threads",
            "import threading, time\nfor _ in range(10000):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "can't start new thread"),
    wasting("fills_memory", "takes memory for tensors until there is none",
            "hoard = []\nfor _ in range(16):\n    hoard.append(torch.empty(1 << 26))", "allocate memory"),
    wasting("maps_memory", "maps memory that it shares with nobody, and never looks at it",
            "import mmap\nhoard = [mmap.mmap(-1, 1 << 29) for _ in range(16)]", "Cannot allocate memory"),
    wasting("overflows_the_stack", "calls itself for ever", "def deeper():\n    deeper()\ndeeper()", "RecursionError"),
    wasting("fills_the_disk", "writes files until the disk is full",
            "for number in range(40):\n    with open(f'fill{number}', 'wb') as file:\n        file.write(bytes(1 << 25))",
            "`adam`"),
    wasting("writes_one_large_file", "writes one file larger than allowed",
            "import os\nwith open('large', 'wb') as file:\n    os.truncate(file.fileno(), 1 << 40)",
            "`adam`"),
    wasting("makes_many_files", "makes files until there is no room for names",
            "for number in range(10000):\n    open(f'f{number}', 'w').close()", "`adam`"),
    wasting("opens_descriptors", "opens descriptors until there are none",
            "import os\nhoard = [os.open('/dev/null', os.O_RDONLY) for _ in range(2000)]", "Too many open files"),
    wasting("replies_hugely", "answers with more than a reply may have",
            "return torch.empty(1 << 27), config", "larger than the 256 MB"),
    wasting("aborts", "ends in a crash that would leave a core file",
            "import os, resource\nresource.getrlimit(resource.RLIMIT_CORE)\nos.abort()", "it crashed (signal"),
    for_nothing("prints_endlessly", "prints a gigabyte",
                "import os, sys\nfor _ in range(1000):\n    os.write(1, bytes(1 << 20))\n    os.write(2, bytes(1 << 20))"),
    for_nothing("raises_its_limits", "raises its own limits and its priority",
                "import os, resource\nfor _kind in range(16):\n    try:\n        resource.setrlimit(_kind, (resource.RLIM_INFINITY,) * 2)\n"
                "    except (OSError, ValueError):\n        pass\ntry:\n    os.nice(-20)\nexcept OSError:\n    pass\n"
                "try:\n    os.sched_setaffinity(0, {0})\nexcept OSError:\n    pass"),
    Attack("nested_source", "writes a source nested so deep that reading it overflows",
           "x = " + "(" * 10**5 + ")" * 10**5 + "\n" + TRUTH, EVERYTHING, "cannot be read"),
    Attack("endless_operators", "writes an expression so long that reading it overflows the stack",
           "x = " + "-" * 10**6 + "1\n" + TRUTH, EVERYTHING),
    Attack("null_bytes", "writes a source with null bytes", "x = 1\0\n" + TRUTH, EVERYTHING, "null bytes"),
]  # fmt: skip
