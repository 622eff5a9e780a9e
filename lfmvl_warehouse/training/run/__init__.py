# SPDX-License-Identifier: Apache-2.0
"""One run: settings, plan, processes, optimiser, state, log, evaluation, and the model card."""
