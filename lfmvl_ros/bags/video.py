# SPDX-License-Identifier: Apache-2.0
"""Compressed video of a bag -> frames, with PyAV: one packet in, one image out.

``foxglove_msgs/CompressedVideo`` and ``ffmpeg_image_transport_msgs/FFMPEGPacket``. Neither may have
B-frames, so every packet is one image, and the images come in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.frame import Frame
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.stamps import stamp_ns

COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
VIDEO_TYPES = (COMPRESSED_VIDEO, FFMPEG_PACKET)
_DECODERS = {"h264": "h264", "h265": "hevc", "hevc": "hevc", "vp9": "vp9", "av1": "av1"}


class VideoDecoder:
    """Decodes the packets of one topic, in the order in which they were recorded.

    Raises:
        UserError: PyAV is not installed.
    """

    def __init__(self) -> None:
        try:
            import av
        except ImportError as error:
            raise UserError(
                "compressed video is decoded with PyAV, which is not installed; install it: "
                "pip install av (extra lfmvl_ros[video])"
            ) from error
        self._av = av
        self._codec = ""
        self._decoder: Any = None
        self._packets = 0

    def frame_of(self, message: Any, *, camera: str, max_megapixels: float) -> Frame:
        """Return the image of a packet.

        Raises:
            ConversionError: another codec, damaged data, a packet before the first key frame, or
                an image that is too large.
        """
        if hasattr(message, "header"):  # FFMPEGPacket
            stamp, frame_id, stated = (
                message.header.stamp,
                message.header.frame_id,
                message.encoding,
            )
        else:  # CompressedVideo
            stamp, frame_id, stated = message.timestamp, message.frame_id, message.format
        taken_ns = stamp_ns(stamp)
        picture = self._decoded(self._codec_of(stated), bytes(message.data))
        if picture.width * picture.height > max_megapixels * 1e6:
            raise ConversionError(
                f"an image of {picture.width}x{picture.height} is larger than "
                f"image.max_input_megapixels ({max_megapixels:g})"
            )
        pixels = np.ascontiguousarray(picture.to_ndarray(format="rgb24"))
        return Frame(pixels, taken_ns, frame_id, camera)

    def _codec_of(self, stated: str) -> str:
        name = stated.partition(";")[0].strip().lower().removeprefix("lib").replace("x26", "h26")
        codec = _DECODERS.get(name.partition("_")[0])
        if codec is None:
            raise ConversionError(
                f"video format {stated!r} is not supported; supported: {', '.join(_DECODERS)}",
                "unsupported_encoding",
            )
        return codec

    def _decoded(self, codec: str, data: bytes) -> Any:
        if codec != self._codec:
            self._decoder = self._av.CodecContext.create(codec, "r")
            self._decoder.thread_type = "NONE"  # threads would hold images back
            self._decoder.thread_count = 1
            self._codec = codec
        packet = self._av.Packet(data)
        packet.pts = self._packets
        self._packets += 1
        try:
            frames = self._decoder.decode(packet)
        except self._av.FFmpegError as error:
            raise ConversionError(f"a packet can't be decoded: {error}") from error
        for frame in frames:
            if frame.pts == packet.pts:
                return frame
        why = "its image comes late (B-frames?)" if frames else "no image, as before a key frame"
        raise ConversionError(f"a packet of {codec} gives {why}")
