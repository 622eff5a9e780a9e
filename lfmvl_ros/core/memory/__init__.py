# SPDX-License-Identifier: Apache-2.0
"""Where objects were last seen: what is kept, where, and who writes it down."""
