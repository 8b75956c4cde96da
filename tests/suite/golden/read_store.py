"""Reads a store of version 1 as docs/format.md says: documentation by example.

read_store.py FILE T...: prints the state of every layer as of each time T, a line of JSON and the
tensor's bytes. Ends with a word about what is damaged where anything is.
"""

import json
import math
import re
import sqlite3
import struct
import sys

import numpy as np
from xxhash import xxh3_64_intdigest, xxh3_128_intdigest

from read_blobs import Streams, add, check, differences, ordered, plain, read_fast, width_of
from read_dense import Codebook, read_dense

TILE, CHUNK, PIECE = 128, 4, 1 << 20
SIZES = {"F32": 4, "BF16": 2, "F16": 2, "F64": 8, "F8_E5M2": 1, "F8_E4M3": 1, "I64": 8, "I32": 4,
         "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}


def fields(*values):
    """What a checksum covers: numbers as eight bytes, texts and blobs after their length."""
    out = b""
    for value in values:
        if isinstance(value, int):
            out += struct.pack("<q", value)
        else:
            blob = value.encode() if isinstance(value, str) else value or b""
            out += struct.pack("<Q", len(blob)) + blob
    return out


def is_policy(text):
    """Whether a text says which steps stay."""
    number, tier = "[1-9][0-9]*", "[1-9][0-9]*(@[1-9][0-9]*)?"
    return re.fullmatch(f"all|last {number}|tiers {tier}(,{tier})*", text) is not None


def digest(data):
    return xxh3_128_intdigest(data).to_bytes(16, "little")


class Store:
    def __init__(self, path):
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.codebooks, self.dense = {}, {}  # by blob; a dense block takes long enough to be kept
        self.db.execute("BEGIN")  # so that all that is read belongs together
        for name, expected in [("application_id", 0x54564442), ("user_version", 1)]:
            check(self.db.execute(f"PRAGMA {name}").fetchone()[0] == expected, name)
        tip, = self.rows("tip", "id = 0", "generation first_seq seq anchor chain commits gaps "
                         "layers next_blob")
        settings, = self.rows("settings", "id = 0", "tags retention")
        tags, retention = json.loads(settings["tags"]), json.loads(settings["retention"])
        check(all(isinstance(step, int) and step >= 0 for step in tags.values()), "a tag")
        policies = [retention.get("store", "all"), *retention.get("layers", {}).values()]
        check(all(is_policy(policy) for policy in policies), "a policy")
        self.layers = self.rows("layers", "1 ORDER BY id",
                                "id name dtype shape rows cols created oldest base")
        check([row["id"] for row in self.layers] == [*range(tip["layers"])], "a layer is missing")
        self.commits = self.db.execute("SELECT * FROM commits ORDER BY seq").fetchall()
        columns = "step time notes metadata layers members digest".split()
        seq, chain = tip["first_seq"] - 1, tip["anchor"]
        for row in self.commits:
            if row["before"] is None:
                check(row["seq"] == seq + 1, f"commit {seq + 1}")
            else:  # those between have gone
                check(row["seq"] > seq, f"commit {seq}")
                chain = row["before"]
            seq = row["seq"]
            chain = digest(fields("commits", chain, seq, *[row[column] for column in columns]))
            check(row["chain"] == chain, f"commit {seq}")
            check(row["digest"] == digest(row["states"]), f"the states of commit {seq}")
        check((seq, chain) == (tip["seq"], tip["chain"]), "the newest commit is missing")
        check(len(self.commits) == tip["commits"], "a commit is missing")
        self.gaps = self.rows("gaps", "layer >= 0 ORDER BY layer, first", "layer first last changes")
        check(len(self.gaps) == tip["gaps"], "a gap is missing")
        check(all(gap["first"] <= gap["last"] for gap in self.gaps), "a gap ends before it begins")
        pairs = zip(self.gaps, self.gaps[1:])
        check(all(a["layer"] < b["layer"] or a["last"] < b["first"] for a, b in pairs),
              "gaps overlap")

    def rows(self, table, which, columns):
        """Rows whose sums are right: of the table's name and these columns."""
        rows = self.db.execute(f"SELECT * FROM {table} WHERE {which}").fetchall()
        for row in rows:
            values = [-1 if row[column] is None else row[column] for column in columns.split()]
            check(xxh3_64_intdigest(fields(table, *values)) == row["sum"] % 2**64, table)
        return rows

    def blob(self, owner, run, *key):
        row = self.db.execute(f"SELECT data FROM blobs WHERE id = {owner['blob'] + run}").fetchone()
        check(row and 8 * run < len(owner["manifest"]), "a blob is missing")
        expected, = struct.unpack_from("<Q", owner["manifest"], 8 * run)
        check(xxh3_64_intdigest(fields(*key, run, row["data"])) == expected, "a blob")
        return row["data"]

    def codebook(self, id):
        if id not in self.codebooks:
            data, = self.db.execute(f"SELECT data FROM blobs WHERE id = {id}").fetchone() or [b""]
            expected = struct.pack("<Q", xxh3_64_intdigest(fields("codebook", id, data[8:])))
            check(data[:8] == expected, "a codebook")
            self.codebooks[id] = Codebook(data[8:])
        return self.codebooks[id]

    def keyframe_blob(self, frame, run):
        return Streams(self.blob(frame, run, "keyframe", frame["layer"], frame["step"]))

    def steps(self, layer):
        """Of the base and each step after it: its number, how many weights changed, its digest."""
        steps = [(layer["oldest"], 0, None)]
        gaps = [gap for gap in self.gaps if gap["layer"] == layer["id"]]
        merged = None  # how much the next step changed, with what was merged into it
        for row in self.commits:
            while gaps and gaps[0]["last"] < row["seq"]:
                merged = gaps.pop(0)["changes"]
            if gaps and gaps[0]["first"] <= row["seq"]:
                continue  # this one is no step of the layer any more
            count, listed = row["layers"], row["members"]
            ids = struct.unpack(f"<{count}I", listed) if listed else range(count)
            if layer["id"] not in ids or row["step"] < layer["oldest"]:
                continue
            state = struct.unpack_from("<Q16s", row["states"], 24 * ids.index(layer["id"]))
            if len(steps) == 1 and row["step"] == layer["oldest"]:
                steps.clear()  # the base, or one that replaces it
                merged = None
            check(not steps or row["step"] > steps[-1][0], "steps are out of order")
            changes = state[0] if merged is None else merged
            merged = None
            steps.append((row["step"], changes, state[1]))
        return steps

    def state(self, layer, t):
        """The step that answers for time t, and the tensor's bytes after it."""
        steps = self.steps(layer)
        at = max(i for i, (step, _, _) in enumerate(steps) if step <= t)
        frames = self.rows("keyframes", f"layer = {layer['id']} ORDER BY step",
                           "layer step anchor per_run blob bytes manifest")
        check(not layer["base"] or frames and frames[0]["step"] == layer["oldest"], "the base")
        frames = [frame for frame in frames if frame["step"] <= steps[at][0]]
        size = math.prod(json.loads(layer["shape"])) * SIZES[layer["dtype"]]
        if layer["rows"]:
            tiles = self.tiles(layer, steps, at, frames)
            found = digest(b"".join(digest(tile.tobytes()) for tile in tiles))
            data = row_major(layer, tiles)[:size]
        else:
            data = self.whole(frames[-1], size)
            found = digest(data)
        check(steps[at][2] in (None, found), "a state")
        return steps[at][0], data

    def whole(self, frame, size):
        data = b""
        for piece in range(-(-size // PIECE)):
            streams = self.keyframe_blob(frame, piece)
            data += streams.stream(min(PIECE, size - len(data))).tobytes()
            streams.finish()
        return data

    def tiles(self, layer, steps, at, frames):
        """The tiles of a matrix after the step at a place: a keyframe and all changes since."""
        element = f"<u{SIZES[layer['dtype']]}"
        tiles = [np.zeros(height * width, element) for _, _, height, width in rects(layer)]
        numbers = [step for step, _, _ in steps]
        begin = 0
        if frames:
            begin = numbers.index(frames[-1]["step"])
            anchor = frames[-1]["anchor"]
            anchors = [f for f in frames[:-1] if f["step"] == anchor and f["anchor"] is None]
            check(anchor is None or anchors, "an anchor is missing")
            for frame in anchors + frames[-1:]:
                self.set_to(tiles, frame)

        groups = self.rows("groups", f"layer = {layer['id']} ORDER BY first",
                           "layer first last steps level per_run blob bytes changes codebook "
                           "lattice manifest")
        seen = 1  # the steps before this place are in groups, or changed nothing
        for group in groups:
            own = [i for i in range(1, len(steps)) if group["first"] <= numbers[i] <= group["last"]]
            hidden = group["steps"] - len(own)
            check(own and own[0] >= seen and numbers[own[-1]] == group["last"], "a group")
            cut = hidden > 0 and own[0] == 1 and group["first"] <= layer["oldest"]
            check(cut or hidden == 0 and numbers[own[0]] == group["first"], "a group's steps")
            check(not any(steps[i][1] for i in range(seen, own[0])), "changes are missing")
            seen = own[-1] + 1
            wanted = [hidden + i - own[0] for i in own if begin < i <= at]
            if group["codebook"] is not None:  # is read upon the state before it
                check(hidden == 0 and group["per_run"] == 1, "a dense group is cut")
                check(not wanted or wanted[0] == 0, "a keyframe is inside a dense group")
            if wanted and group["changes"]:
                self.replay(tiles, layer, group, wanted)
        check(not any(changes for _, changes, _ in steps[seen:]), "changes are missing")
        return tiles

    def set_to(self, tiles, frame):
        """Brings tiles to a keyframe; to one with an anchor, from that."""
        for first in range(0, len(tiles), CHUNK):
            chunk = tiles[first:first + CHUNK]
            streams = self.keyframe_blob(frame, first // CHUNK)
            numbers = streams.numbers(sum(tile.size for tile in chunk), chunk[0].itemsize)
            streams.finish()
            for tile in chunk:
                own, numbers = numbers[:tile.size], numbers[tile.size:]
                is_plain = frame["anchor"] is None
                tile[:] = own if is_plain else plain(ordered(tile) + differences(own))

    def replay(self, tiles, layer, group, wanted):
        for first in range(0, len(tiles), group["per_run"]):
            run, number = tiles[first:first + group["per_run"]], first // group["per_run"]
            key = ("block", layer["id"], group["first"], group["last"])
            data = self.blob(group, number, *key)
            if not data:
                continue  # nothing has changed in this run
            if group["codebook"] is None:
                block = read_fast(data, [t.size for t in run], group["steps"], run[0].itemsize)
            elif group["blob"] + number in self.dense:
                block = self.dense[group["blob"] + number]
            else:
                width = rects(layer)[number][3]
                block = read_dense(data, self.codebook(group["codebook"]), layer["dtype"],
                                   run[0], width, group["steps"], group["lattice"] is not None)
                self.dense[group["blob"] + number] = block
            add(run, layer["dtype"], wanted, block, width_of(group["lattice"]))


def rects(layer):
    """Row, column, height and width of the tiles, along the rows of tiles."""
    rows, cols = layer["rows"], layer["cols"]
    corners = [(row, col) for row in range(0, rows, TILE) for col in range(0, cols, TILE)]
    return [(row, col, min(TILE, rows - row), min(TILE, cols - col)) for row, col in corners]


def row_major(layer, tiles):
    matrix = np.zeros((layer["rows"], layer["cols"]), tiles[0].dtype)
    for (row, col, height, width), tile in zip(rects(layer), tiles):
        matrix[row:row + height, col:col + width] = tile.reshape(height, width)
    return matrix.tobytes()


def main(path, *times):
    store = Store(path)
    for t in map(int, times):
        for layer in store.layers:
            if t >= layer["oldest"]:
                step, data = store.state(layer, t)
                header = {"at": t, "layer": layer["name"], "dtype": layer["dtype"],
                          "shape": json.loads(layer["shape"]), "step": step, "bytes": len(data)}
                sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + data)


if __name__ == "__main__":
    main(*sys.argv[1:])
