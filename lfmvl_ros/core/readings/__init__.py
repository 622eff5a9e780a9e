# SPDX-License-Identifier: Apache-2.0
"""Text on tracked objects: which crops are read, and what several readings of them say together."""

from lfmvl_ros.core.readings.reading import CropReading, ReadLine, TextReader, TrackText

__all__ = ["CropReading", "ReadLine", "TextReader", "TrackText"]
