# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: the DDS profile that lets images through.

``dds_profile:=auto`` sets it for the processes of a launch file where the RMW is Fast DDS and the
user has set none. A camera driver that is started elsewhere needs it in its own environment.
"""

from __future__ import annotations

from launch import LaunchContext
from launch.action import Action
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.transport import fast_dds, middleware

ARGUMENT = "dds_profile"


def dds_profile_argument() -> DeclareLaunchArgument:
    """Declare the argument."""
    return DeclareLaunchArgument(
        ARGUMENT,
        default_value="auto",
        description="DDS profile of the nodes. auto: one with shared memory for images where the "
        "RMW is Fast DDS and no profile is set; none; or the path of an XML file",
    )


def set_dds_profile(processes: int) -> OpaqueFunction:
    """Return the action that sets the profile for what is started after it.

    Args:
        processes: how many that will be; each takes a segment of /dev/shm.
    """
    return OpaqueFunction(function=_set, args=[processes])


def _set(context: LaunchContext, processes: int) -> list[Action]:
    try:
        choice = middleware.choose_profile(
            LaunchConfiguration(ARGUMENT).perform(context),
            context.environment,
            processes=processes,
            free_bytes=fast_dds.free_shared_memory(),
        )
    except UserError as error:
        raise RuntimeError(f"{ARGUMENT}: {error}") from error
    level = "warning: " if choice.warning else ""
    return [
        *(SetEnvironmentVariable(name, value) for name, value in choice.variables.items()),
        LogInfo(msg=f"{ARGUMENT}: {level}{choice.reason}"),
    ]
