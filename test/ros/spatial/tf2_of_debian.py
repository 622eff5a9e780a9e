# SPDX-License-Identifier: Apache-2.0
"""The transform buffer of ROS 1's tf2, for the interpreter of Debian's package ``python3-tf2``.

PyPI has no tf2. Debian has that of ROS 1, from which ROS 2's was ported, with the same rules. It
needs Debian's own Python, so this file runs there as a program of its own: a request in JSON on
each line of its input, and an answer on each line of its output. It imports nothing of this
project. `Tf2OfDebian` in `buffers.py` speaks to it.
"""

import json
import sys

import genpy
import tf2_py
from geometry_msgs.msg import TransformStamped

NS = 1_000_000_000
ERRORS = {
    tf2_py.LookupException: "unknown",
    tf2_py.ConnectivityException: "disconnected",
    tf2_py.ExtrapolationException: "extrapolation",
}


def made(parent, child, stamp_ns, move, turn):
    """Return a message with a transform."""
    message = TransformStamped()
    message.header.frame_id, message.child_frame_id = parent, child
    message.header.stamp = genpy.Time(*divmod(stamp_ns, NS))
    at, q = message.transform.translation, message.transform.rotation
    at.x, at.y, at.z = move
    q.x, q.y, q.z, q.w = turn
    return message


def answer(buffer, what, *words):
    """Return what the buffer says to one request."""
    if what == "add":
        *transform, static = words
        add = buffer.set_transform_static if static else buffer.set_transform
        add(made(*transform), "test")
        return None
    target, source, stamp_ns = words
    try:
        stamp = genpy.Time(*divmod(stamp_ns, NS))
        found = buffer.lookup_transform_core(target, source, stamp).transform
    except tuple(ERRORS) as error:
        return {"error": ERRORS[type(error)]}
    at, q = found.translation, found.rotation
    return {"move": [at.x, at.y, at.z], "turn": [q.x, q.y, q.z, q.w]}


def main():
    buffer = None
    for line in sys.stdin:
        what, *words = json.loads(line)
        if what == "new":
            buffer, result = tf2_py.BufferCore(genpy.Duration.from_sec(words[0])), None
        else:
            result = answer(buffer, what, *words)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
