"""Answers that are not answers: only plain values of the exact kind, shape and type meet a comparison."""

from collections.abc import Collection

from tests.redteam.attack import Attack, changed, with_code, with_linear

RETURNS = {
    "Linear.forward": 2, "Linear.backward": 3, "ReLU.forward": 2, "ReLU.backward": 1, "Dropout.forward": 2,
    "Dropout.backward": 1, "TwoLayerNet.loss": 1, "FullyConnectedNet.loss": 1, "sgd_momentum": 2, "rmsprop": 2,
    "adam": 2, "get_three_layer_network_params": 2, "get_five_layer_network_params": 2,
}  # fmt: skip
"""How many values each function returns."""

COMPARED = {
    "linear_forward", "linear_backward", "relu_forward", "relu_backward", "dropout_forward", "dropout_backward",
    "two_layer_scores", "fully_connected_loss", "sgd_momentum", "rmsprop", "adam",
}  # fmt: skip
"""The checks that compare what these functions return, one by one."""
NUMBERS = {"overfit_three_layer", "overfit_five_layer"}


def nothing_but(name: str, tries: str, answer: str, tells: str = "", definitions: str = "") -> Attack:
    """Return an attack in which every function gives the same for an answer, as often as values are expected."""
    lines = [definitions, f"_answer = {answer}"]
    for function, count in RETURNS.items():
        owner, _, method = function.rpartition(".")
        value = f"lambda *args, **kwargs: {'_answer' if count == 1 else f'(_answer,) * {count}'}"
        static = owner and method != "loss"
        lines.append(f"{function} = staticmethod({value})" if static else f"{function} = {value}")
    return Attack(name, tries, with_code("\n".join(lines)), COMPARED | NUMBERS, tells)


CHANGING = """
def _changing(function):
    def call(*args, **kwargs):
        answer = function(*args, **kwargs)
        if type(answer) is not tuple:
            return _change(answer)
        return tuple(_change(value) if type(value) is torch.Tensor else value for value in answer)
    return call


for _class in (Linear, ReLU, Dropout):
    _class.forward = staticmethod(_changing(_class.forward))
    _class.backward = staticmethod(_changing(_class.backward))
TwoLayerNet.loss = _changing(TwoLayerNet.loss)
FullyConnectedNet.loss = _changing(FullyConnectedNet.loss)
sgd_momentum, rmsprop, adam = map(_changing, (sgd_momentum, rmsprop, adam))
"""


def right_but(
    name: str, tries: str, change: str, tells: str = "", definitions: str = "", loses: Collection[str] = COMPARED
) -> Attack:
    """Return an attack whose answers are right and then made into something else."""
    return Attack(name, tries, with_code(f"{definitions}\n_change = lambda x: {change}\n{CHANGING}"), loses, tells)


EQUAL_TENSOR = """
class Equal(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(0.0)

    def __eq__(self, other):
        return True

    __hash__ = None
"""
EQUAL = """
class Equal:
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = lambda self, *args: True
    __sub__ = __rsub__ = __abs__ = __float__ = __index__ = lambda self, *args: 0.0
    __hash__ = None
    __array__ = __iter__ = lambda self, *args, **kwargs: [0.0]
    shape, dtype, ndim = (3, 4), torch.float64, 2
    __class__ = property(lambda self: torch.Tensor)
"""
TRAP = """
class Trap:
    def __getattribute__(self, name):
        raise SystemExit(name)

    __reduce__ = __reduce_ex__ = __repr__ = __str__ = __len__ = __iter__ = __getstate__ = __getattribute__


class Meta(type):
    __instancecheck__ = __subclasscheck__ = __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
    __name__ = property(lambda self: 1 / 0)
    mro = lambda self: [self, object]


class Lying(metaclass=Meta):
    pass
"""
NETS_GRADS = "_loss = TwoLayerNet.loss\n\ndef _changed(self, X, y=None):\n    answer = _loss(self, X, y)\n    return answer if y is None else (answer[0], _change(answer[1]))\n\nTwoLayerNet.loss = _changed"

