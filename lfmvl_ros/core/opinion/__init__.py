# SPDX-License-Identifier: Apache-2.0
"""Second opinion: which crops a second model is asked about, and what its answers mean."""
