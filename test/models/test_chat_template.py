# SPDX-License-Identifier: Apache-2.0
"""Chat templates that do harm are refused when they are loaded, by a process with limits."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.models.chat_template import check_chat_template, user_turn
from lfmvl_ros.models.load import load_model
from lfmvl_ros.models.template_child import rendered

HARMFUL = {
    "loops": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "processor time",
    ),
    "doubles": (
        "{% macro m(n) %}{% if n %}{{ m(n - 1) + m(n - 1) }}{% endif %}{% endmacro %}{{ m(99) }}",
        "processor time",
    ),
    "calls itself": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
    "fills memory": ("{{ 'a' * 4000000000 }}", "memory"),
    "counts": ("{{ 9 ** (9 ** 9) }}", "processor time"),
    "writes much": ("{% for a in range(9999) %}{{ 'abcdefghijklm' }}{% endfor %}", "100,000"),
    "a long range": ("{% for a in range(10 ** 9) %}{% endfor %}", "Range too big"),
    "no question": ("{{ bos_token }}hello", "writes the question 0 times"),
    "twice": (
        "{% for x in messages[0].content * 2 %}{{ x.text }}{% endfor %}",
        "writes the question 2 times",
    ),
    "a mistake": ("{% for %}", "TemplateSyntaxError"),
    "Python": ("{{ ''.__class__.__mro__ }}", "SecurityError"),
}


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint, tmp_path / "copy")


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_templates(backend: Any, name: str) -> None:
    class Processor:
        tokenizer = backend._processor.tokenizer
        chat_template = HARMFUL[name][0]

    before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(UserError, match=HARMFUL[name][1]) as caught:
        check_chat_template(Processor, "x")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s < 10
    assert "\n" not in str(caught.value)


def test_a_checkpoint_with_a_template_that_loops(copy: Path) -> None:
    path = copy / "chat_template.jinja"
    path.write_text(HARMFUL["loops"][0] + path.read_text())
    with pytest.raises(UserError, match=r"chat_template.jinja\) can't be used: it does not end"):
        load_model(str(copy), device="cpu")


def test_a_checkpoint_without_a_template(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="has no chat template"):
        load_model(str(copy), device="cpu")


@pytest.mark.parametrize("fixture", ["backend", "lfm3"])
def test_the_trial_writes_what_transformers_writes(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    processor = request.getfixturevalue(fixture)._processor
    text = "what is there? {{ 1 }} <b>"
    template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    tokens = processor.tokenizer.special_tokens_map
    want = processor.apply_chat_template(
        user_turn(text), add_generation_prompt=True, tokenize=False
    )
    given = {key: value for key, value in tokens.items() if isinstance(value, str)}
    assert rendered(template, given, user_turn(text)) == want
