# SPDX-License-Identifier: Apache-2.0
"""LFM3-VL through transformers' own class: the same answers as without this package."""

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.image_tokens import count_image_tokens
from lfmvl_ros.core.query import Query
from lfmvl_ros.models.checkpoint_files import check_architecture, image_rules
from lfmvl_ros.models.gguf.export import export_gguf

SHORT = GenerationSettings(max_new_tokens=24, timeout_s=60.0)


def ask(model, wh, image=None):
    rng = np.random.default_rng(wh[0])
    frame = Frame(rng.integers(0, 256, (wh[1], wh[0], 3), dtype=np.uint8), 0)
    prompt = model.template.render(Query.parse("red tote"))
    (reply,) = model.ground([frame], [prompt], generation=SHORT, image=image or ImageSettings())
    assert reply.error is None
    return reply, frame, prompt


def test_the_same_tokens_as_transformers_alone(lfm3):
    reply, frame, prompt = ask(lfm3, (320, 240))
    model, processor = lfm3._model, lfm3._processor
    seen = processor.image_processor(images=[frame.pixels], return_tensors="pt")
    count = int(seen["image_grid_thw"].prod()) // 4
    content = [{"type": "image"}, {"type": "text", "text": prompt.text}]
    text = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    ).replace("<|image|>", "<|image|>" * count)
    asked = processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        ids = model.generate(**asked, **seen, max_new_tokens=24, do_sample=False)
    assert reply.image_tokens == count
    written = ids[0, asked["input_ids"].shape[1] :].tolist()
    assert [token.id for token in reply.tokens] == written[: len(reply.tokens)]
    assert len(reply.tokens) >= min(len(written), 12)


@pytest.mark.parametrize("wh", [(640, 480), (1280, 720), (96, 200), (33, 1000), (512, 512)])
def test_images_take_as_many_tokens_as_the_rules_say(lfm3, lfm3_checkpoint, wh):
    assert image_rules(lfm3_checkpoint) == lfm3.image_rules(ImageSettings())
    for image in (ImageSettings(), ImageSettings(min_tokens=16, max_tokens=48)):
        reply, _, _ = ask(lfm3, wh, image)
        assert reply.image_tokens == count_image_tokens(wh, lfm3.image_rules(image)).tokens


def test_tags_of_thoughts_stay_in_the_text(lfm3):
    """The test's tokenizer declares them special; without them a thought would be an answer."""
    ids = lfm3._processor.tokenizer.encode("<think>[1]</think>[]", add_special_tokens=False)
    assert "".join(lfm3._texts.split(ids)) == "<think>[1]</think>[]"


def test_older_transformers_and_gguf_are_refused_in_words(lfm3_checkpoint, tmp_path):
    with pytest.raises(UserError, match=r"install transformers>=5\.23"):
        check_architecture("lfm3_vl", "a/b", version="5.22.1")
    check_architecture("lfm3_vl", "a/b", version="5.23.0")
    pytest.importorskip("gguf")
    with pytest.raises(UserError, match="takes checkpoints of LFM2-VL only"):
        export_gguf(lfm3_checkpoint, tmp_path, "f16", name="x")
