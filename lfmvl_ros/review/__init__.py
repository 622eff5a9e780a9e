# SPDX-License-Identifier: Apache-2.0
"""The review page: items on disk, a local web page to answer them, labels out of the answers."""
