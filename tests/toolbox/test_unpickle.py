import copyreg
import datetime
import os
import pickle
import struct
from functools import partial

import numpy as np
import pytest

from toolbox.data import DataDamaged, python2_pickle
from toolbox.data.unpickle import unpickle

ENTRY = {
    b"batch_label": b"testing batch 1 of 1",
    b"labels": [3, 0, 9],
    b"data": np.arange(3 * 3072, dtype=np.uint8).reshape(3, 3072),
    b"filenames": [b"a.png", b"b" * 300, b""],
}


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


def test_what_is_written_is_read():
    same(unpickle(python2_pickle.dumps(ENTRY), "x"), ENTRY)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ordinary_readers_of_cifar10_read_it_too():
    same(pickle.loads(python2_pickle.dumps(ENTRY), encoding="bytes"), ENTRY)


@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "f4", "<f8"])
def test_arrays_of_numbers_are_read_in_either_order(dtype):
    array = np.arange(12).astype(dtype).reshape(3, 4)
    state = (1, (3, 4), True, array.tobytes(order="F"))
    content = (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03K\x04\x86cnumpy\ndtype\nU\x02" + dtype[-2:].encode() + b"K\x00K\x01\x87R(K\x03U\x01"
        + (dtype[0].encode() if dtype[0] in "<>" else b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x88T" + struct.pack("<i", len(state[3])) + state[3] + b"tbs."
    )  # fmt: skip
    np.testing.assert_array_equal(unpickle(content, "x")[b"data"], array)


class Command:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickled_command_is_refused_and_not_run(tmp_path):
    ran = tmp_path / "ran"
    for content in (
        pickle.dumps({b"data": Command(ran)}),
        pickle.dumps(Command(ran)),
        b"\x80\x02" + b"cos\nmkdir\nU" + bytes([len(str(ran))]) + str(ran).encode() + b"\x85R.",
        b"(S'" + str(ran).encode() + b"'\nios\nmkdir\n.",
        b"(cos\nmkdir\nS'" + str(ran).encode() + b"'\no.",
    ):
        with pytest.raises(DataDamaged, match=r"batch: .*only arrays and plain values|batch file"):
            unpickle(content, "batch")
        assert not ran.exists()


@pytest.mark.parametrize(
    "value",
    [datetime.date(2020, 1, 1), partial(print, 1), len, np.array([object()]), np.array([b"text"]), 1j],
    ids=lambda v: type(v).__name__,
)
def test_everything_else_is_refused(value):
    with pytest.raises(DataDamaged):
        unpickle(pickle.dumps({b"data": value}, protocol=2), "batch")


def test_the_harmless_classes_cannot_be_changed_from_a_pickle():
    for name in (b"numpy\ndtype", b"numpy\nndarray", b"numpy.core.multiarray\n_reconstruct"):
        with pytest.raises(DataDamaged):  # BUILD on the class itself
            unpickle(b"\x80\x02}U\x01ac" + name + b"\n}U\x01xK\x01sbs.", "batch")
        with pytest.raises(DataDamaged):  # BUILD with attributes to set
            unpickle(b"\x80\x02}U\x01ac" + name + b"\nN}U\x08__init__K\x01s\x86bs.", "batch")
    same(unpickle(python2_pickle.dumps(ENTRY), "x"), ENTRY)


def test_an_extension_code_is_refused():
    copyreg.add_extension("os", "getcwd", 0x7000)
    try:
        with pytest.raises(DataDamaged, match=r"os\.getcwd"):
            unpickle(b"\x80\x02\x83\x00\x70)R.", "batch")
    finally:
        copyreg.remove_extension("os", "getcwd", 0x7000)


@pytest.mark.parametrize("keep", [0, 1, 10, 200, -1])
def test_a_pickle_cut_short_is_refused(keep):
    with pytest.raises(DataDamaged, match="batch is not a readable batch file"):
        unpickle(python2_pickle.dumps(ENTRY)[:keep], "batch")


def test_an_array_with_too_few_bytes_is_refused():
    content = python2_pickle.dumps({b"data": np.zeros((2, 3), np.uint8)})
    with pytest.raises(DataDamaged):
        unpickle(content.replace(struct.pack("<i", 3) + b"t", struct.pack("<i", 4) + b"t"), "batch")


def test_a_pickle_of_something_else_is_refused():
    with pytest.raises(DataDamaged, match="no dictionary"):
        unpickle(pickle.dumps([1, 2], protocol=2), "batch")
    with pytest.raises(TypeError, match="str cannot be written"):
        python2_pickle.dumps({b"a": "text"})
