"""Makes the bytes of one file: a head that names the file, slices of a block that is made once, a tail.

Pure: values in, bytes out. Every head holds a digest of seed, tree and path, so files of 16 bytes and more differ
(stamps differ by their time, flags by their name), and so do the 1 MiB pieces of one large file. Text is well-formed,
its values are noise. Binary files begin as their format does and are noise after that; no reader will open them.
"""

from __future__ import annotations

import os.path
import random
from typing import Callable, Dict, Iterator, NamedTuple, Tuple, Union

import xxhash

from vdt.sample.catalogue import Content
from vdt.sample.planner import PlannedFile, flag_text

PIECE_BYTES = 1_048_576
_NOISE_BLOCK_BYTES = 4 * PIECE_BYTES
_TEXT_BLOCK_BYTES = 2 * PIECE_BYTES
_ROW_BYTES = 4_096  # of a picture, of which each end is empty:
_BORDER_BYTES = 512
_CAMERA_LEVELS = bytes(100 + value % 100 for value in range(256))  # dark level and noise: compresses about two-fold
_NOISE = frozenset({Content.DAX, Content.IMAGE, Content.BINARY})

_MAGIC = {
    ".tif": b"II*\x00\x08\x00\x00\x00",
    ".jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01",
    ".png": b"\x89PNG\r\n\x1a\n",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".hdf5": b"\x89HDF\r\n\x1a\n",
    ".npy": b"\x93NUMPY\x01\x00",
    ".parquet": b"PAR1",
    ".vzg": b"PK\x03\x04",
    ".pkl": b"\x80\x04\x95",
    ".gpickle": b"\x80\x04\x95",
}

_Piece = Union[bytes, memoryview]


class _Block(NamedTuple):
    """Bytes of which many files hold slices; a line, item, pixel or row in it is `width` bytes."""

    data: memoryview
    width: int


class Contents:
    """The contents of one run's files. One object belongs to one thread: it keeps the blocks it has made."""

    def __init__(self, *, run_id: str, seed: int) -> None:
        self._run_id = run_id
        self._seed = seed
        self._blocks: Dict[Content, _Block] = {}

    def pieces(self, file: PlannedFile) -> Iterator[_Piece]:
        """Yield the file's bytes in order, `size_bytes` in all, in pieces of little more than 1 MiB at most."""
        if file.content is Content.FLAG:
            yield flag_text(self._run_id, file.path).encode("ascii")
        elif file.content is Content.STAMP:
            yield _fit(_stamp_text(file.mtime_ns), file.size_bytes)
        else:
            digest: bytes = xxhash.xxh3_128_digest(f"{self._seed}/{file.tree}/{file.path}".encode())
            yield from self._framed(file, digest)

    def _framed(self, file: PlannedFile, digest: bytes) -> Iterator[_Piece]:
        head, tail = _frame(file, self._run_id, digest)
        body_bytes = file.size_bytes - len(head) - len(tail)
        if body_bytes < 0:
            yield _fit(digest if file.content in _NOISE else digest.hex().encode("ascii"), file.size_bytes)
            return
        block = self._block(file.content)
        rest_bytes = 0 if file.content in _NOISE else body_bytes % block.width
        body_bytes -= rest_bytes
        tail = _filler(file.content, rest_bytes) + tail
        key = int.from_bytes(digest[:8], "little")
        if body_bytes <= PIECE_BYTES:
            yield b"".join((head, _slice(block, key, body_bytes), tail))
            return
        yield head
        step = PIECE_BYTES - PIECE_BYTES % block.width
        for index, offset in enumerate(range(0, body_bytes, step)):
            yield _slice(block, key + index * 7_919, min(step, body_bytes - offset))
        yield tail

    def _block(self, content: Content) -> _Block:
        if content not in self._blocks:
            rng = random.Random(f"{self._seed}/block/{content.value}")
            self._blocks[content] = _BLOCK_MAKERS[content](rng)
        return self._blocks[content]


def _slice(block: _Block, key: int, size_bytes: int) -> memoryview:
    """`size_bytes` of the block from a place that `key` chooses."""
    places = (len(block.data) - size_bytes) // block.width + 1
    start = key % places * block.width
    return block.data[start : start + size_bytes]


