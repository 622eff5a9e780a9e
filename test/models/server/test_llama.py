# SPDX-License-Identifier: Apache-2.0
"""A real llama.cpp server, with the bundled checkpoint as this package exports it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfmvl_ros.cli.main import main
from lfmvl_ros.core.ask import ask
from lfmvl_ros.core.calibration.calibration import calibration_from
from lfmvl_ros.core.config import GenerationSettings, ImageSettings, PerceptionSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Outcome
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.reply import FinishReason
from lfmvl_ros.models.catalog import find
from lfmvl_ros.models.load import load_model
from lfmvl_ros.models.server.facts import facts_of
from lfmvl_warehouse.scenes import SceneVideo

from ...waiting import until

pytest.importorskip("gguf", reason="gguf is not installed: no GGUF files can be written")
pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: no llama.cpp server here")
QUERY = "person, forklift, crate"
PATIENT = PerceptionSettings(generation=GenerationSettings(timeout_s=120.0))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    from lfmvl_ros.models.gguf.export import export_gguf

    out = tmp_path_factory.mktemp("bundled")
    folder = Path(find("bundled").source)
    return export_gguf(folder, out, "f16", name="bundled", catalogue_name="bundled")


@pytest.fixture(scope="module")
def model(files):
    found = load_model(str(files.text), device="cpu")
    yield found
    found.close()


def frames(count, wh=(640, 480)):
    video = SceneVideo(7, wh=wh)
    return [np.ascontiguousarray(video.frame(40 * i).pixels) for i in range(count)]


def test_answers_are_those_of_transformers(model):
    here = load_model("bundled", device="cpu")
    images = [*frames(2), *frames(1, (320, 240)), *frames(1, (1280, 720))]
    for image in images:
        (there,) = ask(model, [image], QUERY, PATIENT)
        (wanted,) = ask(here, [image], QUERY, PATIENT)
        assert there.reply.text == wanted.reply.text
        assert there.outcome == wanted.outcome
        assert there.confidence_kind == wanted.confidence_kind == "calibrated"
        assert there.reply.image_tokens == wanted.reply.image_tokens
        np.testing.assert_array_equal(there.detections.xyxy_px, wanted.detections.xyxy_px)
        np.testing.assert_allclose(there.detections.scores, wanted.detections.scores, atol=0.01)
    here.close()


def test_nothing_is_to_be_changed_about_a_server_started_here(model):
    assert model.problem == ""
    assert model.name == "bundled"
    assert "nothing leaves this machine" in model.notice


def test_a_server_elsewhere_on_this_machine_is_recognised_by_its_file(model, caplog):
    other = load_model(f"unix:{model.server.address.socket}")
    assert other.name == "bundled"
    assert other.problem == ""
    assert not caplog.records
    (grounding,) = ask(other, frames(1), QUERY, PATIENT)
    assert grounding.confidence_kind == "calibrated"


def test_image_tokens_can_be_changed_while_it_runs_within_limits(model, caplog):
    for most in (40, 200, 1000):
        settings = replace(PATIENT, image=ImageSettings(min_tokens=10, max_tokens=most))
        (grounding,) = ask(model, frames(1, (640, 512)), QUERY, settings)
        assert grounding.outcome.is_evidence
        assert 0.6 * min(most, 256) < grounding.reply.image_tokens <= min(most, 256)
    assert [record.message for record in caplog.records if "256 image tokens" in record.message]
    assert not [record for record in caplog.records if "of a prompt" in record.message]


def test_a_cut_answer_keeps_what_it_named(model):
    settings = replace(PATIENT, generation=replace(PATIENT.generation, max_new_tokens=40))
    (grounding,) = ask(model, frames(1), QUERY, settings)
    assert grounding.outcome is Outcome.TRUNCATED
    assert len(grounding.reply.tokens) == 40
    assert len(grounding.detections) > 0


def test_a_given_up_answer_leaves_the_server_free(model):
    (before,) = ask(model, frames(1), QUERY, PATIENT)
    hasty = replace(PATIENT, generation=replace(PATIENT.generation, timeout_s=0.1))
    for _ in range(5):
        (late,) = ask(model, frames(1), QUERY, hasty)
        assert late.outcome in (Outcome.TIMEOUT, Outcome.OK)
    (after,) = ask(model, frames(1), QUERY, PATIENT)
    assert after.reply.text == before.reply.text


def test_a_grammar_allows_the_labels_of_the_query_only(model):
    grammar = replace(PATIENT, generation=replace(PATIENT.generation, grammar="always"))
    (grounding,) = ask(model, frames(1), "red dragon, crate", grammar)
    assert grounding.outcome in (Outcome.OK, Outcome.EMPTY)
    assert set(grounding.detections.labels) <= {"red dragon", "crate"}


def test_what_does_not_fit_is_an_error_with_the_servers_sentence(model):
    prompt = model.template.render(Query.parse(QUERY))
    (reply,) = model.ground(
        [Frame(frames(1)[0], 0)], [replace(prompt, text="pallet 7 " * 3000)],
        generation=PATIENT.generation, image=PATIENT.image,
    )  # fmt: skip
    assert reply.finish is FinishReason.ERROR
    assert "context" in reply.error
    assert "larger -c" in reply.error


def test_a_killed_server_is_started_again(model):
    os.kill(model.server.pid, signal.SIGKILL)

    def answered():
        (grounding,) = ask(model, frames(1), QUERY, PATIENT)
        assert grounding.outcome in (Outcome.OK, Outcome.ERROR)
        return grounding.outcome is Outcome.OK

    until(answered)
    assert model.server.starts == 2


LOADS = """
import sys, time
from lfmvl_ros.models.load import load_model
model = load_model(sys.argv[1], device="cpu")
assert not {"torch", "transformers"} & set(sys.modules), "the client needs neither"
print(model.server.pid, model.server.address.socket, flush=True)
if sys.argv[2] == "stay":
    time.sleep(300)
