# SPDX-License-Identifier: Apache-2.0
"""Answers from use that are worth a person's look, stored with their images; optionally sealed."""
