# SPDX-License-Identifier: Apache-2.0
"""Answers that are worth labelling, stored with their images; optionally encrypted."""
