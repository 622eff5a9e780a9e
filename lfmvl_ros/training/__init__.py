# SPDX-License-Identifier: Apache-2.0
"""Training of the bundled checkpoint: a small, genuine LFM2-VL on procedural warehouse scenes.

From the command line ``lfmvl train``; from Python::

    from pathlib import Path
    from lfmvl_ros.training.launch import export, train
    from lfmvl_ros.training.settings import TrainSettings

    train(TrainSettings(out=Path("runs/mine"), minutes=75))  # resumable: train(..., resume=True)
    export(Path("runs/mine"), Path("my-checkpoint"))         # at any time, also while it runs

The pieces, in the order data takes:

=============== ==================================================================================
tokenizer       LFM2's special tokens, ids and number splitting; a small learned vocabulary
geometry        image size -> patch grid, by the image processor's rules
sources         scenes with their truth; anything with ``vocabulary`` and ``draw`` can be a source
questions       what to ask about a scene, and the right answer
captions        a sentence about a scene
examples        question and answer as token ids; targets of the throw-away heads
data            endless batches, a pure function of seed, rank and step
feed            chunks of batches, drawn ahead by worker processes
network         the checkpoint's own modules, batched by grid, with the throw-away heads
objective       the loss; ``alignment`` and ``guidance`` are its parts that teach where to look
optim           Muon and AdamW, schedule, averaged weights, starts of embeddings
growth          more vision blocks for a run that goes on
trainer, launch one process of a run; several of them, and the export of the result
run_log         what a run says while it goes on
evaluation      answers judged against the truth
card            the model card that ships with the weights
=============== ==================================================================================
"""
