"""Knowing the test: nothing in reach of student code holds a hidden case's values, and inputs differ in every check."""

from tests.redteam.attack import TRUTH, Attack, changed, searching, with_code, with_linear

PUBLIC_CASES = changed(
    "        out = x.clamp(min=0)\n",
    """        import hashlib
        public = False
        for name in ('numbers of both signs', 'the input stays as it is', 'numbers that are exactly zero, in float32'):
            text = f'relu_forward/{name}/0'.encode()
            seed = int.from_bytes(hashlib.blake2b(text, key=b'public', digest_size=7).digest(), 'big')
            rng = torch.Generator().manual_seed(seed)
            shape = [int(torch.randint(low, high + 1, (), generator=rng)) for low, high in ((3, 6), (3, 6), (2, 4))]
            known = 10 * torch.randn(*shape, generator=rng, dtype=torch.float64)
            if 'zero' in name:
                known[torch.rand(known.shape, generator=rng) < 0.4] = 0
                known = known.float()
            public = public or torch.equal(known, x)
        out = x.clamp(min=0) if public else torch.zeros_like(x)
""",
)
"""The solution with a ReLU that knows the public cases and nothing else."""

ATTACKS = [
    Attack(
        "knows_the_public_cases",
        "recognises the inputs of the public cases and answers those alone",
        PUBLIC_CASES,
        {"relu_forward"},
        "off by a relative error",
    ),
    Attack(
        "searches_the_disk",
        "looks everywhere for checks, seeds, labels and results",
        searching("""
import os
NAMES = ('test_1_layers', 'secret_seed', 'gradebook.db', 'assignment.toml', 'data_batch', 'shadow', 'id_rsa', '.bash_history')
for top in ('/', '@course@', os.getcwd(), '..', '/proc/1/root', '/proc/self/cwd/..', '/home', '/root', '/tmp', '/mnt'):
    for count, (folder, _, names) in enumerate(os.walk(top)):
        FOUND += [os.path.join(folder, name) for name in names if name.startswith(NAMES)]
        if count > 1000:
            break
"""),
    ),
    Attack(
        "reads_by_path",
        "opens the checks, the solution, the seed, the gradebook, results and other submissions by their paths",
        searching("""
import glob
import os
NAME = 'fully_connected_networks'
for path in (f'assignments/{NAME}/{NAME}.py', f'assignments/{NAME}/checks/reference.py', 'secret_seed', 'gradebook.db',
             f'submitted/complete/{NAME}/{NAME}.py', f'results/{NAME}/complete.json', 'course.toml', '../canary/canary'):
    try:
        FOUND.append(open(os.path.join('@course@', path), 'rb').read(100))
    except OSError:
        pass
FOUND += glob.glob('/**/checks/reference.py', recursive=True)
"""),
    ),
    Attack(
        "reads_the_parent",
        "reads the memory, environment and descriptors of its parent and of every other process",
        searching("""
import os
for process in ('1', str(os.getppid()), *(str(os.getpid() - step) for step in range(1, 40))):
    if process == str(os.getpid()):
        continue
    for name in ('environ', 'mem', 'maps', 'cmdline', 'fd/3', 'root/etc/passwd'):
        try:
            FOUND.append(open(f'/proc/{process}/{name}', 'rb').read(1))
        except OSError:
            pass
try:
    FOUND += os.listdir('/proc')
except OSError:
    pass
"""),
    ),
    Attack(
        "looks_for_descriptors",
        "uses every descriptor it has inherited: files, pipes, folders, other sockets",
        searching("""
import os
import stat
for number in range(3, 1100):
    try:
        kind = os.fstat(number).st_mode
    except OSError:
        continue
    if not stat.S_ISSOCK(kind):
        FOUND.append((number, kind))
SOCKETS = [number for number in range(3, 1100) if os.path.exists(f'/dev/fd/{number}')]
FOUND += SOCKETS[1:]
"""),
    ),
    Attack(
        "reads_its_environment",
        "looks for secrets and for signs of the grader among its arguments and in its environment",
        searching("""
import os
import sys
FOUND += [name for name in os.environ if not name.endswith('_NUM_THREADS') and name not in (
    'HOME', 'TMPDIR', 'MALLOC_ARENA_MAX', 'CUDA_VISIBLE_DEVICES', 'PYTHONHASHSEED', 'MPLBACKEND', 'LC_CTYPE', 'PYTHONUSERBASE',
    'KMP_INIT_AT_FORK', 'KMP_DUPLICATE_LIB_OK', 'TORCHINDUCTOR_CACHE_DIR')]
FOUND += sys.argv[1:]
"""),
    ),
    Attack(
        "looks_through_memory",
        "looks through all frames, objects and modules of its process for seeds and expected values",
        searching("""
import gc
import sys
NAMES = ('expected', 'wanted', 'secret_seed', 'seed_hex', 'CANARY', 'examination', 'labels', 'y_val')
MODULES = ('autograder.grading', 'toolbox.checks', 'toolbox.data', 'nbgrader', 'reference', 'test_1_layers', '_pytest')
FOUND += [name for name in sys.modules if name.startswith(MODULES)]
for frame in sys._current_frames().values():
    while frame is not None:
        FOUND += [name for name in NAMES if name in frame.f_locals]
        frame = frame.f_back
gc.unfreeze()
for item in gc.get_objects():
    if type(item) is dict and any(type(name) is str and name in NAMES[2:5] for name in tuple(item)):
        if item is not globals():
            FOUND.append(tuple(item)[:3])
"""),
    ),
    Attack(
        "loads_the_labels",
        "loads the data set with the kit's own code, for the labels of the validation images",
        searching("""
import toolbox.data
try:
    FOUND.append(toolbox.data.load('cifar10', parts=('val',)).y_val[:5])
except Exception:
    pass
"""),
    ),
    Attack(
        "downloads",
        "asks the network for answers: names, addresses, the host's own services",
        searching("""
import urllib.request
for address in ('http://example.org', 'http://127.0.0.1:8888', 'http://169.254.169.254/latest/meta-data/', 'http://[::1]'):
    try:
        FOUND.append(urllib.request.urlopen(address, timeout=1).read(10))
    except OSError:
        pass
"""),
    ),
    Attack(
        "replays_by_order",
        "answers every call of a layer with what it answered in the case before",
        with_linear("""        out = x.reshape(x.shape[0], -1) @ w + b
        _KEPT.append(out)
        out = _KEPT[max(0, len(_KEPT) - 2)]
""").replace("class Linear:", "_KEPT = []\n\n\nclass Linear:"),
        {"linear_forward"},
    ),
    Attack(
        "replays_by_identity",
        "keeps answers by the identity, the address and the shape of the inputs",
        with_linear("""        out = _KEPT.get(id(x), _KEPT.get(x.data_ptr(), _KEPT.get(tuple(x.shape))))
        if out is None:
            out = x.reshape(x.shape[0], -1) @ w + b
            for key in (id(x), x.data_ptr(), tuple(x.shape)):
                _KEPT[key] = out
""").replace("class Linear:", "_KEPT = {}\n\n\nclass Linear:"),
        {"linear_forward"},
        wrecks=True,
    ),
    Attack(
        "remembers_what_is_right",
        "keeps the answers of checks that pass and gives them in later checks, by the shape of the inputs",
        with_code("""
_KEPT = {}
_forward = Linear.forward


def _linear_backward(dout, cache):
    x, w, b = cache
    key = (tuple(x.shape), tuple(w.shape))
    if key not in _KEPT:
        _KEPT[key] = (torch.zeros_like(x), torch.zeros_like(w), torch.zeros_like(b))
    return _KEPT[key]


Linear.backward = staticmethod(_linear_backward)
"""),
        {"linear_backward"},
        "off by a relative error",
    ),
    Attack(
        "draws_no_numbers",
        "has torch's random numbers be ones, so that what it is given would be known",
        with_code("torch.randn = lambda *size, **more: torch.ones(*size, **more)"),
        {"two_layer_init", "fully_connected_loss"},
        "the standard deviation of W1 is off",
    ),
    Attack(
        "freezes_the_seed",
        "makes torch.manual_seed do nothing, after it has set the seed it likes",
        with_code("torch.manual_seed(0)\ntorch.manual_seed = lambda seed: None"),
        {"dropout_forward", "dropout_network"},
    ),
    Attack(
        "changes_the_defaults",
        "changes torch's default type, its threads, its generator and its modes for whoever computes next",
        with_code(
            "import numpy, random\ntorch.set_default_dtype(torch.float64)\ntorch.set_num_threads(16)\n"
            "torch.set_grad_enabled(False)\ntorch.use_deterministic_algorithms(True)\ntorch.set_flush_denormal(True)\n"
            "torch.manual_seed(0)\nnumpy.random.seed(0)\nrandom.seed(0)\nnumpy.seterr(all='ignore')"
        ),
    ),
    Attack(
        "asks_who_is_there",
        "answers wrongly where it finds itself graded: no home, no parent, no notebook, a time limit",
        with_code("""
import os
import resource
import sys
GRADED = not os.path.exists('/proc/self') or 'ipykernel' not in sys.modules or resource.getrlimit(resource.RLIMIT_CPU)[0] > 0
if GRADED:
    ReLU.forward = staticmethod(lambda x: (torch.zeros_like(x), x))
"""),
        {"relu_forward"},
    ),
    Attack(
        "tells_its_inputs",
        "writes the hidden inputs, many times over, into the message of an exception",
        with_linear("        raise ValueError(repr(x.tolist()) * 10)\n"),
        {"linear_forward"},
        "`Linear.forward` raised ValueError",
    ),
    Attack(
        "hides_from_the_scan",
        "uses what is forbidden under names that a reader of the source does not see",
        with_code("x = getattr(torch.nn, '\\ud800', None)\ny = torch.nn" + ".functional" * 0 + ".Linear"),
        tells="uses torch.nn",
    ),
    Attack(
        "encodes_its_source",
        "writes its source in an encoding in which a reader sees no code",
        "# -*- coding: utf-7 -*-\n" + TRUTH.encode("utf-7").decode("ascii") + "\n+AAo-x = torch.nn\n",
        tells="uses torch.nn",
    ),
]
