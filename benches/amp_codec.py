"""AMP without a socket: boxes and whole messages, beside Twisted's and beside a plain C extension.

python benches/amp_codec.py [--quick] [--json]
"""

import gc
import importlib.util
import json
import pickle
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from functools import partial
from pathlib import Path

from twisted.internet.testing import StringTransport
from twisted.protocols.amp import AmpBox, BinaryBoxProtocol

from portal._native import READ, AmpDecoder, encode_box, encode_message, scan_pickle
from results import table
from timing import timed

SIZES = {"60 B": 60, "2 KB": 2048, "64 KB": 60_000}
COMMAND, KEY = b"MsgServer2Portal", b"packed_data"
# What one read of a busy link brings.
READ_BYTES = 64 * 1024
CUT = 65_535
C_SOURCE = Path(__file__).parent / "peers" / "ampbox.c"
# An ordinary game's text, repeated for longer ones.
PROSE = (
    b"The old oak table stands in the corner of the room, scarred by generations of knives, mugs "
    b"and elbows. A candle burns low on it; Anna sits behind, and looks at you without a word. "
)


def build_floor():
    """The C extension as a module, or None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "ampbox.so"
        include = sysconfig.get_path("include")
        command = [compiler, "-O2", "-shared", "-fPIC", f"-I{include}", "-o", library, C_SOURCE]
        if subprocess.run(command, check=False).returncode != 0:
            return None
        spec = importlib.util.spec_from_file_location("ampbox", library)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


class Boxes:
    """Takes Twisted's boxes, as its AMP does."""

    def startReceivingBoxes(self, sender):
        pass

    def ampBoxReceived(self, box):
        self.last = box

    def stopReceivingBoxes(self, reason):
        pass


def twisted_parser():
    protocol = BinaryBoxProtocol(Boxes())
    protocol.makeConnection(StringTransport())
    return protocol.dataReceived


def stock_message(payload):
    """A whole message as Evennia and Twisted write it."""
    box = AmpBox({b"_ask": b"1a2b", b"_command": COMMAND})
    for index, start in enumerate(range(0, max(len(payload), 1), CUT)):
        name = KEY if index == 0 else KEY + b".%d" % (index + 1)
        box[name] = zlib.compress(payload[start : start + CUT], 9)
    return box.serialize()


def stock_payload(box):
    """The payload of such a message."""
    parts, number = [zlib.decompress(box[KEY])], 2
    while (name := KEY + b".%d" % number) in box:
        parts.append(zlib.decompress(box[name]))
        number += 1
    return b"".join(parts)


def stock_receiver():
    boxes = Boxes()
    protocol = BinaryBoxProtocol(boxes)
    protocol.makeConnection(StringTransport())

    def receive(data):
        protocol.dataReceived(data)
        return pickle.loads(stock_payload(boxes.last))

    return receive


