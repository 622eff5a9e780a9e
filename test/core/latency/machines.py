# SPDX-License-Identifier: Apache-2.0
"""What the tests of the latency budget share: machines whose true costs are known."""

import itertools
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from lfmvl_ros.core.image_tokens import ImageTokenSettings
from lfmvl_ros.core.latency.answer_time import AnswerWork, ImageWork, Machine
from lfmvl_ros.core.latency.budget import Choice, LatencyBudget
from lfmvl_ros.core.latency.ladder import Rung
from lfmvl_ros.core.reply import Reply, StageTimes, Token

SIZES = st.lists(
    st.tuples(st.integers(64, 2600), st.integers(64, 2600)), min_size=1, max_size=3
).map(tuple)
RULES = st.builds(
    lambda least, more, split, tiles: ImageTokenSettings(
        min_tokens=least, max_tokens=least + more, split=split, max_tiles=tiles
    ),
    st.integers(8, 64),
    st.integers(0, 200),
    st.booleans(),
    st.integers(2, 8),
)
SPLIT = ImageTokenSettings()
WHOLE = ImageTokenSettings(min_tokens=32, split=False)
VGA, HD = ((640, 480),), ((1280, 720),)


@dataclass
class Simulated:
    """A machine whose true costs are known, asked in a loop as the pipeline does."""

    sizes: tuple[tuple[int, int], ...] = VGA
    rules: ImageTokenSettings = WHOLE
    fixed_s: float = 0.06
    patch_s: float = 3e-4
    token_s: float = 6e-4
    forward_s: float = 0.03
    forwards: float = 6.0
    noise: float = 0.0
    seed: int = 0
    slower: float = 1.0
    budget: LatencyBudget = field(default_factory=LatencyBudget)
    choices: list[Choice] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def image_s(self, rung: Rung) -> float:
        work = rung.work
        return self.fixed_s + work.patches * self.patch_s + work.prompt_tokens * self.token_s

    def total_s(self, rung: Rung) -> float:
        """What half of the answers take."""
        return self.slower * (self.image_s(rung) + self.forwards * self.forward_s)

    def answer(self, target_s: float, *, stall: float = 1.0, words: str = "person") -> Choice:
        choice = self.budget.choose(
            "", self.sizes, self.rules, target_s=target_s, words=words, prompt_text_tokens=60
        )
        spread = stall * self.slower * np.exp(self.noise * self.rng.normal(size=3))
        forwards = max(1, round(self.forwards * np.exp(self.noise * self.rng.normal())))
        work = choice.rung.work
        times = StageTimes(
            0.0,
            float(spread[0] * (self.fixed_s / 2 + work.patches * self.patch_s)),
            float(spread[1] * (self.fixed_s / 2 + work.prompt_tokens * self.token_s)),
            float(spread[2] * forwards * self.forward_s),
        )
        share = choice.rung.tokens // len(self.sizes)
        replies = [
            Reply(
                "x" * 100,
                (Token(1, "x", -0.1),) * 100,
                times=times,
                image_tokens=choice.rung.tokens - share * (len(self.sizes) - 1) if not i else share,
                forwards=forwards + 1,
            )
            for i in range(len(self.sizes))
        ]
        self.budget.learn("", choice, replies)
        self.choices.append(choice)
        self.seconds.append(times.total_s)
        return choice

    def run(self, target_s: float, answers: int) -> Choice:
        for _ in range(answers):
            choice = self.answer(target_s)
        return choice

    @property
    def changes(self) -> int:
        tokens = [choice.rung.tokens for choice in self.choices]
        return sum(a != b for a, b in itertools.pairwise(tokens))


def taught(answers: int = 20) -> Machine:
    """Costs learnt from answers of a steady machine."""
    machine, rng = Machine(), np.random.default_rng(0)
    for _ in range(answers):
        patches, tokens, forwards = (int(n) for n in rng.integers((200, 60, 1), (1024, 300, 20)))
        times = StageTimes(0.0, 1e-4 * patches, 1e-3 * tokens, 0.02 * forwards)
        machine = machine.learned(ImageWork(patches, tokens), AnswerWork(forwards, 100), times)
    return machine
