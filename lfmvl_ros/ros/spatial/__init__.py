# SPDX-License-Identifier: Apache-2.0
"""Places over ROS: depth images and transforms in, 3D detections out."""
