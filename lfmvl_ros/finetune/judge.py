# SPDX-License-Identifier: Apache-2.0
"""Questions about held-out images, and a model's answers to them, as the product asks and reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import normalise
from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.core.grounding import Grounding, Outcome
from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.model import VisionLanguageModel
from lfmvl_ros.core.parsing import parse_reply
from lfmvl_ros.core.prompt import PromptTemplate
from lfmvl_ros.core.query import Query
from lfmvl_ros.core.same_label import fold_label
from lfmvl_ros.datasets.coco import CocoFolder
from lfmvl_ros.datasets.judging import Scores, judge_boxes
from lfmvl_ros.datasets.questions import Asked, any_question
from lfmvl_ros.finetune.images import TrainingImages
from lfmvl_ros.finetune.samples import about_absent

_SEED = 7_100  # of the questions
_NOTHING_EVERY = 3  # each third question is about something that is not there
_PER_IMAGE = 8  # questions about one image, at most
_TOGETHER = 8  # answered as one batch
_TIMEOUT_S = 600.0  # an answer cut off on a busy machine would be another answer


@dataclass(frozen=True, eq=False)
class Answered:
    """A question and the model's answer."""

    asked: Asked
    grounding: Grounding

    @property
    def scores(self) -> Scores:
        """The scores of this answer. One that had to be repaired is not well-formed."""
        found, well = self.grounding, (Outcome.OK, Outcome.EMPTY)
        boxes = normalise(found.detections.xyxy_px, found.wh)
        asked = {fold_label(label): label for label in self.asked.question.labels}
        labels = [asked.get(fold_label(label), label) for label in found.detections.labels]
        given = list(zip(labels, boxes, strict=True))
        verdict = judge_boxes(
            given if found.outcome in well else None,
            self.asked.question,
            self.asked.scene.targets,
        )
        return Scores.of(verdict)


def held_out_questions(
    folders: Sequence[CocoFolder], count: int, *, most_objects: int
) -> Iterator[Asked]:
    """Yield questions about the held-out images of folders in turn, the same ones every time.

    Args:
        folders: whose images are asked about.
        count: of questions, at most.
        most_objects: in an answer.
    """
    pairs = [(folder, image) for folder in folders for image in folder.held_out]
    order = np.random.default_rng(_SEED).permutation(len(pairs))
    sources = {id(folder): TrainingImages(folder) for folder in folders}
    for number in range(min(count, _PER_IMAGE * len(pairs))):
        folder, image = pairs[order[number % len(pairs)]]
        source, rng = sources[id(folder)], np.random.default_rng([_SEED, number])
        scene = source.whole(image)
        absent, words = source.absent(scene), source.words(scene)
        if absent and number % _NOTHING_EVERY == _NOTHING_EVERY - 1:
            yield Asked(scene, about_absent(rng, absent, words))
        else:
            question = any_question(rng, scene.targets, words, max_objects=most_objects)
            yield Asked(scene, question)


def ask_all(
    model: VisionLanguageModel,
    asked: Sequence[Asked],
    template: PromptTemplate,
    rules: ImageTokenSettings,
) -> list[Answered]:
    """Return the greedy answers of a model, in the order of the questions.

    Args:
        model: that is asked.
        asked: the questions.
        template: that they are put with.
        rules: how images are cut and scaled.
    """
    generation = GenerationSettings(timeout_s=_TIMEOUT_S, max_new_tokens=1024, draft="none")
    image = ImageSettings(
        min_tokens=rules.min_tokens,
        max_tokens=rules.max_tokens,
        split="always" if rules.split else "never",
    )
    # Answers of like length side by side: a batch takes as long as its longest.
    order = sorted(range(len(asked)), key=lambda i: len(asked[i].question.found))
    answered: dict[int, Answered] = {}
    for start in range(0, len(order), _TOGETHER):
        part = order[start : start + _TOGETHER]
        frames = [Frame(np.ascontiguousarray(asked[i].scene.pixels), 0) for i in part]
        prompts = [template.render(Query(tuple(asked[i].question.labels))) for i in part]
        replies = model.ground(frames, prompts, generation=generation, image=image)
        for i, frame, prompt, reply in zip(part, frames, prompts, replies, strict=True):
            answered[i] = Answered(asked[i], parse_reply(reply, frame=frame, prompt=prompt))
    return [answered[i] for i in range(len(asked))]


def total(answered: Sequence[Answered]) -> Scores:
    """Return the sums over all answers."""
    return sum((item.scores for item in answered), Scores())
