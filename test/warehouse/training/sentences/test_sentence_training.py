# SPDX-License-Identifier: Apache-2.0
"""A tiny sentence model is trained, interrupted, resumed, and loads as the node loads it."""

import argparse
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer

from lfmvl_ros.core.config import GenerationSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.prompt import TextPrompt
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.finetune.run_folder import CHECKPOINT_DIRECTORY, STATE_FILE, read_state
from lfmvl_ros.models.lfm2_vl.loading import load_language_model
from lfmvl_ros.models.lfm2_vl.model_inputs import text_inputs
from lfmvl_ros.models.lfm2_vl.sentences import UNSURE, SentenceModel
from lfmvl_warehouse.cli import train
from lfmvl_warehouse.training.sentences import run as training
from lfmvl_warehouse.training.sentences.batches import Encoder
from lfmvl_warehouse.training.sentences.settings import SentenceShape, SentenceTraining

TINY = SentenceShape(width=64, layers="ca", ff=64, vocabulary=512)


def settings(folder, steps=4):
    return SentenceTraining(folder, steps=steps, batch=4, shape=TINY, tokenizer_sentences=400)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, training.train(settings(folder))


def test_the_facts_are_those_of_the_run(whole):
    _, facts = whole
    assert (facts["step"], facts["sentences"], facts["seed"]) == (4, 16, 0)
    assert len(facts["languages"]) == 9
    assert facts["shape"]["width"] == 64


