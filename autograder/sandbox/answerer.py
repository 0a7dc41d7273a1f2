"""The loop of a jailed process: takes requests from its socket and answers them with values.

It trusts the requests, and nothing that the student's code has touched since. Whatever happens here costs
at most this jail: the examiner treats every reply as hostile.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.sandbox import cuda, frames, restore
from autograder.sandbox.absent import absent_package, pass_over
from autograder.sandbox.decode import Decoder
from autograder.sandbox.encode import Encoder, TooLarge, type_name
from autograder.sandbox.errors import BadModel
from autograder.sandbox.model_files import read_tensors
from autograder.sandbox.raised import describe
from autograder.sandbox.scan import scan
from autograder.sandbox.wire import Ref

MAX_ABSENT = 10
"""How many packages that are not installed an import may pass over."""


class MissingModule(Exception):
    """The module has not been imported, or its import failed."""


class Answerer:
    """What the examiner can name in this process: the student's module, and objects by handle."""

    def __init__(self, descriptor: int, folder: Path, reply_bytes: int) -> None:
        self.descriptor = descriptor
        self.folder = str(folder)
        self.reply_bytes = reply_bytes
        self.module: object = None
        self.next_handle = 1
        self.objects: dict[int, object] = {}
        self.handles: dict[int, int] = {}  # id of an object in `objects`: its handle
        self.operations: dict[str, Callable[[Decoder, Encoder], None]] = {
            "call": self.call,
            "compute": self.compute,
            "get": self.get,
            "set": self.set,
            "release": self.release,
            "import": self.import_module,
            "scan": self.scan,
            "read_tensors": self.read_tensors,
        }

    def serve(self) -> None:
        """Answer requests until the examiner closes the socket."""
        while True:
            try:
                number, message = frames.read_message(self.descriptor)
            except frames.Closed:
                return
            reply = self.answer(message)
            frames.write_message(self.descriptor, number, reply)

    def answer(self, message: Any) -> list[Any]:
        """Return the buffers of the reply to one request."""
        try:
            encoder = Encoder(self.handle_of, max_bytes=self.reply_bytes)
            encoder.add("value")
            decoder = Decoder(message, trusted=True, resolve=self.resolve)
            operation = decoder.take_str()
            decoder.copying = operation == "call"
            self.operations[operation](decoder, encoder)
            encoder.add(tuple(cuda.notices))
            return encoder.buffers()
        except BadModel as error:
            texts: tuple[str, ...] = ("model", str(error))
        except TooLarge:
            texts = ("large",)
        except BaseException as error:
            texts = ("raised", *describe(error, self.folder))
        # Out here the exception is gone, and with it the memory that its frames held.
        return self.failure(texts)

    def failure(self, texts: tuple[str, ...]) -> list[Any]:
        """Return the buffers of a reply that holds no value."""
        encoder = Encoder(self.handle_of)
        for text in texts:
            encoder.add(text)
        encoder.add(tuple(cuda.notices))
        return encoder.buffers()

    def handle_of(self, value: object) -> Ref:
        """Return the Ref of an object that is no plain value; the same object always has the same handle."""
        handle = self.handles.get(id(value))
        if handle is None:
            handle = self.next_handle
            self.next_handle += 1
            self.objects[handle] = value
            self.handles[id(value)] = handle
        return Ref(handle, "", type_name(value))

    def resolve(self, ref: Ref) -> Any:
        """Return the object that a Ref names."""
        if ref.target == 0:
            if self.module is None:
                raise MissingModule("the module has not been imported")
            value = self.module
        else:
            value = self.objects[ref.target]
        for name in ref.path.split(".") if ref.path else ():
            value = getattr(value, name)
        return value

    def call(self, decoder: Decoder, encoder: Encoder) -> None:
        """Call an object; the reply holds the result and what the call changed in its arguments."""
        function = decoder.take()
        arguments, keywords = decoder.take(), decoder.take()
        before = restore.snapshot(decoder.mutables)
        encoder.add(function(*arguments, **keywords))
        restore.add_changes(encoder, before)

    def compute(self, decoder: Decoder, encoder: Encoder) -> None:
        """Call an object; the reply holds the result alone."""
        function = decoder.take()
        arguments, keywords = decoder.take(), decoder.take()
        encoder.add(function(*arguments, **keywords))

    def get(self, decoder: Decoder, encoder: Encoder) -> None:
        """Read an attribute: data by value, anything else as a Ref to the same place."""
        target, path = decoder.take_int(1 << 63), decoder.take_str()
        value = self.resolve(Ref(target, path))
        encoder.handle = lambda inner: Ref(target, path, type_name(inner)) if inner is value else self.handle_of(inner)
        encoder.add(value)

    def set(self, decoder: Decoder, encoder: Encoder) -> None:
        """Set an attribute."""
        target, path = decoder.take_int(1 << 63), decoder.take_str()
        owner, _, name = path.rpartition(".")
        setattr(self.resolve(Ref(target, owner)), name, decoder.take())
        encoder.add(None)

    def release(self, decoder: Decoder, encoder: Encoder) -> None:
        """Forget all handles; their numbers are not used again."""
        self.objects.clear()
        self.handles.clear()
        encoder.add(None)

    def import_module(self, decoder: Decoder, encoder: Encoder) -> None:
        """Import a file of the private folder; target 0 is this module from then on.

        If it raises, target 0 is what it had defined by then. The reply names the packages that it
        imports and that are not installed here; they are passed over as long as nothing is asked of them.
        """
        name = decoder.take_str()
        if cuda.mentioned(self.folder):
            cuda.redirect()
        absent: list[str] = []
        while True:
            spec = importlib.util.spec_from_file_location(name, os.path.join(self.folder, name + ".py"))
            assert spec is not None and spec.loader is not None
            self.module = sys.modules[name] = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(self.module)
                break
            except ModuleNotFoundError as error:
                package = absent_package(error)
                if package is None or package in absent or len(absent) >= MAX_ABSENT:
                    raise
                absent.append(package)
                pass_over(package)
        encoder.add(absent)

    def scan(self, decoder: Decoder, encoder: Encoder) -> None:
        """Look for forbidden names in a source file."""
        file, forbidden, beside = decoder.take_str(), decoder.take(), decoder.take()
        uses, mentions_cuda = scan(os.path.join(self.folder, file), forbidden, beside)
        encoder.add(uses)
        encoder.add(mentions_cuda)

    def read_tensors(self, decoder: Decoder, encoder: Encoder) -> None:
        """Read a file of saved tensors; what it holds travels as plain values or not at all."""
        encoder.handle = None
        encoder.add(read_tensors(os.path.join(self.folder, decoder.take_str()), self.reply_bytes))


def receive_files(descriptor: int, folder: Path) -> None:
    """Write the submitted files, which are the first message on the socket, into the private folder."""
    _, message = frames.read_message(descriptor)
    decoder = Decoder(message, trusted=True)
    for name, content in decoder.take().items():
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)


def ready(descriptor: int, number: int, problem: str = "") -> None:
    """Tell the examiner that the jail stands, or why it does not."""
    encoder = Encoder()
    encoder.add(problem)
    frames.write_message(descriptor, number, encoder.buffers())
