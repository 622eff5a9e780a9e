# SPDX-License-Identifier: Apache-2.0
"""Settings of the ROS middleware for large images, and launch actions that apply them."""
