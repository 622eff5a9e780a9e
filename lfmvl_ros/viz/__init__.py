# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: boxes, ids, trails, videos."""
