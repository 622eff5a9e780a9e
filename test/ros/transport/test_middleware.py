# SPDX-License-Identifier: Apache-2.0
"""Which RMW is in use, and which DDS profile a process is started with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.ros.transport import fast_dds, middleware
from lfmvl_ros.ros.transport.middleware import CYCLONE_DDS, FAST_DDS

from ...waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
OLD, NEW = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
LARGE = ROOT / "config" / "fastdds_images.xml"
SMALL = ROOT / "config" / "fastdds_images_small.xml"


def choose(wanted="auto", environment=None, *, processes=3, free=10**9, distribution="jazzy"):
    return middleware.choose_profile(
        wanted, environment or {}, processes=processes, free_bytes=free, distribution=distribution
    )


@pytest.fixture(autouse=True)
def _no_profile_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [("humble", OLD), ("jazzy", OLD), ("kilted", NEW), ("rolling", NEW), ("", NEW)],
)
def test_the_variable_is_the_one_that_the_distribution_honours(distribution, variable):
    assert choose(distribution=distribution).variables == {variable: str(LARGE)}
    line = middleware.export_line(FAST_DDS, distribution)
    assert line == f"export {variable}={LARGE}"


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"RMW_IMPLEMENTATION": CYCLONE_DDS}, "reads no Fast DDS profile"),
        ({OLD: "/mine.xml"}, "/mine.xml is set already"),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}, "UDPv4 is set"),
    ],
)
def test_what_the_user_has_set_is_kept(environment, reason):
    choice = choose(environment=environment)
    assert (choice.variables, choice.warning) == ({}, False)
    assert reason in choice.reason


def test_a_variable_that_the_distribution_ignores_sets_nothing():
    assert choose(environment={NEW: "/mine.xml"}).variables == {OLD: str(LARGE)}
    assert choose(environment={OLD: "/mine.xml"}, distribution="kilted").variables == {}


def test_a_profile_in_the_working_directory_is_one_that_is_set(tmp_path):
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").write_text("<dds/>")
    assert choose().variables == {}
    assert choose(environment={"SKIP_DEFAULT_XML": "1"}).variables == {OLD: str(LARGE)}


def test_the_segment_is_as_large_as_the_shared_memory_allows():
    assert choose(free=64 * 2**20, processes=3).variables == {OLD: str(LARGE)}
    assert choose(free=64 * 2**20, processes=6).variables == {OLD: str(SMALL)}
    none = choose(free=8 * 2**20)
    assert (none.variables, none.warning) == ({}, True)
    assert "--shm-size" in none.reason
    assert choose(free=None).variables == {OLD: str(LARGE)}


@given(st.integers(0, 2 * 10**9), st.integers(1, 20))
def test_the_processes_never_take_more_shared_memory_than_there_is(free, processes):
    for path in choose(free=free, processes=processes).variables.values():
        segment = fast_dds.read_transport(Path(path)).segment_bytes
        assert processes * fast_dds.shared_memory_bytes(segment) <= free


def test_none_and_a_profile_of_ones_own(tmp_path):
    assert choose("none").variables == {}
    mine = tmp_path / "mine.xml"
    mine.write_text(SMALL.read_text())
    assert choose(str(mine)).variables == {OLD: str(mine)}
    assert choose(str(mine), {"RMW_IMPLEMENTATION": CYCLONE_DDS}).variables == {
        "CYCLONEDDS_URI": f"file://{mine}"
    }
    with pytest.raises(UserError, match="there is no DDS profile /no/such"):
        choose("/no/such.xml")
    with pytest.raises(UserError, match="rmw_zenoh_cpp reads none"):
        choose(str(mine), {"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"})
    mine.write_text("<dds>")
    with pytest.raises(UserError, match="is not valid XML"):
        choose(str(mine))


# -- files -----------------------------------------------------------------------------------------


def profile(tmp_path, rtps, descriptors=""):
    path = tmp_path / "profile.xml"
    path.write_text(
        '<dds xmlns="http://www.eprosima.com"><profiles>'
        f"<transport_descriptors>{descriptors}</transport_descriptors>"
        f'<participant profile_name="p" is_default_profile="true"><rtps>{rtps}</rtps></participant>'
        "</profiles></dds>"
    )
    return path


SHM = (
    "<transport_descriptor><transport_id>s</transport_id><type>SHM</type>"
    "<segment_size>{}</segment_size></transport_descriptor>"
)
USED = "<userTransports><transport_id>s</transport_id></userTransports>"
PLAIN = "<useBuiltinTransports>false</useBuiltinTransports>"


@pytest.mark.parametrize(
    ("rtps", "descriptors", "segment"),
    [
        ("", "", 512 * 1024),
        (PLAIN, "", None),
        (USED + PLAIN, SHM.format(8 << 20), 8 << 20),
        (USED, SHM.format(8 << 20), 8 << 20),
        (USED + PLAIN, SHM.format(""), 512 * 1024),
        (PLAIN, SHM.format(8 << 20), None),  # described, but not used
        ("<builtinTransports>UDPv4</builtinTransports>", "", None),
        ("<builtinTransports>DEFAULT</builtinTransports>", "", 512 * 1024),
    ],
)
def test_the_segment_of_a_profile(tmp_path, rtps, descriptors, segment):
    assert fast_dds.read_transport(profile(tmp_path, rtps, descriptors)).segment_bytes == segment


def test_the_shipped_profiles_say_what_the_code_says():
    large, small = fast_dds.read_transport(LARGE), fast_dds.read_transport(SMALL)
    assert (large.segment_bytes, small.segment_bytes) == (16 << 20, 4 << 20)
    assert large.receive_buffer_bytes == small.receive_buffer_bytes == 16 << 20
    assert middleware.shipped_profile() == LARGE
    assert middleware.shipped_profile("cyclonedds_images.xml").is_file()
    with pytest.raises(UserError, match="not installed"):
        middleware.shipped_profile("nothing.xml")


def test_transports_chosen_by_the_environment():
    def of(mode):
        return fast_dds.transport_of({"FASTDDS_BUILTIN_TRANSPORTS": mode}, None).segment_bytes

    assert of("UDPv4") is None
    assert of("LARGE_DATA?max_msg_size=1MB") == 512 * 1024
    assert fast_dds.transport_of({}, None).segment_bytes == 512 * 1024
    assert fast_dds.transport_of({}, LARGE).segment_bytes == 16 << 20


# -- the real thing --------------------------------------------------------------------------------

PROGRAM = """
import json, sys, rclpy
from rclpy.utilities import get_rmw_implementation_identifier
from std_msgs.msg import String
from lfmvl_ros.ros.transport import fast_dds
rclpy.init()
node = rclpy.create_node("a")
node.create_publisher(String, "topic", 1)
node.create_subscription(String, "topic", lambda _: None, 1)
while not (found := node.get_publishers_info_by_topic("topic")):
    rclpy.spin_once(node, timeout_sec=0.01)  # the graph is known a moment later
gid = list(found[0].endpoint_gid)
print(json.dumps([get_rmw_implementation_identifier(), fast_dds.segment_of(gid, gid),
                  fast_dds.segment_of([0] * 16, gid)]))
"""


def test_a_process_with_the_profile_has_its_segment():
    found = middleware.find_ros()
    assert found is not None
    environment = {**os.environ, **choose(distribution=found.distribution).variables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, capture_output=True, text=True,
        timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    rmw, segment, elsewhere = json.loads(done.stdout.splitlines()[-1])
    assert elsewhere is None
    if not middleware.is_fast_dds(rmw):
        pytest.skip(f"{rmw} has no segments")
    assert segment == pytest.approx(16 << 20, rel=0.01)
    assert "Error" not in done.stderr


def test_the_installation_is_named():
    found = middleware.find_ros()
    assert found is not None
    assert found.distribution in str(found).lower()
