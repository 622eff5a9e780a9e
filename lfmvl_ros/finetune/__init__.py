# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of LFM2-VL checkpoints on labelled images: ``lfmvl finetune``.

The pieces, in the order data takes:

============= ====================================================================================
module        what it does
============= ====================================================================================
settings      the settings of a run
data          folders of labelled images, their shares, what is refused
images        their images, whole or cropped
samples       an image with questions about it, by number
encoding      token ids equal to the processor's; batches
start         the checkpoint to start from
adapters      low-rank adapters in its layers, through peft; ``needs`` checks for that package
word_rows     trained embeddings for the tokens of names
objective     the loss of the answers' tokens
shared_rows   the language tower over rows that share an image, which is read once
learner       the weights in training: updates and merging
trainer       the loop: judge, keep the best, save, stop; ``estimate`` is time and memory
judge         questions about held-out images, asked and read as the product does
checkpoint    trained weights in the checkpoint's own files
report        plot, images before and after; ``card`` is the model card
run           all of it, for the command
============= ====================================================================================

``run_folder`` and ``run_log`` (state, lock, log) are shared with ``lfmvl train``; so are
:mod:`lfmvl_ros.datasets.questions` and :mod:`lfmvl_ros.datasets.judging`.
"""
