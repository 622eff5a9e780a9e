# SPDX-License-Identifier: Apache-2.0
"""From boxes in an image to positions in metres: depth images, transforms, places."""