def _frame(file: PlannedFile, run_id: str, digest: bytes) -> Tuple[bytes, bytes]:
    """What stands before and after the slices."""
    name = digest.hex()
    if file.content is Content.JSON:
        return f'{{"run": "{run_id}", "digest": "{name}", "values": [0'.encode("ascii"), b"]}\n"
    if file.content is Content.TOML:
        return f'run = "{run_id}"\ndigest = "{name}"\nvalues = [0'.encode("ascii"), b"]\n"
    if file.content is Content.CSV:
        number = int.from_bytes(digest[8:], "little")
        row = _csv_row(number % 10**7, number >> 24 & 0xFFFFF, number >> 44, number % 398)
        return b"barcode_id,global_x,global_y,fov\n" + row, b""
    if file.content is Content.INF:
        lines = f"machine name = MERSCOPE\nrun = {run_id}\ndigest = {name}\nframe dimensions = 2304 x 2304\n"
        return lines.encode("ascii"), b"data type = 16 bit integers (little endian)\n"
    if file.content is Content.LOG:
        return f"run {run_id} digest {name}\n".encode("ascii"), b""
    return _MAGIC.get(os.path.splitext(file.path)[1], b"") + digest, b""


def _filler(content: Content, size_bytes: int) -> bytes:
    """Less than one line or item: spaces inside a list, a line of zeros elsewhere."""
    if content in (Content.JSON, Content.TOML):
        return b" " * size_bytes
    return b"0" * (size_bytes - 1) + b"\n" if size_bytes else b""


def _fit(data: bytes, size_bytes: int) -> bytes:
    """Cut, or fill with newlines."""
    return data[:size_bytes].ljust(size_bytes, b"\n")


def _stamp_text(mtime_ns: int) -> bytes:
    """Seconds since 1970 with seven decimals: 18 bytes until the year 2286."""
    seconds, ns = divmod(mtime_ns, 1_000_000_000)
    return f"{seconds}.{ns // 100:07d}".encode("ascii")


def _csv_row(barcode: int, x: int, y: int, fov: int) -> bytes:
    """One line of 32 bytes; `x` and `y` are in thousandths, below 2**20."""
    return b"%07d,%05d.%03d,%05d.%03d,%03d\n" % (barcode, x // 1000, x % 1000, y // 1000, y % 1000, fov)


def _text_block(line: Callable[[random.Random], bytes], rng: random.Random) -> _Block:
    first = line(rng)
    lines = [first, *(line(rng) for _ in range(_TEXT_BLOCK_BYTES // len(first) - 1))]
    return _Block(memoryview(b"".join(lines)), len(first))


def _csv_block(rng: random.Random) -> _Block:
    draw = rng.getrandbits
    return _text_block(lambda _: _csv_row(draw(23), draw(20), draw(20), draw(8)), rng)


def _list_block(rng: random.Random) -> _Block:
    return _text_block(lambda r: b", %07d" % (1_000_000 + r.getrandbits(22)), rng)


def _inf_block(rng: random.Random) -> _Block:
    return _text_block(lambda r: b"stage %02d = %06d\n" % (r.getrandbits(4), r.getrandbits(19)), rng)


def _log_block(rng: random.Random) -> _Block:
    return _text_block(lambda r: b"INFO step %07d took %04d ms\n" % (r.getrandbits(23), r.getrandbits(13)), rng)


def _dax_block(rng: random.Random) -> _Block:
    return _Block(memoryview(bytes(_camera_frames(rng))), 2)


def _image_block(rng: random.Random) -> _Block:
    pixels = _camera_frames(rng)
    border = bytes(_BORDER_BYTES)
    for row in range(0, len(pixels), _ROW_BYTES):
        pixels[row : row + _BORDER_BYTES] = border
        pixels[row + _ROW_BYTES - _BORDER_BYTES : row + _ROW_BYTES] = border
    return _Block(memoryview(bytes(pixels)), 2)


def _camera_frames(rng: random.Random) -> bytearray:
    """Little-endian 16-bit values from 100 to 199."""
    pixels = bytearray(_NOISE_BLOCK_BYTES)
    pixels[::2] = rng.randbytes(_NOISE_BLOCK_BYTES // 2).translate(_CAMERA_LEVELS)
    return pixels


def _binary_block(rng: random.Random) -> _Block:
    return _Block(memoryview(rng.randbytes(_NOISE_BLOCK_BYTES)), 1)


_BLOCK_MAKERS: Dict[Content, Callable[[random.Random], _Block]] = {
    Content.DAX: _dax_block,
    Content.IMAGE: _image_block,
    Content.BINARY: _binary_block,
    Content.CSV: _csv_block,
    Content.JSON: _list_block,
    Content.TOML: _list_block,
    Content.INF: _inf_block,
    Content.LOG: _log_block,
}