def payload_of(size):
    """A message whose pickle has about that size."""
    text = (PROSE * (size // len(PROSE) + 1))[: max(size - 40, 1)].decode()
    return pickle.dumps((7, {"text": [[text], {}]}), 5)


def session_sync():
    """What a session's state looks like when it goes to the Server."""
    flags = dict.fromkeys(["ANSI", "XTERM256", "UTF-8", "TTYPE", "MXP", "OOB"], True)
    flags |= {"CLIENTNAME": "MUDLET", "ENCODING": "utf-8", "SCREENWIDTH": {0: 78}}
    session = {
        "protocol_key": "telnet",
        "address": "192.0.2.1",
        "sessid": 7,
        "uid": 12,
        "uname": "Anna",
        "logged_in": True,
        "conn_time": 1_700_000_000.5,
        "cmd_total": 17,
        "server_data": {},
        "protocol_flags": flags,
    }
    return pickle.dumps((7, {"operation": "\x08", "sessiondata": session}), 5)


def box_subjects(size, floor):
    """Boxes of a header and one plain value: written one by one, read by the 64 KB."""
    box = {b"_ask": b"1a2b", b"_command": COMMAND, KEY: b"x" * size}
    twisted_box = AmpBox(box)
    wire = twisted_box.serialize()
    count = max(READ_BYTES // len(wire), 1)
    stream = wire * count
    write = {"portal": partial(encode_box, box), "twisted": partial(twisted_box.serialize)}
    decoder, parser = AmpDecoder({}), twisted_parser()
    read = {"portal": partial(decoder.receive_data, stream), "twisted": partial(parser, stream)}
    if floor is not None:
        write["c"] = partial(floor.serialize, box)
        read["c"] = partial(floor.parse, stream)
        if floor.serialize(box) != wire or floor.parse(wire) != [box]:
            raise AssertionError("the C extension does something else")
    return {"box written": (1, write), "box read": (count, read)}


def message_subjects(size):
    """Whole messages, written from a pickle and read to the values; Portal's reading scans too."""
    payload = payload_of(size)
    decoder, receive = AmpDecoder({COMMAND: KEY}), stock_receiver()
    stored = encode_message(COMMAND, KEY, payload, 0x1A2B, 0)
    deflated = stock_message(payload)
    for wire in (stored, deflated):
        if decoder.receive_data(wire) != [(COMMAND, b"1a2b", pickle.loads(payload), READ, "")]:
            raise AssertionError("the message does not come back")
    return {
        "message written": (
            1,
            {
                "portal": partial(encode_message, COMMAND, KEY, payload, 0x1A2B, 0),
                "portal, level 9": partial(encode_message, COMMAND, KEY, payload, 0x1A2B, 9),
                "twisted": partial(stock_message, payload),
            },
        ),
        "message read": (
            1,
            {
                "portal": partial(decoder.receive_data, stored),
                "portal, level 9": partial(decoder.receive_data, deflated),
                "twisted": partial(receive, deflated),
            },
        ),
    }


def scan_subjects():
    """The scan alone, beside the reading that it makes safe."""
    pickles = {
        "scan of a text": payload_of(60),
        "scan of a text of 2 KB": payload_of(2048),
        "scan of a session": session_sync(),
    }

    def sides(data):
        return {"portal": partial(scan_pickle, data), "pickle.loads": partial(pickle.loads, data)}

    return {name: (1, sides(data)) for name, data in pickles.items()}


# Calls are partials on every side: a lambda would cost as much as a box does.


def measure(subjects, *, quick):
    """Each subject's figures: nanoseconds of its sides, which take turns, and the ratios."""
    rounds, seconds = (9, 0.01) if quick else (41, 0.02)
    figures = {}
    for name, (things, sides) in subjects.items():
        samples = {side: [] for side in sides}
        for _ in range(rounds):
            for side, function in sides.items():
                samples[side].append(timed(function, seconds) / things * 1e9)
        figures[name] = summary(samples)
    return figures


def summary(samples):
    """Medians; those of ratios are of one turn each, which other work on the machine slows alike."""

    def ratio(side, to):
        turns = zip(samples[side], samples[to], strict=True)
        return statistics.median(one / other for one, other in turns)

    figures = {"ns": {side: statistics.median(taken) for side, taken in samples.items()}}
    if "twisted" in samples:
        figures["over_twisted"] = ratio("twisted", "portal")
    if "c" in samples:
        figures["of_c"] = ratio("portal", "c")
    return figures


def run(*, quick=False):
    """Measure: {subject: {"ns": {side: ns}, "over_twisted": ratio, "of_c": ratio}}.

    The subjects are "box written, 60 B" and so on; `of_c` is left out where nothing compiles C.
    """
    floor = build_floor()
    figures = {}
    gc.disable()  # the dicts that are measured are no garbage to look for
    try:
        for label, size in SIZES.items():
            subjects = box_subjects(size, floor) | message_subjects(size)
            for name, taken in measure(subjects, quick=quick).items():
                figures[f"{name}, {label}"] = taken
        figures |= measure(scan_subjects(), quick=quick)
    finally:
        gc.enable()
    return figures


def main(arguments):
    figures = run(quick="--quick" in arguments)
    if "--json" in arguments:
        print(json.dumps(figures, indent=1))
        return
    heads = ["ns", "Portal", "level 9", "Twisted", "C", "pickle.loads", "over Twisted", "of C"]
    sides = ("portal", "portal, level 9", "twisted", "c", "pickle.loads")
    rows = [
        [
            name,
            *(taken["ns"].get(side) for side in sides),
            taken.get("over_twisted"),
            taken.get("of_c"),
        ]
        for name, taken in figures.items()
    ]
    print(table(heads, rows))
    if not any("c" in taken["ns"] for taken in figures.values()):
        print("No C compiler (cc): the floor is missing.")


if __name__ == "__main__":
    main(sys.argv[1:])
