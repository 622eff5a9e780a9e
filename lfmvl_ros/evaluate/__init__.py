# SPDX-License-Identifier: Apache-2.0
"""What a model does on labelled images: answers judged, figures with intervals, a scorecard."""
