# SPDX-License-Identifier: Apache-2.0
"""Where objects were last seen: the records, their database, and the thread that writes them."""
