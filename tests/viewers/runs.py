"""Runs to look at: recorded from checkpoints, and a run's shuffled self."""

import json
import struct
import subprocess

import numpy


def read_checkpoint(path):
    """The tensors of a safetensors file with two dimensions, as float32."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    tensors = {}
    for name, told in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or len(told["shape"]) != 2:
            continue
        begin, end = told["data_offsets"]
        raw = data[8 + length + begin : 8 + length + end]
        if told["dtype"] == "BF16":
            values = (numpy.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            assert told["dtype"] == "F32", told
            values = numpy.frombuffer(raw, "<f4")
        tensors[name] = values.reshape(told["shape"])
    return tensors


def write_checkpoint(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": values.shape,
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def shuffle(checkpoints, folder):
    """The same first weights and the same changes at each step, but at weights drawn by lot."""
    numbers = numpy.random.default_rng(20)
    folder.mkdir()
    before, now = None, None
    shuffled = []
    for checkpoint in checkpoints:
        tensors = read_checkpoint(checkpoint)
        if before is None:
            now = tensors
        else:
            moved = {name: tensors[name] - before[name] for name in tensors}
            now = {
                name: now[name] + numbers.permutation(change.ravel()).reshape(change.shape)
                for name, change in moved.items()
            }
        before = tensors
        shuffled.append(folder / checkpoint.name)
        write_checkpoint(shuffled[-1], now)
    return shuffled


class Tvdb:
    """The program."""

    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, f"tvdb {arguments}: {done.stderr}"
        return done.stdout

    def record(self, store, checkpoints):
        self("record", store, *checkpoints)
        return store

    def export(self, store, out, *options):
        self("export", store, "-o", out, *options)
        return out
