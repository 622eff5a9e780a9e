# SPDX-License-Identifier: Apache-2.0
"""Sentences of operators and the tool calls that they mean: made, learned and judged.

``phrases/`` has the wording of each language; :mod:`~lfmvl_warehouse.sentences.composing` puts
sentences together from it, and :mod:`~lfmvl_warehouse.sentences.training` trains the small language
model beside the bundled checkpoint that reads them.
"""
