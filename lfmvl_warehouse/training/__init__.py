# SPDX-License-Identifier: Apache-2.0
"""Training of the bundled checkpoint: a small, genuine LFM2-VL on procedural warehouse scenes.

From the command line ``lfmvl train``; from Python::

    from pathlib import Path
    from lfmvl_warehouse.training.run.training_run import export, train
    from lfmvl_warehouse.training.run.train_settings import TrainSettings

    train(TrainSettings(out=Path("runs/mine"), minutes=75))  # resumable: train(..., resume=True)
    export(Path("runs/mine"), Path("my-checkpoint"))         # at any time, also while it runs

The pieces, in the order data takes:

====== =============== ============================================================================
room   module          what it does
====== =============== ============================================================================
data   sources         scenes with their truth; anything with ``vocabulary`` and ``draw`` can be one
data   coco_scenes     images of a COCO folder as scenes; ``mixed`` keeps warehouse scenes in
data   captions        a sentence about a scene
data   patch_grid      image size -> patch grid, by the image processor's rules
data   examples        question and answer as token ids; targets of the auxiliary heads
data   batches         endless batches, a pure function of seed, rank and step
data   feed            chunks of batches, drawn ahead by worker processes
model  tokenizer       LFM2's special tokens, ids and number splitting; a small learned vocabulary
model  build           a checkpoint of a shape: model, processor, files
model  network         the checkpoint's own modules, batched by grid, with the auxiliary heads
model  growth          more vision blocks for a run that continues
loss   objective       the loss; ``alignment`` and ``guidance`` are parts that teach where to look
run    optim           Muon and AdamW, schedule, averaged weights, starts of embeddings
run    muon            Muon in float32, for CPUs without bfloat16
run    training_run    the processes of a run, and the export of the result
run    trainer         one process of a run; ``run_log`` is its log
run    evaluation      answers scored against ground truth
run    card            the model card that ships with the weights
====== =============== ============================================================================

What to ask about an image, and the right answer: :mod:`lfmvl_ros.datasets.questions`.
"""
