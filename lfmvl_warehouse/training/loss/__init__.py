# SPDX-License-Identifier: Apache-2.0
"""The loss, and its parts that teach where to look."""
