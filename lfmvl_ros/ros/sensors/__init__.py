# SPDX-License-Identifier: Apache-2.0
"""Images and angular rates on their way in: decoding, order, loss, sources. Imports no ROS."""
