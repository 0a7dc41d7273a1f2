"""Saved models: read as data, looked at before any operation touches them, and measured by the grader."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.redteam.attack import TRUTH, Attack, with_code

FILE = "best_two_layer_net.pth"
MEMORY = torch.zeros(10**6)
CHECK = frozenset({"two_layer_accuracy"})


def saving(change: Callable[[dict[str, Any], Path], Any]) -> Callable[[Path], None]:
    """Return what changes the content of the saved model: `change` gets it with the folder, and returns another."""

    def save(folder: Path) -> None:
        content = torch.load(folder / FILE, weights_only=True)
        torch.save(change(content, folder), folder / FILE)

    return save


def weights(change: Callable[[torch.Tensor], Any], *names: str) -> Callable[[Path], None]:
    """Return what changes some weights of the saved model, all by default."""

    def new(content: dict[str, Any], folder: Path) -> dict[str, Any]:
        params = content["params"]
        return {**content, "params": {**params, **{name: change(params[name]) for name in names or params}}}

    return saving(new)


def content(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return what changes the bytes of the saved model."""
    return lambda folder: (folder / FILE).write_bytes(change((folder / FILE).read_bytes()))  # type: ignore[return-value]


def a_command(saved: dict[str, Any], folder: Path) -> dict[str, Any]:
    class Command:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {folder.parents[3]}/canary/ran",)

    return {"reg": 0.0, "params": Command()}


def an_evaluation(saved: dict[str, Any], folder: Path) -> dict[str, Any]:
    class Evaluated:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, (f"open('{folder.parents[3]}/canary/ran', 'w')",)

    return {**saved, "reg": Evaluated()}


def laughs(saved: dict[str, Any], folder: Path) -> Any:
    value: Any = [0.0] * 10
    for _ in range(20):
        value = [value] * 10
    return {**saved, "more": value}


def itself(saved: dict[str, Any], folder: Path) -> Any:
    saved["params"]["itself"] = saved
    return saved


def of_shape(hidden: int, value: float, classes: int = 10) -> Callable[[Path], None]:
    """Return what saves a network of another size, with one number everywhere."""
    shapes = {"W1": (3072, hidden), "b1": (hidden,), "W2": (hidden, classes), "b2": (classes,)}

    def new(saved: dict[str, Any], folder: Path) -> dict[str, Any]:
        return {"reg": 0.0, "params": {n: torch.full(s, value, dtype=torch.bfloat16) for n, s in shapes.items()}}

    return saving(new)


def zipped(write: Callable[[zipfile.ZipFile, zipfile.ZipFile], None]) -> Callable[[bytes], bytes]:
    """Return what makes another archive from that of the saved model."""

    def again(old: bytes) -> bytes:
        new = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(old)) as source, zipfile.ZipFile(new, "w") as target:
            write(source, target)
        return new.getvalue()

    return again


