# SPDX-License-Identifier: Apache-2.0
"""Tools that operators and agents use: from a sentence or a JSON call to what the node does.

``tools`` lists them, ``reading`` finds calls in what a model generated, ``checking`` turns calls
into tools, ``performing`` runs them, ``commander`` takes commands from its ``inbox`` and publishes
results. ``sentence`` asks the model; ``controls`` is what tools may use of a node, ``policy`` what
commands may do.
"""