"""


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_the_server_ends_with_the_process_that_started_it(files, end):
    with subprocess.Popen(
        [sys.executable, "-c", LOADS, str(files.text), "stay" if end == "kill" else "leave"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        assert line, "the model could not be loaded"
        pid, socket = int(line.split()[0]), Path(line.split()[1])
        if end == "kill":
            process.kill()
        process.wait(120)
    until(lambda: not alive(pid) and not socket.parent.exists())


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.parametrize("cut", ["text", "mmproj"])
def test_a_damaged_file_is_a_sentence(files, cut, tmp_path):
    for path in (files.text, files.mmproj):
        whole = path.read_bytes()
        broken = (path == files.text) == (cut == "text")
        (tmp_path / path.name).write_bytes(whole[: len(whole) // 2] if broken else whole)
    with pytest.raises(UserError, match="does not run"):
        load_model(str(tmp_path / files.text.name))


@pytest.mark.slow
def test_a_calibration_of_its_own(files, tmp_path, capsys):
    for path in (files.text, files.mmproj, files.facts):
        shutil.copy(path, tmp_path)
    text = tmp_path / files.text.name
    code = main(["calibrate", "--model", str(text), "--scenes", "12", "--write"])
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    kept = json.loads((tmp_path / files.facts.name).read_text())["calibration"]
    assert code == (0 if facts["ece_after"] < facts["ece_before"] else 1)
    assert kept["fitted_on"] == ("f16" if code == 0 else "checkpoint")
    assert facts_of(str(text)).calibration == calibration_from(kept)


def test_which_files_are_meant(files, tmp_path):
    from lfmvl_ros.models.server.managed import find_files

    assert find_files(str(files.text)) == (files.text, files.mmproj)
    (tmp_path / "a.gguf").touch()
    with pytest.raises(UserError, match="none beside it"):
        find_files(str(tmp_path / "a.gguf"))
    (tmp_path / "mmproj-x.gguf").touch()
    assert find_files(str(tmp_path / "a.gguf"))[1].name == "mmproj-x.gguf"
    (tmp_path / "mmproj-y.gguf").touch()
    with pytest.raises(UserError, match="several beside it"):
        find_files(str(tmp_path / "a.gguf"))
    assert find_files(f"{tmp_path / 'a.gguf'}#mmproj-y.gguf")[1].name == "mmproj-y.gguf"
    with pytest.raises(UserError, match="there is no file z"):
        find_files(f"{tmp_path / 'a.gguf'}#z.gguf")
    with pytest.raises(UserError, match="lfmvl export"):
        find_files(str(tmp_path / "none.gguf"))
