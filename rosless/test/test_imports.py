# SPDX-License-Identifier: Apache-2.0
"""The import finder: there in every process, last in line, and never beside a real ROS 2."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger

ROOT = Path(__file__).resolve().parents[1]


def _python(source, *options, env=None, cwd=None):
    result = subprocess.run(
        [sys.executable, *options, "-c", source],
        capture_output=True,
        text=True,
        env=env,
        cwd=cwd,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_every_process_can_import_rclpy(tmp_path):
    source = "import rclpy, sensor_msgs.msg as m; print(rclpy.__name__, m.Image().encoding == '')"
    assert _python(source, cwd=tmp_path) == "rclpy True"


def test_start_up_stays_cheap(tmp_path):
    heavy = "[m for m in ('numpy', 'cyclonedds', 'rosbags', 'yaml', 'rclpy') if m in sys.modules]"
    assert _python(f"import sys; print({heavy})", cwd=tmp_path) == "[]"


def test_a_real_ros_wins(tmp_path):
    """A rclpy that can be found otherwise is taken, and no message package is mixed in."""
    package = tmp_path / "rclpy"
    package.mkdir()
    (package / "__init__.py").write_text("origin = 'real'\n")
    (tmp_path / "std_msgs").mkdir()
    (tmp_path / "std_msgs" / "__init__.py").write_text("origin = 'real'\n")
    source = (
        "import std_msgs, rclpy\n"
        "assert rclpy.origin == std_msgs.origin == 'real'\n"
        "for name in ('sensor_msgs.msg', 'rclpy.node'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        print(error)\n"
    )
    lines = _python(source, cwd=tmp_path).splitlines()
    assert lines == ["No module named 'sensor_msgs'", "No module named 'rclpy.node'"]


@pytest.mark.parametrize(
    "statement",
    [
        "from rclpy.action import ActionClient",
        "import rclpy.wait_for_message",
        "from rclpy.node import NodeNameNonExistentError",
        "from rclpy import expand_topic_name",
        "from rclpy.task import Task",
    ],
)
def test_what_is_missing_says_that_ros_is_needed(statement):
    with pytest.raises(ImportError, match="real ROS 2 is needed"):
        exec(statement, {})


def test_missing_attributes_can_be_asked_for():
    import rclpy
    from rclpy.node import Node

    assert not hasattr(rclpy, "no_such_thing")
    assert not hasattr(Node, "create_rate")


def test_missing_methods_say_that_ros_is_needed(ros):
    from rclpy.executors import SingleThreadedExecutor

    node = ros.create_node("node")
    for thing in (node, node.create_timer(1.0, print), SingleThreadedExecutor()):
        assert not hasattr(thing, "assert_liveliness")
        with pytest.raises(AttributeError, match="real ROS 2 is needed"):
            thing.assert_liveliness()


def test_missing_arguments_say_that_ros_is_needed(ros):
    node = ros.create_node("node")

    async def coroutine():
        pass

    for call in (
        lambda: ros.create_node("other", allow_undeclared_parameters=True),
        lambda: node.create_publisher(String, "x", 10, event_callbacks=print),
        lambda: node.create_subscription(String, "x", print, 10, raw=True),
        lambda: node.create_timer(1.0, print, autostart=False),
        lambda: node.create_timer(1.0, coroutine),
        lambda: node.create_client(Trigger, "x", no_such_option=1),
        lambda: node.declare_parameter("x", 1, ignore_override=True),
        lambda: node.get_logger().info("x", once=True),
    ):
        with pytest.raises(TypeError, match="real ROS 2 is needed"):
            call()


def test_unknown_messages_are_errors():
    with pytest.raises(ImportError):
        exec("from sensor_msgs.msg import Imagee", {})
    with pytest.raises(ModuleNotFoundError):
        exec("import sensor_msgs.action", {})


def test_wheel_carries_the_hook(tmp_path):
    """Build a wheel, install it by unpacking, and import rclpy in a fresh environment."""
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "-q", "--no-deps"]
    command += ["--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=50)
    (wheel,) = tmp_path.glob("rosless-*.whl")
    environment = tmp_path / "env"
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
        record = archive.read(next(n for n in names if n.endswith("RECORD"))).decode()
    assert "rosless.pth" in names
    assert set(names) == {line.split(",")[0] for line in record.splitlines()}
    assert not any(name.startswith("rclpy") for name in names)
    (site / "zz_dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    source = "import rclpy; print(rclpy.__file__)"
    result = subprocess.run(
        [environment / "bin" / "python", "-c", source],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=tmp_path,
    )
    assert result.stdout.startswith(str(site))


def test_run_command(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import sys, rclpy\nprint(sys.argv[1:], rclpy.ok(), __name__)\n")
    command = [
        sys.executable,
        "-S",
        "-m",
        "rosless",
        "run",
        str(script),
        "--ros-args",
        "-p",
        "a:=1",
    ]
    paths = [str(ROOT / "src"), sysconfig.get_paths()["purelib"]]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(paths), "PATH": "/usr/bin"},
        timeout=30,
        check=False,
    )
    assert result.stdout.strip() == "['--ros-args', '-p', 'a:=1'] False __main__", result.stderr
    missing = subprocess.run(
        [*command[:5], "nowhere.py"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(paths)},
        timeout=30,
        check=False,
    )
    assert missing.returncode == 2
    assert "nowhere.py" in missing.stderr
