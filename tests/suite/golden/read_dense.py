"""The dense coding of blocks as docs/format.md says."""

import struct

import numpy as np

from read_blobs import Streams, check, read_raws

# Where the contexts of each kind begin.
CELL, ROWS, COUNT, GAPS, MASKS, CODES, CONTEXTS = 0, 1, 2, 3, 19, 9235, 11283


class Bits:
    def __init__(self, data):
        self.bits, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count):
        check(count <= self.left, "bits are missing")
        taken = self.bits & (1 << count) - 1
        self.bits, self.left = self.bits >> count, self.left - count
        return taken

    def gamma(self):
        zeros = 0
        while not self.take(1):
            zeros += 1
        check(zeros <= 12, "a table has an impossible number")
        return 1 << zeros | self.take(zeros)

    def finish(self):
        check(self.left < 8 and self.bits == 0, "bits are left over")


class Codebook:
    def __init__(self, data):
        streams = Streams(data)
        count = streams.take(1)[0]
        which = streams.stream(CONTEXTS).tolist()
        check(max(which) < count, "a context has no table")
        bits = Bits(streams.data)
        tables = [self.table(bits) for _ in range(count)]
        bits.finish()
        self.tables = [tables[table] for table in which]  # by context

    def table(self, bits):
        """For each number below 4096 a symbol, its frequency, and the number less its first."""
        slots, symbol = [], -1
        while len(slots) < 4096:
            symbol += bits.gamma()
            frequency = bits.gamma()
            check(symbol < 256, "a table has too many symbols")
            slots += [(symbol, frequency, i) for i in range(frequency)]
        check(len(slots) == 4096, "frequencies do not add up")
        return slots


