# SPDX-License-Identifier: Apache-2.0
"""What IMU, calibration and static transforms say, and what of it is refused."""

import math

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Imu
from tf2_msgs.msg import TFMessage

from lfmvl_ros.core.config import EgoMotionSettings
from lfmvl_ros.core.tracking import Intrinsics
from lfmvl_ros.ros import conversions
from lfmvl_ros.ros.sensors.frames import StaticFrames, given_turn, rotation_of_rpy
from lfmvl_ros.ros.sensors.lens import to_lens
from lfmvl_ros.ros.sensors.pixels import ConversionError
from lfmvl_ros.ros.sensors.rates import RateLog
from lfmvl_ros.ros.sensors.sensing import take_transforms, taken_rate, to_rate, to_transforms

STAMP_NS = 1_700_000_000_123_456_789


def imu(x=0.1, y=-0.2, z=0.3, stamp_ns=STAMP_NS):
    message = Imu(header=conversions.to_header(stamp_ns, "imu_link"))
    message.angular_velocity.x, message.angular_velocity.y, message.angular_velocity.z = x, y, z
    return message


def info(**fields):
    made = conversions.to_camera_info(0, "lens", (640, 480), (500, 510, 320, 240))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_a_rate_is_read_whatever_the_imu_says_about_orientation():
    message = imu()
    message.orientation_covariance[0] = -1.0  # no orientation: none of ours
    rate = to_rate(message)
    assert rate.rad_s == pytest.approx((0.1, -0.2, 0.3))
    assert (rate.stamp_ns, rate.frame_id) == (STAMP_NS, "imu_link")
    assert to_rate(imu(stamp_ns=0)).stamp_ns == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 1000.0])
def test_what_no_gyroscope_measures_is_refused(value):
    for axis in "xyz":
        with pytest.raises(ConversionError, match="is impossible") as caught:
            to_rate(imu(**{axis: value}))
        assert caught.value.reason == "corrupt"


def test_an_imu_without_gyroscope_and_an_impossible_stamp_are_refused():
    message = imu()
    message.angular_velocity_covariance[0] = -1.0
    with pytest.raises(ConversionError) as caught:
        to_rate(message)
    assert caught.value.reason == "not_provided"
    message = imu()
    message.header.stamp.sec = -1
    with pytest.raises(ConversionError) as caught:
        to_rate(message)
    assert caught.value.reason == "corrupt"


def test_raw_images_have_k_and_rectified_ones_p():
    message = info()
    message.p[0], message.p[2], message.p[5], message.p[6] = 450, 310, 460, 230
    raw = to_lens(message, rectified=False)
    assert (raw.intrinsics, raw.wh) == (Intrinsics(500, 510, 320, 240), (640, 480))
    rectified = to_lens(message, rectified=True)
    assert rectified.intrinsics == Intrinsics(450, 460, 310, 230)
    message.p[0] = 0.0  # a driver that leaves P empty
    assert to_lens(message, rectified=True).intrinsics == raw.intrinsics


def test_region_of_interest_and_binning_change_the_lens():
    message = info(binning_x=2, binning_y=4)
    message.roi.x_offset, message.roi.y_offset = 100, 40
    message.roi.width, message.roi.height = 400, 200
    lens = to_lens(message, rectified=False)
    assert lens.intrinsics == Intrinsics(250, 127.5, 110, 50)
    assert lens.wh == (200, 50)
    assert to_lens(info(binning_x=2), rectified=False).wh == (320, 480)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 5e-324, 1e-300, 1e300])
def test_an_uncalibrated_camera_is_refused(value):
    message = info()
    message.k[0] = value
    with pytest.raises(ConversionError, match="no calibration"):
        to_lens(message, rectified=False)
    with pytest.raises(ConversionError, match="no calibration"):
        to_lens(CameraInfo(), rectified=True)


def test_a_region_of_interest_outside_the_image_is_refused():
    message = info()
    message.roi.x_offset, message.roi.width = 600, 100
    with pytest.raises(ConversionError, match="region of interest of 100x0 at 600, 0"):
        to_lens(message, rectified=False)


def test_a_fisheye_has_a_lens_only_when_rectified():
    message = info(distortion_model="equidistant")
    with pytest.raises(ConversionError, match="use rectified ones"):
        to_lens(message, rectified=False)
    assert to_lens(message, rectified=True).intrinsics == Intrinsics(500, 510, 320, 240)


def test_transforms_give_parent_child_and_rotation():
    item = TransformStamped(header=conversions.to_header(0, "base"), child_frame_id="imu")
    item.transform.rotation.x, item.transform.rotation.w = 1.0, 0.0
    assert list(to_transforms(TFMessage(transforms=[item]))) == [("base", "imu", (1, 0, 0, 0))]


def test_a_rate_that_cannot_be_used_is_counted_and_said_once():
    log, said = RateLog(lambda: 10**9), []
    assert taken_rate(imu(), log, said.append).frame_id == "imu_link"
    assert not said
    for _ in range(3):
        assert taken_rate(imu(x=math.nan), log, said.append) is None
    assert len(said) == 1
    assert said[0].startswith("IMU message dropped (corrupt): ")
    assert log.status().dropped["corrupt"] == 3


def test_an_impossible_transform_is_said_and_the_others_are_taken():
    frames, said = StaticFrames(), []
    message = TFMessage(transforms=[TransformStamped(), TransformStamped()])
    for item, child, w in zip(message.transforms, ("camera", "imu"), (0.0, 1.0), strict=True):
        item.header.frame_id, item.child_frame_id = "base", child
        item.transform.rotation.w = w
    take_transforms(message, frames, said.append)
    assert len(frames) == 1
    assert len(said) == 1
    assert said[0].startswith("a static transform is left out: ")


def test_the_angles_of_the_settings_are_turned_round():
    settings = EgoMotionSettings(mount="given", roll_rad=0.1, pitch_rad=-0.2, yaw_rad=0.3)
    ahead = rotation_of_rpy(0.1, -0.2, 0.3) @ given_turn(settings)
    assert ahead == pytest.approx(np.eye(3))
