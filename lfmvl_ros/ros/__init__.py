# SPDX-License-Identifier: Apache-2.0
"""The ROS edge: the only part of the package that imports rclpy and message packages."""
