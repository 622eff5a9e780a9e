# SPDX-License-Identifier: Apache-2.0
"""``lfmvl train`` on a folder of images, from nothing and from the bundled weights."""

import json
import pickle
import shutil
import traceback

import numpy as np
import pytest
import torch

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.config import PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.query import Query
from lfmvl_ros.finetune.run_folder import LOG_FILE, STATE_FILE
from lfmvl_ros.models.checkpoint_labels import FACTS_FILE, label_remark
from lfmvl_ros.models.load import load_model
from lfmvl_warehouse.training.data.coco_scenes import CocoScenes
from lfmvl_warehouse.training.data.mixed import MixedScenes
from lfmvl_warehouse.training.run.plan import RunOverrides, make_plan
from lfmvl_warehouse.training.run.train_settings import TrainSettings
from lfmvl_warehouse.training.run.training_run import user_error_in, with_smallest_shape

from ....datasets.coco_folders import add_box, save, scene_folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "bins"
    scene_folder(directory)
    return directory


def train(*arguments, batch=2):
    """The command in this process, with one process of training."""
    return main(["train", "--processes", "1", "--batch", str(batch), *map(str, arguments)])


def losses(run, name):
    lines = (run / LOG_FILE).read_text().splitlines()
    return [record[name] for record in map(json.loads, lines) if name in record]


def falls(values, share):
    third = len(values) // 3
    return np.mean(values[-third:]) < share * np.mean(values[:third])


def answer(checkpoint):
    """What the checkpoint says through the package's own way of asking."""
    model = load_model(PerceptionSettings().updated({"model": str(checkpoint)}))
    settings = PerceptionSettings()
    frame = Frame(np.full((120, 160, 3), 90, np.uint8), 0, "camera")
    prompt = model.template.render(Query.parse("tote, person"))
    try:
        (reply,) = model.ground(
            [frame], [prompt], generation=settings.generation, image=settings.image
        )
    finally:
        model.close()
    return reply


@pytest.fixture(scope="module")
def tiny(images, tmp_path_factory):
    run = tmp_path_factory.mktemp("tiny") / "run"
    assert train("--data", images, "--tiny", "--steps", 40, "--out", run) == 0
    return run


def test_from_nothing_it_learns_and_the_checkpoint_answers(tiny):
    assert falls(losses(tiny, "kind"), 0.9)
    assert falls(losses(tiny, "word"), 0.95)
    reply = answer(tiny / "checkpoint")
    assert reply.error is None
    assert reply.tokens


def test_others_may_draw_the_images(images, tmp_path):
    run = tmp_path / "run"
    assert train("--data", images, "--tiny", "--steps", 2, "--workers", 1, "--out", run) == 0
    assert len(losses(run, "loss")) == 2
    assert "1 CPU processes of one thread" in (run / "checkpoint" / "README.md").read_text()


def test_card_and_facts_say_what_the_data_was(tiny, images):
    facts = json.loads((tiny / "checkpoint" / FACTS_FILE).read_text())
    assert facts["data"]["name"] == "bins"
    assert facts["data"]["images"] == 12
    assert facts["data"]["held_out_images"] == 1
    assert set(facts["kinds"]) == set(facts["data"]["boxes_by_category"])
    assert facts["held_out"][-1]["step"] == 40
    assert facts["labels"] == facts["kinds"]
    assert "does not list 'submarine'" in label_remark(str(tiny / "checkpoint"), ("submarine",))
    card = (tiny / "checkpoint" / "README.md").read_text()
    assert "bins: 11 images to learn from" in card
    assert f"{facts['data']['boxes']} boxes of {len(facts['kinds'])} categories" in card
    assert "| 40 updates |" in card
    for text in (card, json.dumps(facts)):
        assert str(images.parent) not in text


def test_an_export_says_what_it_wrote(tiny, tmp_path, capsys):
    assert train("--out", tiny, "--export", tmp_path / "copy") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"wrote {tmp_path / 'copy'}: the averaged weights of {tiny}")
    assert "after 40 updates" in line
    assert "{" not in line
    assert (tmp_path / "copy" / "README.md").is_file()


def test_an_export_replaces_a_checkpoint_and_nothing_else(tiny, tmp_path, capsys):
    for _ in range(2):
        assert train("--out", tiny, "--export", tmp_path / "copy") == 0
    run, home = tmp_path / "run", tmp_path / "home"
    shutil.copytree(tiny, run)
    home.mkdir()
    (home / "thesis.tex").write_text("years")
    for sentences in ((), ("--sentences",)):
        for place in (run, home):
            assert train("--out", run, "--export", place, *sentences) == 2
            assert "writing a result there would delete" in capsys.readouterr().err
    assert (home / "thesis.tex").read_text() == "years"
    assert (run / "state.pt").is_file()


