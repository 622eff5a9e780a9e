# SPDX-License-Identifier: Apache-2.0
"""A short run of a very small model: it learns, resumes to the bit, and exports a checkpoint."""

from dataclasses import replace

import pytest
import torch

from lfmvl_ros.core.errors import UserError
from lfmvl_warehouse.training.data.batches import BatchStream, StreamSettings
from lfmvl_warehouse.training.data.sources import views
from lfmvl_warehouse.training.model.build import ModelShape
from lfmvl_warehouse.training.run.train_settings import TrainSettings, curriculum
from lfmvl_warehouse.training.run.trainer import Trainer

STEPS = 20


@pytest.fixture
def settings(tmp_path):
    return TrainSettings(
        out=tmp_path,
        steps=STEPS,
        processes=1,
        shape=ModelShape(32, 1, 64, "ca", 64),
        stream=StreamSettings(batch=3, chunk=6, reuse=2, scene_objects=3),
        max_objects=3,
        vision_share=0.0,
        evaluation_scenes=2,
    )


def advance(trainer, first, last):
    return [trainer.advance(step / STEPS) for step in range(first, last)]


def test_twenty_steps_lower_the_loss(settings, rectangles):
    figures = advance(Trainer(settings, rectangles), 0, STEPS)
    for name, share in (("word", 0.95), ("kind", 0.95)):
        values = [figure[name] for figure in figures]
        assert sum(values[-5:]) < share * sum(values[:5]), name


def test_a_resumed_run_is_the_same_run(settings, rectangles):
    whole = Trainer(settings, rectangles)
    advance(whole, 0, STEPS)
    first = Trainer(settings, rectangles)
    advance(first, 0, 8)  # in the middle of a chunk
    first.save()
    second = Trainer(settings, rectangles)
    second.resume()
    assert second.step == 8
    advance(second, 8, STEPS)
    for one, other in ((whole.network, second.network), (whole.average, second.average)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


def test_words_that_come_later_join_the_run(settings, rectangles):
    first = Trainer(settings, rectangles)
    advance(first, 0, 3)
    first.save()
    spanish = type(rectangles)()
    words = {"es": {"tote": "cubeta", "pallet": "palé de madera"}}
    spanish.vocabulary = replace(rectangles.vocabulary, languages=words)
    second = Trainer(settings, spanish)
    second.resume()
    known = len(first.tokenizer)
    assert len(second.tokenizer) > known
    name = "model.model.language_model.embed_tokens.weight"
    rows = [trainer.network.state_dict()[name] for trainer in (first, second)]
    assert torch.equal(rows[0][:known], rows[1][:known])
    average = second.average.get_input_embeddings().weight
    assert not torch.equal(average[known:], torch.zeros_like(average[known:]))
    advance(second, 3, 6)
    second.save()
    third = Trainer(settings, spanish)
    third.resume()  # the words are those of the state now, not begun anew
    assert torch.equal(second.network.state_dict()[name], third.network.state_dict()[name])
    assert torch.equal(
        second.average.get_input_embeddings().weight, third.average.get_input_embeddings().weight
    )


def test_a_state_of_another_shape_is_refused(settings, rectangles):
    Trainer(settings, rectangles).save()
    other = replace(settings, shape=ModelShape(64, 1, 64, "ca", 64))
    with pytest.raises(UserError, match="choose another directory"):
        Trainer(other, rectangles).resume()


def test_ranks_see_different_scenes_on_the_same_grids(rectangles, tokenizer):
    streams = [
        BatchStream(rectangles, tokenizer, views(), StreamSettings(rank=r, batch=2, chunk=6))
        for r in (0, 1)
    ]
    first, second = (stream.chunk(3, max_objects=2) for stream in streams)
    assert [batch.grid for batch in first] == [batch.grid for batch in second]
    assert len(first) == 6
    assert not all(
        torch.equal(a.images[0], b.images[0]) for a, b in zip(first, second, strict=True)
    )
    again = streams[0].chunk(3, max_objects=2)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(first, again, strict=True))


def test_the_curriculum_grows():
    assert [curriculum(progress, 8) for progress in (0.0, 0.2, 0.5)] == [2, 4, 8]
    assert curriculum(0.2, 3) == 3


def test_a_run_goes_on_with_more_vision_blocks_where_it_was(settings, rectangles):
    first = Trainer(settings, rectangles)
    advance(first, 0, 8)
    first.save()
    deeper = replace(settings, shape=replace(settings.shape, vision_layers=3))
    second = Trainer(deeper, rectangles)
    second.resume()
    grid = second.views[0].grid
    patches = torch.randn(2, grid.patches, 768)
    with torch.no_grad():
        before, after = (t.network.see(patches, grid) for t in (first, second))
    assert torch.equal(before, after)  # the new ones add nothing yet
    silent = second.model.model.vision_tower.encoder.layers[1].mlp.fc2.weight
    assert not silent.any()
    for name in ("muon", "adam"):
        moments = [getattr(t.optimisers, name).state_dict()["state"] for t in (first, second)]
        assert len(moments[1]) == len(moments[0]), name  # those of the copies begin at rest
        wanted = [t.optimisers.names[name] for t in (first, second)]
        places = {other: place for place, other in enumerate(wanted[1])}
        last = next(n for n in wanted[0] if "post_layernorm" in n or "out_proj" in n)
        for key, value in moments[0][wanted[0].index(last)].items():
            assert torch.equal(value, moments[1][places[last]][key]), (name, key)
    advance(second, 8, 11)
    assert silent.any()
    second.save()
    with pytest.raises(UserError, match="choose another directory"):
        Trainer(settings, rectangles).resume()  # fewer won't do


def test_impossible_machines_are_refused(settings):
    with pytest.raises(ValueError, match="one process trains on cuda, got 2"):
        replace(settings, device="cuda", processes=2)
    with pytest.raises(ValueError, match="workers is at least 0"):
        replace(settings, workers=-1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_learns_and_a_cpu_goes_on(settings, rectangles):
    first = Trainer(replace(settings, device="cuda"), rectangles)
    figures = advance(first, 0, STEPS - 2)
    assert figures[-1]["kind"] < figures[0]["kind"]
    first.save()
    second = Trainer(settings, rectangles)
    second.resume()
    advance(second, STEPS - 2, STEPS)
    third = Trainer(replace(settings, device="cuda"), rectangles)
    third.resume()
    advance(third, STEPS - 2, STEPS)
