# SPDX-License-Identifier: Apache-2.0
"""Language-model backends behind one protocol; :func:`lfmvl_ros.models.load.load_model` picks."""
