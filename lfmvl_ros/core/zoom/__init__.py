# SPDX-License-Identifier: Apache-2.0
"""Which answers are about a part of the image, and about which part."""
