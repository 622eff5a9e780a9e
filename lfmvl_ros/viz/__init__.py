# SPDX-License-Identifier: Apache-2.0
"""Images for people: boxes, ids, trails, videos."""
