# SPDX-License-Identifier: Apache-2.0
"""Evaluates models on labelled images: judged answers, figures with intervals, a scorecard."""
