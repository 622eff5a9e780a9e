# SPDX-License-Identifier: Apache-2.0
"""Licences of weights, installed packages and data sets, for `lfmvl licences`."""