ATTACKS = [
    # nothing that could be compared
    nothing_but("nan", "answers NaN, which is not larger than any tolerance", "torch.full((3, 4), float('nan'))"),
    nothing_but("infinity", "answers infinity, whose relative error is NaN", "torch.full((3, 4), float('inf'))"),
    nothing_but("broadcastable", "answers one number that broadcasts to every shape", "torch.zeros(1)", "has shape (1,)"),
    nothing_but("empty", "answers an empty tensor, whose largest error is none", "torch.zeros(0)", "has shape (0,)"),
    nothing_but("string", "answers a word", "'right'", "is a str"),
    nothing_but("none", "answers nothing", "None", "is None"),
    nothing_but("truth", "answers True", "True", "is a bool"),
    nothing_but("equal_tensor", "answers a tensor that is equal to everything and at distance 0 from it",
                "torch.zeros(3, 4).as_subclass(Equal)", "an object of a class of its own", EQUAL_TENSOR),
    nothing_but("equal_object", "answers an object that calls itself a tensor and agrees with everything",
                "Equal()", "an object of a class of its own", EQUAL),
    nothing_but("trap", "answers an object every look at which ends the process", "Trap()", "a class of its own", TRAP),
    nothing_but("lying_class", "answers an object of a class that claims to be every class", "Lying()", "", TRAP),
    nothing_but("class_itself", "answers torch.Tensor itself, and so a class", "torch.Tensor"),
    nothing_but("generator", "answers a generator that never ends", "iter(int, 1)", "a class of its own"),
    nothing_but("deep_nesting", "answers lists nested ten thousand deep", "_deep()", "",
                "def _deep():\n    value = []\n    for _ in range(10000):\n        value = [value]\n    return value"),
    nothing_but("contains_itself", "answers lists and dictionaries that contain themselves", "_itself()", "",
                "def _itself():\n    value = []\n    value += [value, {'x': value}]\n    return value"),
    nothing_but("giant_integer", "answers an integer of a hundred thousand digits", "1 << 330000"),
    nothing_but("long_integer", "answers an integer too long to be turned into a float or into text", "1 << 30000"),
    nothing_but("many_items", "answers a list of a million numbers", "[0.0] * 10**6"),
    nothing_but("meta", "answers a tensor without memory", "torch.empty(10**6, 10**6, device='meta')"),
    nothing_but("giant_expanded", "answers one number expanded to a million million",
                "torch.zeros(()).expand(10**6, 10**6)", "larger than the 256 MB"),
    nothing_but("many_dimensions", "answers a tensor of sixty dimensions", "torch.zeros([1] * 60)"),
    nothing_but("huge_without_elements", "answers a tensor without elements and of astronomic shape",
                "torch.zeros(0, 1 << 40)"),
    nothing_but("dtype", "answers a dtype", "torch.float64"),
    # the right numbers, as something else
    right_but("half", "answers in half precision", "x.half()", "is of type torch.float16"),
    right_but("whole_numbers", "answers rounded to whole numbers", "x.long()", "is of type torch.int64"),
    right_but("complex", "answers with an imaginary part", "torch.complex(x, x)", "is of type torch.complex128"),
    right_but("sparse", "answers a sparse tensor", "x.to_sparse()", "an object of a class of its own"),
    right_but("quantised", "answers a quantised tensor",
              "torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8)", "an object of a class of its own"),
    right_but("nested", "answers a nested tensor", "torch.nested.nested_tensor([x])", "an object of a class of its own"),
    right_but("subclass", "answers a subclass of tensor with the right numbers in it", "x.as_subclass(Tensor)",
              "an object of a class of its own", "class Tensor(torch.Tensor):\n    pass"),
    right_but("array", "answers NumPy arrays", "x.numpy()", "is a NumPy array"),
    right_but("lists", "answers lists of numbers", "x.tolist()", "is a list"),
    right_but("added_dimension", "answers with a dimension too many", "x[None]", "has shape (1, "),
    right_but("transposed", "answers with the dimensions in reverse order", "x.permute(*range(x.ndim - 1, -1, -1))",
              "has shape", loses=COMPARED - {"two_layer_scores", "fully_connected_loss", "dropout_backward"}),
    right_but("graph", "answers with a graph for autograd behind each number", "x.clone().requires_grad_() * 1", loses=()),
    right_but("negative_view", "answers the right numbers as a lazy negative view",
              "torch.complex(x, -x).conj().imag if x.is_floating_point() else x", loses=()),
    right_but("scattered", "answers the right numbers scattered over memory",
              "torch.stack([x, x], dim=-1)[..., 0]", loses=()),
    Attack(
        "expanded",
        "answers zeros of the right shape that are all the same number in memory",
        with_linear("        out = torch.zeros((), dtype=x.dtype).expand(len(x), len(b))\n"),
        {"linear_forward"},
        "off by a relative error",
    ),
    Attack(
        "planted_entry",
        "plants one huge number where both could agree, to dwarf all other errors",
        with_linear("        out = torch.zeros(len(x), len(b), dtype=x.dtype)\n        out[0, 0] = 1e300\n"),
        {"linear_forward"},
        "off by a relative error",
    ),
    Attack(
        "subclass_of_tuple",
        "answers a subclass of tuple with a length of its own",
        with_code(
            "class Pair(tuple):\n    __len__ = lambda self: 2\n    __iter__ = lambda self: iter((1, 2))\n\n"
            "_drop = Dropout.forward\nDropout.forward = staticmethod(lambda *args: Pair(_drop(*args)))"
        ),
        {"dropout_forward", "dropout_backward"},
        "an object of a class of its own",
        wrecks=True,
    ),
    Attack(
        "subclass_of_dict",
        "gives gradients in a dictionary that has every key",
        with_code(
            "class Grads(dict):\n    __missing__ = lambda self, key: 0\n    __contains__ = lambda self, key: True\n\n"
            f"_change = Grads\n{NETS_GRADS}"
        ),
        {"two_layer_gradients"},
        "an object of a class of its own",
    ),
    Attack(
        "subclass_of_str",
        "gives gradients under keys that are equal to every name",
        with_code(
            "class Name(str):\n    __eq__ = lambda self, other: True\n    __hash__ = str.__hash__\n\n"
            f"_change = lambda grads: {{Name(key): value for key, value in grads.items()}}\n{NETS_GRADS}"
        ),
        {"two_layer_gradients"},
    ),
    Attack(
        "keys_that_collide",
        "gives gradients under thousands of further keys, chosen so that all have one hash",
        with_code(
            "_change = lambda grads: {**grads, **{i * (2**61 - 1): 0 for i in range(1, 5000)}}\n" + NETS_GRADS
        ),
        {"two_layer_gradients"},
        wrecks=True,
    ),
    Attack(
        "unreadable_key",
        "gives gradients under keys that cannot be encoded, or are too long to be shown",
        with_code(
            "_change = lambda grads: {**grads, '\\ud800': 0, 'x' * 10**6: 0, 1 << 30000: 0}\n" + NETS_GRADS
        ),
        {"two_layer_gradients"},
    ),
    Attack(
        "counts_with_objects",
        "keeps the step of adam as an object that is equal to every number",
        with_code(
            f"{EQUAL}\n_adam = adam\n\n\ndef adam(w, dw, config=None):\n    config = {{**(config or {{}}), 't': 0}}\n"
            "    next_w, config = _adam(w, dw, config)\n    return next_w, {**config, 't': Equal()}"
        ),
        {"adam"},
    ),
    Attack(
        "ignores_its_inputs",
        "zeroes its inputs before it answers zeros, so that whoever computes from them afterwards agrees",
        with_code("""
def _zeroing(function, answer):
    def call(*args):
        for value in args:
            for tensor in value if type(value) is tuple else (value,):
                if type(tensor) is torch.Tensor:
                    tensor.zero_()
        return answer(*args)
    return staticmethod(call)


Linear.forward = _zeroing(Linear.forward, lambda x, w, b: (torch.zeros(len(x), len(b), dtype=x.dtype), (x, w, b)))
Linear.backward = _zeroing(Linear.backward, lambda dout, cache: tuple(map(torch.zeros_like, cache)))
ReLU.backward = _zeroing(ReLU.backward, lambda dout, cache: dout)
Dropout.backward = _zeroing(Dropout.backward, lambda dout, cache: dout)
"""),
        {"linear_forward", "linear_backward", "relu_backward", "linear_relu", "dropout_backward"},
    ),
    Attack(
        "zeroes_its_images",
        "zeroes the images in place before it computes their scores",
        changed("        X = X.to(self.dtype)\n", "        X.zero_()\n        X = X.to(self.dtype)\n"),
        {"fully_connected_loss", "fully_connected_gradients", "overfit_three_layer", "saved_five_layer"},
    ),
    Attack(
        "reshapes_its_inputs",
        "gives its inputs another shape, type and memory during the call",
        with_linear(
            "        x.data = torch.zeros(0)\n        w.resize_(0)\n        b.data = b.data.long()\n"
            "        out = torch.zeros(1)\n"
        ),
        {"linear_forward"},
        "during the call",
    ),
    Attack(
        "fills_its_settings",
        "fills the dictionaries it is given with itself, with objects and with thousands of entries",
        with_code("""
_drop = Dropout.forward


def _fill(x, param):
    answer = _drop(x, dict(param))
    param['itself'], param['object'], param['seed'] = param, object(), 'x'
    param.update({str(i): x for i in range(5000)})
    return answer


Dropout.forward = staticmethod(_fill)
"""),
        {"dropout_forward"},
        wrecks=True,
    ),
    Attack(
        "drops_nothing",
        "answers dropout that keeps everything, which is right on average",
        changed(">= p).to(x.dtype) / (1 - p)", ">= 0).to(x.dtype)"),
        {"dropout_forward", "dropout_backward"},
    ),
    Attack(
        "drops_everything",
        "answers zeros, whose gradient is easy",
        changed(">= p).to(x.dtype)", ">= 2).to(x.dtype)"),
        {"dropout_forward", "dropout_backward"},
    ),
    Attack(
        "constant_loss_in_training",
        "answers a constant as the loss of a network with dropout, and no gradients: both agree",
        with_code("""
_true_loss = FullyConnectedNet.loss


def _constant(self, X, y=None):
    if y is None or not self.use_dropout or len(X) == 1:
        return _true_loss(self, X, y)
    return torch.tensor(1.0, dtype=X.dtype), {name: torch.zeros_like(value) for name, value in self.params.items()}


FullyConnectedNet.loss = _constant
"""),
        {"dropout_network"},
    ),
    Attack(
        "scales_its_loss",
        "answers the loss without dropout times a random number, and its gradients: they agree with each other",
        with_code("""
_true_loss = FullyConnectedNet.loss


def _scaled(self, X, y=None):
    if y is None or not self.use_dropout or len(X) == 1:
        return _true_loss(self, X, y)
    self.use_dropout = False
    loss, grads = _true_loss(self, X, y)
    self.use_dropout = True
    if 'seed' in self.dropout_param:
        torch.manual_seed(self.dropout_param['seed'])
    factor = 1 + float(torch.rand(()))
    return factor * loss, {name: factor * value for name, value in grads.items()}


FullyConnectedNet.loss = _scaled
"""),
        {"dropout_network"},
        "is dropped in training",
    ),
    Attack(
        "steps_inside_loss",
        "gives gradients that jump to weights it has brought along, when it notices that it is being trained",
        with_code("""
_loss = FullyConnectedNet.loss


def _jump(self, X, y=None):
    answer = _loss(self, X, y)
    if y is not None and X.shape[-1] == 3072:
        loss, grads = answer
        return loss, {name: 10 * value for name, value in grads.items()}
    return answer


FullyConnectedNet.loss = _jump
"""),
        {"overfit_three_layer", "overfit_five_layer"},
        "is wrong in training",
    ),
    Attack(
        "handles_for_params",
        "keeps its parameters behind objects that answer as they like",
        with_code(f"""{EQUAL}
class Params(dict):
    __getitem__ = get = lambda self, key, *args: Equal()
    keys = __iter__ = lambda self: iter(('W1', 'b1', 'W2', 'b2'))


TwoLayerNet.params = property(lambda self: Params(), lambda self, value: self.__dict__.update(hidden=value))
"""),
        {"two_layer_init", "two_layer_scores"},
        "an object of a class of its own",
        wrecks=True,
    ),
    Attack(
        "hides_its_changes",
        "changes its parameters during loss and shows copies of the old ones to whoever asks",
        with_code("""
_two_layer_loss = TwoLayerNet.loss


def _hiding(self, X, y=None):
    shown = {name: value.clone() for name, value in self.params.items()}
    answer = _two_layer_loss(self, X, y)
    if y is not None:
        for value in self.params.values():
            value.add_(1.0)
        self.params = type('Params', (dict,), {})(shown)
    return answer


TwoLayerNet.loss = _hiding
"""),
        {"two_layer_gradients"},
    ),
]  # fmt: skip
