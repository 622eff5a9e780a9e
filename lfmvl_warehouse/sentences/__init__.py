# SPDX-License-Identifier: Apache-2.0
"""Sentences of operators and the tool calls that they mean: composed, and judged.

``phrases/`` has the wording of each language; :mod:`~lfmvl_warehouse.sentences.composing` puts
sentences together from it. :mod:`lfmvl_warehouse.training.sentences` trains the model on them.
"""
