# SPDX-License-Identifier: Apache-2.0
"""Tokens of the scanner, and limits of what is read. All patterns take linear time."""

from __future__ import annotations

import re

MAX_CHARACTERS = 200_000
"""An answer is read up to here: ten times the length of the longest answer, 4096 tokens."""
MAX_DEPTH = 32
"""Brackets nested deeper are not read; real answers need 4."""

TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<comma>,) | (?P<colon>:)
    | (?P<open>[\[{(]) | (?P<close>[\]})])
    | (?P<quote>\\?["']|[“‘])
    | (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?=[\s,:\[\]{}()"']|\Z))
    | (?P<word>[^\s,:\[\]{}()"“‘\\]+)
    | (?P<junk>.)""",
    re.VERBOSE | re.DOTALL,
)
STRICT_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PLAIN = r'[^\x00-\x1f"\\]*'
STRICT_STRING = re.compile(rf'{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*')
CLOSERS = {
    '"': re.compile(r'\\.|"', re.DOTALL),
    "'": re.compile(r"\\.|'", re.DOTALL),
    "“": re.compile(r'\\.|[”“"]', re.DOTALL),
    "‘": re.compile(r"\\.|[’‘']", re.DOTALL),
    '\\"': re.compile(r'\\"'),
    "\\'": re.compile(r"\\'"),
}
# A quote ends a string only where the text can continue after a string; else it belongs to it
# ("19" rack", 'worker's helmet').
AFTER_STRING = re.compile(r"""\s*(?:[,:\]})"'“‘\\]|```|\Z)""")
INNER_QUOTE = re.compile("[\"'“”‘’]")
OPEN = re.compile(r"[\[{]")
