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
from lfmvl_ros.models.lfm2_vl.attention import attention
from lfmvl_ros.models.lfm2_vl.backend import Lfm2VlBackend
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner

LONG = GenerationSettings(max_new_tokens=80, timeout_s=60.0)
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


@pytest.fixture(scope="module")
def slow(lfm3):
    """The same weights, all of it through transformers' generate."""
    return Lfm2VlBackend(
        lfm3._model, lfm3._processor, name="slow", template=lfm3.template, use_runner=False
    )


def test_its_layers_are_run_by_the_decoder_of_this_package(lfm3, slow, scenes):
    assert Lfm2Runner.supports(lfm3._model)
    layers = lfm3._runner._layers
    assert {layer.kind for layer in layers} == {"conv", "full_attention", "sliding_attention"}
    frames, prompts = scenes(4)
    ask = {"generation": LONG, "image": ImageSettings()}
    for fast, expected in zip(
        lfm3.ground(frames, prompts, **ask), slow.ground(frames, prompts, **ask), strict=True
    ):
        assert [token.id for token in fast.tokens] == [token.id for token in expected.tokens]
        np.testing.assert_allclose(
            [t.logprob for t in fast.tokens], [t.logprob for t in expected.tokens], atol=1e-3
        )


@pytest.mark.parametrize("sizes", [[300], [1] * 90, [7, 1, 32, 3, 200, 57], [250, 10]], ids=str)
def test_any_split_into_appends_gives_the_same_logits(lfm3, sizes):
    """More tokens than the window of its sliding attention, which has 48."""
    ids = torch.randint(500, 2000, (300,), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = lfm3._model(input_ids=ids[None]).logits[0].float()
    runner, start = Lfm2Runner(lfm3._model), 0
    for size in sizes:
        logits = runner.append(ids[start : start + size])
        assert torch.allclose(logits, expected[start : start + size], atol=2e-3)
        runner.append(torch.flip(ids[:9], [0]))  # a draft that was wrong
        runner.length -= 9
        start += size


def test_drafts_do_not_change_a_half_precision_answer(lfm3):
    """Each query attends by itself, within its window as well."""
    torch.manual_seed(2)
    keys, values = torch.randn(2, 2, 90, 16).to(torch.bfloat16)
    queries = torch.randn(4, 6, 16).to(torch.bfloat16)
    for window in (0, 5, 48, 200):
        block = attention(queries, keys, values, 0, window)
        for place in range(6):
            stop = 90 - 6 + place + 1
            one = attention(
                queries[:, place : place + 1], keys[:, :stop], values[:, :stop], 0, window
            )
            assert torch.equal(one[0], block[place])


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
