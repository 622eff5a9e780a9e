# SPDX-License-Identifier: Apache-2.0
"""int8 weights: the quantiser, products that no block changes, answers that no draft changes."""

import copy
import os
import platform
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from lfmvl_ros.core.config import GenerationSettings, ImageSettings
from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.image_rules import wanted_rules
from lfmvl_ros.core.model import precision_of
from lfmvl_ros.models.calibration_file import CHECKPOINT
from lfmvl_ros.models.lfm2_vl import int8_checks, precision
from lfmvl_ros.models.lfm2_vl.bfloat16 import has_bfloat16
from lfmvl_ros.models.lfm2_vl.decoding import Blocks, NoDraft, Row, decode_answers
from lfmvl_ros.models.lfm2_vl.draft_tokens import BlockSize
from lfmvl_ros.models.lfm2_vl.ending import AnswerEnd
from lfmvl_ros.models.lfm2_vl.generating import Limit
from lfmvl_ros.models.lfm2_vl.int8 import Int8Linear, Int8Weight, quantised_rows
from lfmvl_ros.models.lfm2_vl.int8_checks import (
    block_fault,
    check_int8,
    kernel_fault,
    rows_fault,
)
from lfmvl_ros.models.lfm2_vl.int8_kernels import KERNELS, MOST, PAIR, Int8Kernel
from lfmvl_ros.models.lfm2_vl.precision import choose_precision, int8_runner
from lfmvl_ros.models.lfm2_vl.runner import Lfm2Runner
from lfmvl_ros.models.lfm2_vl.sampling import sampler_for
from lfmvl_ros.models.load import load_model

from ...waiting import PATIENCE_S

LONG = GenerationSettings(max_new_tokens=60)
CPU = torch.device("cpu")


def exact_kernels():
    """The kernels whose products are exact on this machine."""
    try:
        check_int8(CPU)
    except UserError:
        return []
    return [kernel for kernel in KERNELS if not kernel_fault(kernel, [(96, 64)])]


EXACT = exact_kernels()
needs_int8 = pytest.mark.skipif(not EXACT, reason="this processor has no exact int8 products")
each_kernel = pytest.mark.parametrize("kernel", EXACT, ids=lambda kernel: kernel.name)


# -- products -------------------------------------------------------------------------------------


@each_kernel
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (96, 64), (192, 768), (33, 130)])
def test_a_product_is_that_of_the_codes(kernel, shape):
    torch.manual_seed(0)
    weight, x = torch.randn(shape), torch.randn(9, shape[1]) * 3
    x[3] = 0
    found = Int8Weight(weight, kernel).product(x)
    weight_used = quantised_rows(weight, kernel.pair).dequantised()
    exact = quantised_rows(x).dequantised().double() @ weight_used.double().T
    assert torch.allclose(found.double(), exact, rtol=1e-4, atol=1e-4 * float(exact.abs().max()))
    assert not bool(found[3].any())
    far = (found - x @ weight.T).abs().max() / (x @ weight.T).abs().max()
    assert far < 0.05


@each_kernel
def test_products_do_not_depend_on_the_number_of_rows(kernel):
    torch.manual_seed(1)
    shapes = ((96, 64), (300, 200), (64, 1000))
    weights = [Int8Weight(torch.randn(shape), kernel) for shape in shapes]
    assert rows_fault(weights) == ""


@each_kernel
def test_a_layer_takes_any_number_of_dimensions_and_keeps_its_bias(kernel):
    torch.manual_seed(2)
    linear = torch.nn.Linear(64, 48)
    layer, x = Int8Linear(linear, kernel), torch.randn(2, 5, 64)
    with torch.inference_mode():
        assert layer(x).shape == (2, 5, 48)
        assert torch.equal(layer(x)[1, 2], layer(x[1, 2]))
        assert torch.allclose(layer(torch.zeros(1, 64))[0], linear.bias)


# -- checks ---------------------------------------------------------------------------------------


class Off(Int8Weight):
    """A kernel whose last bits depend on the number of rows."""

    def product(self, x, bias=None):
        return super().product(x, bias) * (1 + 1e-6 * len(x))


class Overflowing(Int8Weight):
    """A kernel that adds up in 16 bits, as processors without dot products of bytes do."""

    def sums(self, codes):
        return super().sums(codes).clamp(-32768, 32767)


@needs_int8
def test_a_kernel_that_depends_on_the_block_is_found(plain):
    assert "with 1 rows" in rows_fault([Off(torch.randn(96, 64), EXACT[0])])
    runner = Lfm2Runner(copy.deepcopy(plain._model), int8=EXACT[0])
    assert block_fault(runner) == ""
    assert len(runner.int8_weights()) == 1 + 4 * len(runner._layers)
    runner._layers[2].ff_out = Off(torch.randn(runner._layers[2].ff_out.shape), EXACT[0])
    assert "how many tokens" in block_fault(runner)