def test_resuming_remembers_the_images(tiny, images, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(tiny, run)
    assert train("--resume", "--tiny", "--steps", 42, "--out", run) == 0
    state = torch.load(run / STATE_FILE, weights_only=True)
    assert state["step"] == 42
    assert state["recipe"]["data"]["name"] == "bins"
    assert "from step 40" in capsys.readouterr().out


def test_resuming_on_other_images_is_refused(tiny, images, tmp_path, capsys):
    other = tmp_path / "bins"
    shutil.copytree(images, other)
    again = ("--resume", "--steps", 40, "--out", tiny)
    assert train(*again, "--tiny", "--data", other) == 0  # moved, but the same
    output = capsys.readouterr().out
    assert "nothing to add" in output
    assert "such as --steps 80" in output
    path = other / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    add_box(content, 0, content["categories"][0]["id"], [5, 5, 50, 50])
    save(path, content)
    before = (tiny / STATE_FILE).read_bytes()
    for given, message in (
        (("--tiny", "--data", other), "was trained on bins: 12 images"),
        (("--from", "bundled"), "was started from nothing, not from bundled"),
        (("--tiny", "--mix", 0.5), "was trained with --mix 0"),
        (("--tiny", "--rate", 0.5), "was trained with --rate 1"),
        (("--tiny", "--seed", 1), "seed 0; resume it with the same ones"),
        ((), "choose another directory"),
    ):
        assert train(*again, *given) == 2
        assert message in capsys.readouterr().err
    assert (tiny / STATE_FILE).read_bytes() == before


def test_a_state_with_the_keys_of_an_earlier_version_is_read(tiny, images, tmp_path, capsys):
    run, other = tmp_path / "run", tmp_path / "bins"
    shutil.copytree(tiny, run)
    state = torch.load(run / STATE_FILE, weights_only=True)
    data = state["recipe"]["data"]
    data |= {"pictures": data.pop("images"), "held_out_pictures": data.pop("held_out_images")}
    torch.save(state, run / STATE_FILE)
    assert train("--out", run, "--export", tmp_path / "copy") == 0
    facts = json.loads((tmp_path / "copy" / FACTS_FILE).read_text())["data"]
    assert (facts["images"], facts["held_out_images"]) == (12, 1)
    assert "pictures" not in facts
    assert "held_out_pictures" not in facts
    shutil.copytree(images, other)
    path = other / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    add_box(content, 0, content["categories"][0]["id"], [5, 5, 50, 50])
    save(path, content)
    capsys.readouterr()
    again = ("--resume", "--steps", 40, "--out", run)
    assert train(*again, "--tiny", "--data", other) == 2
    assert "was trained on bins: 12 images" in capsys.readouterr().err


def test_from_the_bundled_weights_it_goes_on_learning(images, tmp_path, capsys):
    run = tmp_path / "run"
    start = ("--data", images, "--from", "bundled", "--out", run)
    assert train(*start, "--steps", 9) == 0
    facts = json.loads((run / "checkpoint" / FACTS_FILE).read_text())
    assert [record["step"] for record in facts["held_out"]] == [0, 9]
    assert facts["held_out"][0]["valid_json"] == 1.0  # it knew how to answer before it began
    assert facts["start"] == "bundled"
    assert "hidden matrices times 0.3" in (run / "checkpoint" / "README.md").read_text()
    assert falls(losses(run, "kind"), 1.0)
    assert answer(run / "checkpoint").text.startswith("[")
    assert train("--resume", "--steps", 10, "--out", run) == 0  # knows its start and its shape
    assert "from step 9" in capsys.readouterr().out


def test_a_plan_can_be_sent_to_another_process(images, tmp_path):
    settings = with_smallest_shape(TrainSettings(out=tmp_path, processes=1))
    plan = make_plan(settings, RunOverrides(data=images, mix=0.2), resume=False)
    plan = pickle.loads(pickle.dumps(plan))
    trainer = plan.trainer(0)
    assert isinstance(plan.source(), MixedScenes)
    assert trainer.settings.mix == 0.2
    assert trainer.views == CocoScenes(plan.folder).views
    assert set(plan.folder.categories) < set(trainer.source.vocabulary.kinds)


def test_what_another_process_says_comes_through():
    try:
        raise UserError("the image a.png is gone; put it back")
    except UserError:
        assert user_error_in(traceback.format_exc()) == "the image a.png is gone; put it back"
    try:
        raise ValueError("UserError: no")
    except ValueError:
        assert user_error_in(traceback.format_exc()) is None


def test_what_does_not_go_together_is_said(images, tmp_path, capsys):
    out = ("--steps", 1, "--out", tmp_path / "run")
    assert train(*out, "--mix", 0.5) == 2
    assert "--mix adds warehouse scenes to the images of --data" in capsys.readouterr().err
    assert train(*out, "--tiny", "--from", "bundled") == 2
    assert "--tiny" in capsys.readouterr().err
    assert train(*out, "--data", images, "--mix", 1.5) == 2
    assert "mix is a share" in capsys.readouterr().err
    assert train(*out, "--data", tmp_path) == 2
    assert "no annotations in COCO" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