class Coded:
    """The symbols and the bits of a stretch."""

    def __init__(self, codebook, symbols, bits):
        check(len(symbols) >= 16 and len(symbols) % 2 == 0, "symbols are missing")
        self.codebook, self.bits = codebook, Bits(bits)
        self.lanes = list(struct.unpack_from("<4I", symbols))
        self.words = list(struct.unpack(f"<{len(symbols) // 2 - 8}H", symbols[16:]))[::-1]
        check(min(self.lanes) >= 1 << 16, "a state is impossible")

    def symbol(self, context, i):
        """The symbol at place i of its series."""
        state = self.lanes[i % 4]
        symbol, frequency, above = self.codebook.tables[context][state % 4096]
        state = frequency * (state // 4096) + above
        if state < 1 << 16:
            check(self.words, "symbols are missing")
            state = state << 16 | self.words.pop()
        self.lanes[i % 4] = state
        return symbol

    def number(self, context, i):
        symbol = self.symbol(context, i)
        if symbol < 15:
            return symbol
        check(symbol < 73, "a number is of an unknown class")
        rest = (symbol - 15) // 2 + 2
        return (2 + (symbol - 15) % 2) << rest | self.bits.take(rest)

    def finish(self):
        check(self.lanes == [1 << 16] * 4 and not self.words, "symbols are left over")
        self.bits.finish()


class Tile:
    """What is known of each weight."""

    def __init__(self, dtype, bits, width):
        self.size, self.width, self.long = bits.size, width, bits.itemsize == 4
        shift, bias = {"F16": (10, 112), "BF16": (7, 0), "F32": (23, 0)}[dtype]
        exponent = (bits.astype(int) >> shift & (31 if dtype == "F16" else 255)) + bias
        self.scale = np.clip(129 - exponent, 0, 63).tolist()
        self.past = [0] * bits.size
        self.activity = np.zeros(bits.size, int)
        self.size_of_last, self.last_was_down = [0] * bits.size, [False] * bits.size
        self.greatest = (1 << 8 * bits.itemsize) - 1
        self.gain = 32

    def mask_context(self, steps, place):
        return MASKS + 1024 * steps + 16 * self.scale[place] + self.past[place]

    def code(self, place, number):
        """The code that a number stands for, which is the weight's last one then."""
        check(number <= self.greatest, "a code is too large")
        code = number
        if self.last_was_down[place] and 0 < number < self.greatest:
            code = number + 1 if number % 2 else number - 1
        if code:
            self.size_of_last[place] = min(3, (code + 1) // 2)
            self.last_was_down[place] = code % 2 == 1
        return code

    def pass_slab(self, cell):
        """After a slab: who was active in it, and how lately."""
        bits = np.zeros(self.size, int)
        for place, mask in cell:
            bits[place] = mask
        changes = sum(bits >> i & 1 for i in range(8))
        self.activity -= self.activity // 4
        self.activity += self.gain * changes
        np.minimum(self.activity, 255, out=self.activity, where=changes > 0)
        self.gain = 8
        level = np.searchsorted([8, 24, 48, 96], self.activity, side="right")
        when = np.where(bits == 0, 2, np.where(bits < 64, 1, 0))
        self.past = (1 + 3 * level + when).tolist()


def read_cell(coded, tile):
    """The weights that changed in a slab: place and mask."""
    form = coded.symbol(CELL, 0)
    check(form < 3, "a cell is of an unknown form")
    if form == 0:
        return []
    if form == 1:
        count = coded.number(COUNT, 0)
        check(0 < count <= tile.size, "more weights than the tile has")
        context = GAPS + min(15, (tile.size // count).bit_length() - 1)
        gaps = [coded.number(context, i) for i in range(count)]
        places = [i + sum for i, sum in enumerate(np.cumsum(gaps).tolist())]
        check(places[-1] < tile.size, "a place is outside its tile")
        masks = [coded.symbol(tile.mask_context(0, place), i) for i, place in enumerate(places)]
        check(all(masks), "a weight has no changes")
        return list(zip(places, masks))
    cell = []
    rows = [coded.symbol(ROWS, i) for i in range(tile.size // tile.width)]
    for row, steps in enumerate(rows):
        ones = [bit for bit in range(8) if steps >> bit & 1]
        for i in range(tile.width if steps else 0):
            place = row * tile.width + i
            gathered = coded.symbol(tile.mask_context(len(ones), place), i)
            check(gathered >> len(ones) == 0, "a mask has too many bits")
            if gathered:
                cell.append((place, sum((gathered >> i & 1) << bit for i, bit in enumerate(ones))))
    return cell


def read_codes(coded, tile, cell, snapped):
    """The codes of each weight of a cell; `snapped` ones are steps of a lattice."""
    counts = [mask.bit_count() for _, mask in cell]
    codes = [[] for _ in cell]
    for rank in range(max(counts, default=0)):
        sizes = []  # of the changes of this rank: in steps, or less their scales
        for i, at in enumerate([at for at, count in enumerate(counts) if count > rank]):
            place = cell[at][0]
            size = tile.scale[place]
            if tile.long:
                end = i - i % 4
                eight = sum(sizes[end - 8:end]) if end >= 8 else None
                if eight is None:
                    size = 63
                else:
                    size = max(0, min(62, eight // 2 if snapped else (eight + 8 * size) // 4))
            context = CODES + 32 * size + 4 * (counts[at] - 1) + tile.size_of_last[place]
            code = tile.code(place, coded.number(context, i))
            steps = min(15, (code + 1) // 2)
            sizes.append(steps if snapped else max(code, 1).bit_length() - 1 - tile.scale[place])
            codes[at].append(code)
    return codes


def read_dense(data, codebook, dtype, bits, width, steps, snapped):
    """The changes of a tile, as read_fast gives those of a run; `bits` are the tile's before them."""
    streams = Streams(data)
    check(streams.take(1) == b"\x04", "a block is of an unknown form")
    tile = Tile(dtype, bits, width)
    slab, end, changes, raws = 0, -(-steps // 8), [], []
    while slab < end:
        slabs, *sizes = struct.unpack("<HII", streams.take(10))
        check(0 < slabs <= end - slab, "slabs too many or too few")
        coded = Coded(codebook, *[streams.take(size) for size in sizes])
        first = len(changes)
        for slab in range(slab, slab + slabs):
            cell = read_cell(coded, tile)
            for (place, mask), codes in zip(cell, read_codes(coded, tile, cell, snapped)):
                ones = [bit for bit in range(8) if mask >> bit & 1]
                changes += [(place, 8 * slab + bit, code) for bit, code in zip(ones, codes)]
            tile.pass_slab(cell)
        slab += 1
        coded.finish()
        zeros = sum(code == 0 for _, _, code in changes[first:])
        raws += read_raws(streams, zeros) if zeros else []
    streams.finish()
    place, step, codes = np.array(changes, int).reshape(-1, 3).T
    check((step < steps).all(), "a change of nothing")
    return np.zeros_like(place), place, step, codes.astype(bits.dtype), raws
