# SPDX-License-Identifier: Apache-2.0
"""How large rosless is: `python rosless/test/size.py` prints its lines and those of code."""

import ast
import io
import tokenize
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "rosless"
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(text: str) -> int:
    """Lines that are neither blank, nor comment alone, nor part of a docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (*_NO_CODE, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def sizes() -> tuple[int, int]:
    """(lines, lines of code) of all Python files in `src`."""
    texts = [path.read_text() for path in SOURCE.rglob("*.py")]
    return sum(len(text.splitlines()) for text in texts), sum(map(code_lines, texts))


if __name__ == "__main__":
    print("{} lines, {} of them code".format(*sizes()))
