# SPDX-License-Identifier: Apache-2.0
"""Drafts of the next answer, made from the previous one and the tracks, as text and as boxes."""

from lfmvl_ros.core.drafting.draft_text import AnswerDraft

__all__ = ["AnswerDraft"]