def test_a_run_that_was_killed_goes_on_as_if_nothing_had_been(whole, tmp_path, monkeypatch):
    folder, _ = whole
    monkeypatch.setattr(training, "_SAVE_EVERY_S", -1.0)
    update, done = training._Trainer._update, []

    def until_the_third(self, batch, progress):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(progress)
        return update(self, batch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(training._Trainer, "_update", until_the_third)
        with pytest.raises(KeyboardInterrupt):
            training.train(settings(tmp_path))
    with pytest.raises(UserError, match="add --resume"):
        training.train(settings(tmp_path))
    training.train(settings(tmp_path), resume=True)
    ours = read_state(tmp_path, key="sentences")
    theirs = read_state(folder, key="sentences")
    for part in ("model", "average"):
        for name, value in theirs[part].items():
            assert torch.equal(ours[part][name], value), (part, name)


def test_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(UserError, match="to resume; start without"):
        training.train(settings(tmp_path), resume=True)


def test_another_shape_can_not_go_on(whole, tmp_path):
    folder, _ = whole
    (tmp_path / STATE_FILE).write_bytes((folder / STATE_FILE).read_bytes())
    other = SentenceTraining(tmp_path, steps=8, batch=4, tokenizer_sentences=400)
    with pytest.raises(UserError, match="of the shape"):
        training.train(other, resume=True)


def test_a_run_can_begin_with_the_weights_of_another(whole, tmp_path):
    folder, first = whole
    start = folder / CHECKPOINT_DIRECTORY
    begun = replace(settings(tmp_path, steps=2), shape=SentenceShape(), start=start)
    trainer = training._Trainer.begun(begun)
    before = read_state(folder, key="sentences")["average"]
    for name, value in trainer._model.state_dict().items():
        assert torch.allclose(value, before[name], atol=1e-2), name
    facts = training.train(begun)
    assert facts["shape"] == first["shape"]
    assert [run["sentences"] for run in facts["earlier"]] == [16]
    assert "trained on 16 sentences" in (tmp_path / CHECKPOINT_DIRECTORY / "README.md").read_text()


def test_the_mean_with_what_a_run_began_with(whole, tmp_path):
    folder, _ = whole
    start, run = folder / CHECKPOINT_DIRECTORY, tmp_path / "run"
    training.train(replace(settings(run, steps=2), shape=SentenceShape(), start=start))
    facts = training.export(run, tmp_path / "mean", start)
    assert facts["mean_with"]["sentences"] == 16
    weights = [
        load_language_model(str(path), torch.device("cpu"))[0].state_dict()
        for path in (start, run / CHECKPOINT_DIRECTORY, tmp_path / "mean")
    ]
    for name, value in weights[2].items():
        half = (weights[0][name] + weights[1][name]) / 2
        assert torch.allclose(value, half, atol=1e-2, rtol=1e-2), name
    assert any(not torch.equal(value, weights[1][name]) for name, value in weights[2].items())
    assert "mean of what came out of this" in (tmp_path / "mean" / "README.md").read_text()


def test_weights_of_another_tokenizer_have_no_mean(whole, tmp_path):
    folder, _ = whole
    training.train(replace(settings(tmp_path, steps=1), seed=5))
    with pytest.raises(UserError, match="another shape or tokenizer"):
        training.export(tmp_path, tmp_path / "mean", folder / CHECKPOINT_DIRECTORY)
    assert not (tmp_path / "mean").exists()


def test_what_a_run_began_with_is_kept(whole, tmp_path):
    """A resumed run needs no ``--from``, takes the same one, and refuses another."""
    folder, _ = whole
    start = folder / CHECKPOINT_DIRECTORY
    begun = replace(settings(tmp_path, steps=2), shape=SentenceShape(), start=start)
    training.train(begun)
    for steps, named in ((3, start), (4, None)):
        facts = training.train(replace(begun, steps=steps, start=named), resume=True)
        assert (facts["step"], len(facts["earlier"])) == (steps, 1)
    with pytest.raises(UserError, match=f"began with {start}, not with .*elsewhere; leave out"):
        training.train(replace(begun, start=tmp_path / "elsewhere"), resume=True)


def test_a_state_from_before_the_start_was_noted_takes_any(whole, tmp_path):
    folder, _ = whole
    start = folder / CHECKPOINT_DIRECTORY
    begun = replace(settings(tmp_path, steps=2), shape=SentenceShape(), start=start)
    training.train(begun)
    state = torch.load(tmp_path / STATE_FILE, weights_only=True)
    assert state.pop("start") == str(start.resolve())
    torch.save(state, tmp_path / STATE_FILE)
    assert training.train(replace(begun, steps=3), resume=True)["step"] == 3


def test_a_run_that_began_with_random_weights_refuses_others(whole, tmp_path):
    folder, _ = whole
    (tmp_path / STATE_FILE).write_bytes((folder / STATE_FILE).read_bytes())
    with pytest.raises(UserError, match="began with random weights"):
        training.train(
            replace(settings(tmp_path), start=folder / CHECKPOINT_DIRECTORY), resume=True
        )


def test_a_run_can_not_begin_with_something_else(tmp_path):
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(UserError, match="is no checkpoint of lfmvl train --sentences"):
        training.train(replace(settings(tmp_path / "run"), start=tmp_path))


def test_its_checkpoint_writes_something_and_keeps_to_limits(whole):
    folder, _ = whole
    model = SentenceModel(str(folder / CHECKPOINT_DIRECTORY), "bundled", "cpu", sure=0.0)
    short = GenerationSettings(max_new_tokens=8, timeout_s=60.0)
    reply = model.write(TextPrompt("", "look for crates"), generation=short)
    assert reply.error is None
    assert reply.finish in (FinishReason.STOP, FinishReason.LENGTH)
    assert reply.text == model.write(TextPrompt("", "look for crates"), generation=short).text
    stopped = model.write(TextPrompt("", "x"), generation=short, cancelled=lambda: True)
    assert stopped.finish is FinishReason.DEADLINE
    long = model.write(TextPrompt("", "crate " * 4000), generation=short)
    assert "context" in long.error
    assert model.write(TextPrompt("", "x"), generation=short).error is None


def test_an_answer_that_is_a_guess_does_not_count(whole):
    """Weights that have learned nothing are never sure."""
    folder, _ = whole
    model = SentenceModel(str(folder / CHECKPOINT_DIRECTORY), "bundled", "cpu")
    short = GenerationSettings(max_new_tokens=8, timeout_s=60.0)
    assert model.write(TextPrompt("", "look for crates"), generation=short).text == UNSURE


def test_a_missing_checkpoint_is_an_error_in_the_reply(tmp_path):
    model = SentenceModel(str(tmp_path / "nothing"), "bundled", "cpu")
    reply = model.write(TextPrompt("", "x"), generation=GenerationSettings())
    assert "can't be loaded" in reply.error


@pytest.mark.parametrize(
    "wrong", [{"width": 100}, {"layers": "xy"}, {"layers": ""}, {"ff": 0}, {"vocabulary": 10}]
)
def test_sizes_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=r"got|out of range"):
        SentenceShape(**{"width": 64, "layers": "ca", "ff": 64, "vocabulary": 512, **wrong})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--tiny"], "does not take --tiny"),
        (["--data", "x"], "does not take --data"),
        (["--steps", "0"], "--steps is at least 1, got 0"),
        (["--minutes", "-1"], "--minutes is above 0, got -1"),
        (["--resume"], "there is no training in "),
        (["--export", "x"], "there is no training in "),
        (["--mean-with", "bundled"], "--mean-with is for --sentences --export"),
    ],
)
def test_flags_that_do_not_fit_are_named_before_torch_is_imported(flags, says, tmp_path):
    parser = argparse.ArgumentParser()
    train.configure(parser)
    args = parser.parse_args(["--sentences", "--out", str(tmp_path / "run"), *flags])
    with pytest.raises(UserError, match=says):
        train.run(args)
    assert train.STATE_FILE == STATE_FILE


def test_torch_is_not_imported_for_flags_that_do_not_fit():
    code = (
        "import argparse, sys\n"
        "from lfmvl_ros.core.errors import UserError\n"
        "from lfmvl_warehouse.cli import train\n"
        "parser = argparse.ArgumentParser()\n"
        "train.configure(parser)\n"
        "try:\n    train.run(parser.parse_args(['--sentences', '--steps', '0']))\n"
        "except UserError as error:\n    print(error, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "--steps is at least 1, got 0 False\n"


def test_training_and_use_put_a_sentence_to_the_model_in_the_same_way(whole):
    folder, _ = whole
    directory = folder / CHECKPOINT_DIRECTORY
    model, tokenizer = load_language_model(str(directory), torch.device("cpu"))
    encoder = Encoder(Tokenizer.from_file(str(directory / "tokenizer.json")))
    for sentence in ("look for red crates", "¿dónde está?", "寻找红色的木箱", "a\nb  c"):
        used = text_inputs(
            model, tokenizer, tokenizer.apply_chat_template, TextPrompt("", sentence)
        )
        assert used.ids[0].tolist() == encoder.prompt(sentence)
