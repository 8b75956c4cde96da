"""What moved in a folder of safetensors checkpoints, with NumPy alone. Knows nothing of temporal-vdb.

evolve.py FOLDER LAYER STEP ABOVE MIN_CHANGES: prints, as JSON, how each BF16 matrix moved, and which
of LAYER's weights that STEP changed move together.
"""

import json
import pathlib
import sys

import numpy


def checkpoint(path):
    """The matrices of a file, widened to 32 bits."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    matrices = {}
    for name, entry in json.loads(content[8:end]).items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "BF16", name
        begin, stop = (end + offset for offset in entry["data_offsets"])
        short = numpy.frombuffer(content[begin:stop], "<u2").reshape(entry["shape"])
        matrices[name] = (short.astype(numpy.uint32) << 16).view(numpy.float32)
    return matrices


def evolution(states):
    """How a matrix moved: of the whole, of each row and of each step."""
    moves = numpy.diff(states.astype(numpy.float64), axis=0)
    changed = numpy.diff(states.view(numpy.uint32).astype(numpy.int64), axis=0) != 0
    flips = 0
    direction = numpy.zeros(states.shape[1:])
    for move in moves:
        now = numpy.sign(move)
        flips += int(numpy.count_nonzero(now * direction < 0))
        direction = numpy.where(now == 0, direction, now)
    lengths = numpy.abs(moves)
    steps = numpy.flatnonzero(changed.any(axis=(1, 2))) + 1
    return {
        "changes": int(changed.sum()),
        "changed": int(changed.any(axis=0).sum()),
        "first": int(steps[0]),
        "last": int(steps[-1]),
        "path": float(lengths.sum()),
        "net": float(numpy.abs(states[-1].astype(numpy.float64) - states[0]).sum()),
        "largest": float(lengths.max()),
        "flips": flips,
        "rows": changed.sum(axis=(0, 2)).tolist(),
        "columns": changed.sum(axis=(0, 1)).tolist(),
        "steps": changed.sum(axis=(1, 2)).tolist(),
    }


def together(states, step, above, min_changes):
    """Pairs and sizes of groups. Weights with the same mask are one class of many."""
    changed = numpy.diff(states.view(numpy.uint32).astype(numpy.int64), axis=0) != 0
    often = changed.sum(axis=0) >= min_changes
    masks = changed[:, often & changed[step - 1]].T
    classes, sizes = numpy.unique(masks, axis=0, return_counts=True)
    both = classes.astype(numpy.int64) @ classes.T.astype(numpy.int64)
    own = numpy.diag(both)
    alike = both / (own[:, None] + own[None, :] - both) > above
    pairs = sum(int(n) * (int(n) - 1) // 2 for n in sizes)
    for i, j in zip(*numpy.nonzero(numpy.triu(alike, 1))):
        pairs += int(sizes[i]) * int(sizes[j])
    groups, left = [], set(range(len(classes)))
    while left:
        members, edge = set(), {left.pop()}
        while edge:
            members |= edge
            edge = set(numpy.flatnonzero(alike[sorted(edge)].any(axis=0)).tolist()) & left
            left -= edge
        groups.append(int(sum(sizes[i] for i in members)))
    groups = sorted((size for size in groups if size > 1), reverse=True)
    return {"units": int(masks.shape[0]), "pairs": pairs, "groups": groups}


def main(folder, layer, step, above, min_changes):
    checkpoints = [checkpoint(path) for path in sorted(pathlib.Path(folder).iterdir())]
    layers = {name: numpy.stack([each[name] for each in checkpoints]) for name in checkpoints[0]}
    answer = {
        "layers": {name: evolution(states) for name, states in layers.items()},
        "together": together(layers[layer], int(step), float(above), int(min_changes)),
    }
    json.dump(answer, sys.stdout)


main(*sys.argv[1:])