@each_kernel
def test_a_kernel_that_overflows_is_found(kernel, monkeypatch):
    assert kernel_fault(kernel, [(96, 64), (64, 5000), (7, 3)]) == ""
    monkeypatch.setattr(int8_checks, "Int8Weight", Overflowing)
    assert "overflow with a weight of 96 x 64" in kernel_fault(kernel, [(96, 64)])


def of_pairs(order):
    """A kernel that cuts off the sums of two products at 16 bits, of columns in some order."""

    def pack(codes, scales):
        weight = codes.float()[:, order]

        def sums(x):
            each = ((x + MOST)[:, None, order] * weight).unflatten(2, (-1, 2)).sum(3)
            return (each.clamp(-32768, 32767).sum(2) - MOST * weight.sum(1)) * scales

        return sums

    return pack


@pytest.mark.parametrize(
    ("order", "pair", "fault"),
    [
        ("0 1 2 3", PAIR, ""),
        ("0 1 2 3", PAIR + 1, "overflow"),
        ("0 1 2 3", 2 * MOST, "overflow"),
        ("0 2 1 3", PAIR, "overflow"),
        ("0 3 1 2", PAIR, "overflow"),
    ],
)
def test_sums_of_pairs_fit_into_16_bits_and_others_are_found(order, pair, fault):
    columns = torch.arange(64).unflatten(0, (-1, 4))[:, [int(n) for n in order.split()]].flatten()
    kernel = Int8Kernel("of pairs", pair, of_pairs(columns))
    found = kernel_fault(kernel, [(96, 64)])
    assert (fault in found) if fault else found == ""


def test_drafts_are_short_where_each_token_of_a_pass_costs_much(plain, int8):
    for kernel in EXACT:
        runner = Lfm2Runner(copy.deepcopy(plain._model), int8=kernel)
        blocks = Blocks.for_device("cpu", runner.longest_draft)
        assert blocks.later.most == (12 if kernel.pair == PAIR else 64)
        assert blocks.first.most == 256
    assert Lfm2Runner(plain._model).longest_draft is None
    assert int8._blocks.later.most == (int8._runner.longest_draft or 64)
    assert plain._blocks.later.most == 64


def test_a_kernel_that_this_torch_lacks_is_passed_over(plain, monkeypatch, caplog):
    def pack(codes, scales):
        raise AttributeError("'_OpNamespace' 'quantized' object has no attribute 'linear_prepack'")

    absent = Int8Kernel("absent", 2 * MOST, pack)
    monkeypatch.setattr(precision, "KERNELS", (absent,))
    assert int8_runner(copy.deepcopy(plain._model)) is None
    assert "absent: torch" in caplog.text
    assert "has no attribute 'linear_prepack'" in caplog.text
    if EXACT:
        monkeypatch.setattr(precision, "KERNELS", (absent, EXACT[0]))
        assert int8_runner(copy.deepcopy(plain._model)) is not None


@needs_int8
def test_without_exact_products_the_model_stays_in_float_and_says_why(plain, monkeypatch, caplog):
    model = copy.deepcopy(plain._model)
    monkeypatch.setattr(int8_checks, "Int8Weight", Overflowing)
    assert int8_runner(model) is None
    assert "no int8 weights on this processor: oneDNN: sums of products overflow" in caplog.text
    assert model.dtype is (torch.bfloat16 if has_bfloat16() else torch.float32)
    assert Lfm2Runner(model).append(torch.arange(5)).isfinite().all()


@needs_int8
def test_what_runs_is_what_is_reported(checkpoint, int8, monkeypatch):
    assert precision_of(int8) == int8.weights == "int8"
    monkeypatch.setattr(int8_checks, "Int8Weight", Overflowing)
    fallen_back = load_model(f"{checkpoint}:int8", device="cpu")
    assert precision_of(fallen_back) == ("bfloat16" if has_bfloat16() else "float32")
    assert fallen_back.weights == CHECKPOINT
    assert precision_of(load_model(str(checkpoint), device="cpu")) == "float32"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="chooses kernels of x86-64")
