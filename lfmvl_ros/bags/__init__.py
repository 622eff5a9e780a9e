# SPDX-License-Identifier: Apache-2.0
"""ROS 2 bags without ROS: reading camera topics, running the pipeline on them, writing results."""
