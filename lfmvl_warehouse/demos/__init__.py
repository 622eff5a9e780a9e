# SPDX-License-Identifier: Apache-2.0
"""Jobs with planned scenes, so that what the rules find can be compared with what happened."""