def test_on_a_processor_without_dot_products_of_bytes(checkpoint):
    """Real kernels of AVX2: sums of whole weights overflow, those of smaller pairs do not."""
    code = (
        "import sys, lfmvl_ros\n"
        "from lfmvl_ros.models.lfm2_vl.int8_checks import kernel_fault\n"
        "from lfmvl_ros.models.lfm2_vl.int8_kernels import KERNELS\n"
        "for kernel in KERNELS:\n"
        "    print(kernel_fault(kernel, [(96, 64)]).split(' with')[0])\n"
        "model = lfmvl_ros.load_model(sys.argv[1] + ':int8', device='cpu')\n"
        "print(model.weights)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint)],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["sums of products overflow", "", "", "int8"]
    assert "no int8 weights" not in done.stderr
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr


def test_refusals(monkeypatch):
    with pytest.raises(UserError, match="run on a CPU only, and the device is cuda:1"):
        choose_precision("int8", torch.device("cuda:1"))
    monkeypatch.setattr(int8_checks, "_OPERATORS", ("no_such_operator",))
    with pytest.raises(UserError, match=r"onednn\.no_such_operator, which torch .* does not have"):
        choose_precision("int8", CPU)


def test_a_tower_that_is_not_plain_is_refused(plain):
    model = copy.deepcopy(plain._model)
    model.config.text_config.rope_parameters = {"rope_type": "yarn", "rope_theta": 1e4}
    model.model.language_model.config.rope_parameters = model.config.text_config.rope_parameters
    with pytest.raises(UserError, match="plain layers"):
        int8_runner(model)


# -- answers --------------------------------------------------------------------------------------


class Proposed:
    """Proposes what stands in a list at the answer's place."""

    def __init__(self, tokens):
        self.tokens = list(tokens)

    def propose(self, ids, most):
        return self.tokens[len(ids) : len(ids) + max(0, most)]


@pytest.fixture(scope="module", params=["lfm2", "lfm3"])
def model(request):
    """A checkpoint of each family with int8 weights."""
    if request.param == "lfm2":
        found = request.getfixturevalue("int8")
    else:
        checkpoint = request.getfixturevalue("lfm3_checkpoint")
        found = load_model(str(checkpoint), device="cpu", dtype="int8")
    if found.weights != "int8":
        pytest.skip("this processor has no exact int8 products")
    return found


@pytest.fixture
def write(model, scenes):
    """Write the answer to scene ``seed`` with a proposer, in blocks of at least ``least``."""

    def made(seed, settings, proposer, least=8):
        frames, prompts = scenes(1, seed)
        torch.manual_seed(seed)
        with torch.inference_mode():
            inputs = model._builder.build(
                frames, prompts, wanted_rules(model._own_rules, ImageSettings())
            )
        row = Row(
            proposer,
            sampler_for(settings, inputs.ids[0], len(model._runner.embedding)),
            AnswerEnd(model._end_ids, settings.max_new_tokens),
        )
        blocks = Blocks(BlockSize(least, 64), BlockSize(least, 64))
        limit = Limit(time.monotonic() + 600, lambda: False)
        return decode_answers(model._runner, inputs, [row], blocks=blocks, limit=limit)[0]

    return made


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("seed", range(4))
def test_no_draft_changes_the_answer_nor_a_bit_of_its_probabilities(
    model, write, seed, temperature
):
    settings = GenerationSettings(max_new_tokens=60, temperature=temperature)
    rng, width = np.random.default_rng(seed), len(model._runner.embedding)
    expected = write(seed, settings, NoDraft())
    ids = np.array(expected.ids)
    for share in (0.0, 0.05, 0.3, 1.0):
        wrong = np.where(rng.random(len(ids)) < share, rng.integers(0, width, len(ids)), ids)
        found = write(seed, settings, Proposed(wrong.tolist()), least=int(rng.integers(1, 40)))
        assert found.ids == expected.ids
        assert found.logprobs == expected.logprobs
        assert found.finish is expected.finish


def test_answers_of_a_batch_are_those_alone_to_the_bit(int8, scenes):
    if int8.weights != "int8":
        pytest.skip("this processor has no exact int8 products")
    frames, prompts = scenes(3)
    size = frames[0].pixels.shape
    frames = [type(f)(np.resize(f.pixels, size), f.stamp_ns) for f in frames]
    wanted = {"generation": LONG, "image": ImageSettings()}
    together = int8.ground(frames, prompts, **wanted)
    for frame, prompt, reply in zip(frames, prompts, together, strict=True):
        (alone,) = int8.ground([frame], [prompt], **wanted)
        assert reply.tokens, "an empty answer compares nothing"
        assert [(t.id, t.logprob) for t in reply.tokens] == [
            (t.id, t.logprob) for t in alone.tokens
        ]


@needs_int8
def test_an_output_layer_of_its_own_is_freed_and_a_shared_one_stays(plain):
    shared, own = copy.deepcopy(plain._model), copy.deepcopy(plain._model)
    own.lm_head.weight = torch.nn.Parameter(own.lm_head.weight.detach() * 2)
    for model in (shared, own):
        assert int8_runner(model) is not None
        assert model.model.language_model.embed_tokens.weight.numel() > 0
    assert shared.lm_head.weight is shared.model.language_model.embed_tokens.weight
    assert own.lm_head.weight.numel() == 0


def test_float_weights_of_the_language_tower_are_freed(int8):
    if int8.weights != "int8":
        pytest.skip("this processor has no exact int8 products")
    tower = int8._model.model.language_model
    assert all(m.weight.numel() == 0 for m in tower.modules() if type(m) is torch.nn.Linear)
    assert tower.embed_tokens.weight.numel() > 0
