# SPDX-License-Identifier: Apache-2.0
"""rosless: a development runtime for rclpy nodes where ROS 2 is not installed (see README.md).

Nothing is imported here: this module is loaded at the start of every Python process.
"""

__version__ = "0.1.0"