def deflated(source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    for name in source.namelist():
        target.writestr(name, source.read(name), zipfile.ZIP_DEFLATED)
    target.writestr("archive/data/99", bytes(10**8), zipfile.ZIP_DEFLATED)


def many_entries(source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    for name in source.namelist():
        target.writestr(name, source.read(name))
    for number in range(5000):
        target.writestr(f"archive/data/x{number}", b"")


def legacy(folder: Path) -> None:
    torch.save(torch.load(folder / FILE, weights_only=True), folder / FILE, _use_new_zipfile_serialization=False)


def refused(name: str, tries: str, files: Callable[[Path], None], tells: str, module: str = TRUTH) -> Attack:
    """Return an attack with a saved model that cannot be used."""
    return Attack(name, tries, module, CHECK, tells, files=files)


ATTACKS = [
    refused("pickles_a_command", "saves a pickle that runs a command when it is read", saving(a_command),
            "holds objects that are no tensors or numbers"),
    refused("pickles_an_evaluation", "hides an expression beside honest weights", saving(an_evaluation),
            "holds objects that are no tensors or numbers"),
    refused("weights_expanded", "saves one number expanded to a million million",
            weights(lambda x: torch.zeros(1).expand(10**6, 10**6), "W1"), "an expanded tensor"),
    refused("weights_sparse", "saves a sparse tensor that would fill the memory",
            weights(lambda x: torch.sparse_coo_tensor(torch.zeros(2, 1).long(), torch.ones(1), (10**6, 10**6)), "W1"),
            "a sparse tensor"),
    refused("weights_meta", "saves a tensor without data", weights(lambda x: torch.empty(10**6, 10**6, device="meta"), "W1"),
            "without data"),
    refused("weights_quantised", "saves quantised weights",
            weights(lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8), "W1"), "cannot be read"),
    refused("weights_nan", "saves NaN, which compares as it likes", weights(lambda x: x * float("nan")),
            "contains NaN or infinite numbers"),
    refused("weights_infinite", "saves infinite weights", weights(lambda x: x / 0, "W1", "W2"),
            "NaN or infinite numbers"),
    refused("weights_overflowing", "saves weights that are finite and whose scores are not",
            weights(lambda x: torch.full_like(x.float(), 3e38), "W1", "W2"), "accuracy of the saved weights"),
    refused("weights_whole", "saves whole numbers", weights(lambda x: x.long()), "is not a tensor of floating-point numbers"),
    refused("weights_listed", "saves lists of numbers", weights(lambda x: x.tolist(), "b1", "b2"),
            "is not a tensor of floating-point numbers"),
    refused("weights_shared", "saves all weights as views of one memory",
            weights(lambda x: MEMORY[: x.numel()].view(x.shape)), "accuracy of the saved weights"),
    refused("weights_denormal", "saves weights so small that a processor computes with them a hundred times slower",
            of_shape(500, 1e-39), "accuracy of the saved weights"),
    refused("too_many_weights", "saves a network larger than any that is asked for", of_shape(7000, 0.0), "are allowed"),
    refused("no_hidden_units", "saves a network without hidden units", of_shape(0, 0.0), "accuracy of the saved weights"),
    refused("other_classes", "saves a network of a thousand classes", of_shape(10, 0.0, 1000), "where 10 classes are wanted"),
    refused("other_architecture", "saves a network with a layer more, which knows more",
            saving(lambda saved, _: {**saved, "params": {**saved["params"], "W3": torch.eye(10), "b3": torch.zeros(10)}}),
            "holds a network of 3 layers"),
    refused("half_a_network", "saves a weight without a bias",
            saving(lambda saved, _: {"params": {"W1": torch.zeros(3072, 10)}}), "not named W1, b1, W2, b2"),
    refused("predictions", "saves predictions in the place of a network",
            saving(lambda saved, _: {"predictions": torch.zeros(10000).long()}), "has no entry 'params'"),
    refused("a_tensor_alone", "saves a tensor in the place of a dictionary", saving(lambda saved, _: torch.zeros(3)),
            "where the dictionary that `save` writes is wanted"),
    refused("many_keys", "saves hundreds of thousands of entries", saving(lambda saved, _: {**saved, **dict.fromkeys(range(2 * 10**5), 0)}),
            "too many or too deeply nested values"),
    refused("billion_laughs", "saves lists of lists of lists, each ten times the one below", saving(laughs),
            "too many or too deeply nested values"),
    refused("saves_itself", "saves a dictionary that contains itself", saving(itself), "too many or too deeply nested values"),
    refused("odd_keys", "saves its weights under keys that are objects, numbers or cannot be encoded",
            saving(lambda saved, _: {**saved, "params": {**saved["params"], "\ud800": 0, None: 1, "\x1b[31m<b>": 2}}),
            FILE),
    refused("deflated", "saves a compressed archive that unfolds to a hundred megabytes", content(zipped(deflated)),
            "is a compressed archive"),
    refused("many_entries", "saves an archive of thousands of entries", content(zipped(many_entries)), "more than 1000 entries"),
    refused("truncated", "saves half of an archive", content(lambda old: old[: len(old) // 2]), "is damaged or incomplete"),
    refused("flipped_bits", "saves an archive with damaged pickle opcodes",
            content(lambda old: old.replace(b"ctorch._utils\n", b"cbuiltins\n\n\n\n\n")), "cannot be read as a saved model"),
    refused("old_format", "saves in torch's old format, which is a bare pickle", legacy, "old format"),
    refused("text", "saves a text that says how good the model is", content(lambda old: b"accuracy: 100%"), "is not a saved model"),
    refused("nothing", "saves an empty file", content(lambda old: b""), "is empty"),
    refused(
        "looks_labels_up",
        "has the network look its answers up by the sum of an image, whatever its weights",
        lambda folder: None,
        "other scores than the saved weights",
        with_code("""
def _look_up(self, X, y=None):
    scores = torch.zeros(len(X), 10, dtype=X.dtype)
    scores[torch.arange(len(X)), (X.reshape(len(X), -1).sum(1) * 1000).long() % 10] = 1
    return scores if y is None or X.shape[-1] != 3072 else (scores.mean(), {})


_honest = TwoLayerNet.loss
TwoLayerNet.loss = lambda self, X, y=None: _look_up(self, X) if X.shape[-1] == 3072 else _honest(self, X, y)
"""),
    ),
    refused(
        "loads_other_weights",
        "hands in worthless weights, and its `load` returns good ones that it has brought along",
        of_shape(10, 0.0),
        "accuracy of the saved weights",
        with_code("""
import os
_BROUGHT = TwoLayerNet(hidden_dim=10).params


def _load(self, path, dtype, device):
    self.params = {name: value.clone() for name, value in _BROUGHT.items()}


TwoLayerNet.load = _load
"""),
    ),
    refused(
        "loads_nothing",
        "hands in good weights that its network never uses",
        lambda folder: None,
        "other scores than the saved weights",
        with_code("TwoLayerNet.load = lambda self, path, dtype, device: None"),
    ),
]  # fmt: skip
