# SPDX-License-Identifier: Apache-2.0
"""Launch files: they compile, and what they name exists; where ``launch`` is there, they load."""

import ast
import importlib.util
from pathlib import Path, PurePosixPath

import pytest
import yaml

from lfmvl_ros import registry
from lfmvl_ros.core.config import CameraSettings, PerceptionSettings

ROOT = Path(__file__).parents[3]
FILES = {path.name: path for path in sorted((ROOT / "launch").glob("*.launch.py"))}
LAUNCHING = ROOT / "lfmvl_ros" / "ros" / "transport" / "launching.py"
JOBS = ("assist.launch.py", "picking.launch.py", "shelf.launch.py")
USERS_KNOW = {
    "namespace", "input_image_topic", "params_file", "model", "query", "device", "use_sim_time",
    "autostart", "log_level", "use_debug", "dds_profile",
}  # fmt: skip


def tree(name):
    return ast.parse(FILES[name].read_text(), name)


def calls(name, function):
    return [
        node
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function
    ]


def keywords(call):
    return {keyword.arg: keyword.value for keyword in call.keywords}


def shared(function):
    """What a function of launching.py declares."""
    (found,) = [
        node
        for node in ast.parse(LAUNCHING.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    (given,) = [node.value for node in ast.walk(found) if isinstance(node, ast.Return)]
    return arguments_of(given)


def arguments_of(node):
    """Launch argument -> its keywords, in the order of a list of declarations."""
    if isinstance(node, ast.List):
        return {name: given for item in node.elts for name, given in arguments_of(item).items()}
    if isinstance(node, ast.Starred):
        return arguments_of(node.value)
    if node.func.id == "DeclareLaunchArgument":
        named = node.args[0]
        return {"dds_profile" if isinstance(named, ast.Name) else named.value: keywords(node)}
    return shared(node.func.id)


def declared(name):
    """Launch argument -> its keywords; some are declared by functions that the files share."""
    (made,) = [node for node in tree(name).body if getattr(node, "name", "") == "arguments"]
    return arguments_of(made.body[-1].value)


def constant(path, variable):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == variable:
            if isinstance(node.value, ast.Dict):
                kinds = [value.id for value in node.value.values]
                return dict(zip([key.value for key in node.value.keys], kinds, strict=True))
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} has no {variable}")


def function(name, wanted):
    """Return a function of a launch file that needs nothing of ``launch``."""
    (found,) = [
        node
        for node in tree(name).body
        if isinstance(node, ast.FunctionDef) and node.name == wanted
    ]
    space = {"PurePosixPath": PurePosixPath}
    exec(compile(ast.Module([found], []), name, "exec"), space)
    return space[wanted]


def test_the_expected_files_are_there():
    assert {"perception.launch.py", "demo.launch.py", "multi_camera.launch.py"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_compiles_and_does_nothing_when_imported(name):
    compile(FILES[name].read_text(), name, "exec")
    for node in tree(name).body:
        allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef)
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert isinstance(node, allowed) or is_docstring, ast.unparse(node)
    functions = {node.name for node in tree(name).body if isinstance(node, ast.FunctionDef)}
    assert "generate_launch_description" in functions


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_explained_and_has_a_default(name):
    for argument, given in declared(name).items():
        assert "default_value" in given, argument
        assert len(ast.literal_eval(given["description"])) > 15, argument
        if "choices" in given and isinstance(given["default_value"], ast.Constant):
            assert given["default_value"].value in ("", "true", "false", "info"), argument


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_used_and_every_used_one_declared(name):
    text = FILES[name].read_text() + LAUNCHING.read_text()
    used = calls(name, "LaunchConfiguration") + calls(name, "value")
    names = {c.args[0].value for c in used if isinstance(c.args[0], ast.Constant)}
    assert names <= set(declared(name))
    handed_on = set(declared(name)) - {"synthetic"} if name in JOBS else {"dds_profile"}
    for argument in set(declared(name)) - handed_on:
        assert text.count(f'"{argument}"') >= 2, f"{argument} is declared but not used"


def test_perception_has_the_arguments_users_know():
    assert set(declared("perception.launch.py")) >= USERS_KNOW


@pytest.mark.parametrize(
    ("images", "given", "expected"),
    [
        ("image_raw", "", "camera_info"),
        ("/front/image_raw", "", "/front/camera_info"),
        ("/front/color/image_rect", "", "/front/color/camera_info"),
        ("/front/image_raw", "/calibration", "/calibration"),
    ],
)
def test_the_calibration_is_beside_the_images(images, given, expected):
    assert function("perception.launch.py", "camera_info_topic")(images, given) == expected


def test_cameras_of_a_launch_file_are_those_of_its_parameter_file():
    words = function("multi_camera.launch.py", "words")
    default = words(declared("multi_camera.launch.py")["cameras"]["default_value"].value)
    shipped = yaml.safe_load((ROOT / "config" / "multi_camera.yaml").read_text())
    assert shipped["/**"]["ros__parameters"]["cameras"] == default
    assert words(" front , ,left,") == ["front", "left"]


def test_cameras_are_remapped_to_their_drivers():
    remappings = function("multi_camera.launch.py", "remappings")
    assert remappings(["front"], []) == []
    assert remappings(["front", "left"], ["/a/image_raw", "/b/color/image_rect"]) == [
        ("front/image_raw", "/a/image_raw"),
        ("front/camera_info", "/a/camera_info"),
        ("left/image_raw", "/b/color/image_rect"),
        ("left/camera_info", "/b/color/camera_info"),
    ]
    imu = [("front/imu", "/imu/data"), ("left/imu", "/imu/data")]
    assert remappings(["front", "left"], [], "/imu/data") == imu
    with pytest.raises(RuntimeError, match="names 1 topics for 2 cameras"):
        remappings(["front", "left"], ["/a/image_raw"])


def test_overrides_are_parameters_of_the_node_with_their_type():
    for file in ("perception.launch.py", "multi_camera.launch.py"):
        for name, kind in constant(LAUNCHING, "OVERRIDES").items():
            assert PerceptionSettings.describe()[name].kind.__name__ == kind
            assert name in declared(file)
    for name, kind in constant(FILES["demo.launch.py"], "CAMERA").items():
        assert CameraSettings.describe()[name].kind.__name__ == kind
        default = declared("demo.launch.py")[name]["default_value"].value
        assert yaml.safe_load(default) == CameraSettings.describe()[name].default


def test_demo_hands_on_arguments_that_exist():
    handed_on = set(constant(FILES["demo.launch.py"], "PERCEPTION"))
    assert handed_on <= set(declared("perception.launch.py"))
    assert handed_on <= set(declared("demo.launch.py"))


@pytest.mark.parametrize("name", JOBS)
def test_jobs_hand_on_arguments_that_exist(name):
    handed_on = set(declared(name)) - {"synthetic"}
    assert handed_on <= set(declared("perception.launch.py"))


@pytest.mark.parametrize("name", JOBS)
def test_the_camera_of_a_job_shows_its_scene(name):
    (given,) = [node.value for node in tree(name).body if isinstance(node, ast.Assign)]
    camera = ast.literal_eval(given)
    assert set(camera) <= set(CameraSettings.describe())
    job = registry.load(registry.DEMO_SCENES, camera["source"])
    assert (camera["source"], camera["rate_hz"]) == (name.partition(".")[0], job.rate_hz)
    assert ("depth_rate_hz" in camera) == job.depth


def test_nodes_are_entry_points_and_files_are_installed():
    setup = (ROOT / "setup.py").read_text()
    for name in FILES:
        for call in calls(name, "Node") + calls(name, "LifecycleNode"):
            given = keywords(call)
            if getattr(given["package"], "id", "") == "PACKAGE":
                assert f"{given['executable'].value} = " in setup
        for call in calls(name, "share"):
            assert ROOT.joinpath(*[part.value for part in call.args]).is_file()


def test_rviz_file_names_topics_of_the_default_namespace():
    view = yaml.safe_load((ROOT / "config" / "lfmvl.rviz").read_text())
    topics = {
        display["Topic"]["Value"]
        for display in view["Visualization Manager"]["Displays"]
        if "Topic" in display
    }
    assert topics == {"/lfmvl/debug_image", "/lfmvl/image_raw", "/lfmvl/markers"}
    assert view["Visualization Manager"]["Global Options"]["Fixed Frame"] == (
        CameraSettings().frame_id
    )


def test_the_rviz_file_of_positions_names_their_topics():
    view = yaml.safe_load((ROOT / "config" / "picking.rviz").read_text())["Visualization Manager"]
    named = {d["Topic"]["Value"] for d in view["Displays"] if "Topic" in d}
    assert named == {"/lfmvl/debug_image", "/lfmvl/markers_3d", "/lfmvl/pick_pose"}
    parameters = yaml.safe_load((ROOT / "config" / "picking.yaml").read_text())
    target = parameters["/**"]["ros__parameters"]["spatial"]["target_frame"]
    assert view["Global Options"]["Fixed Frame"] == target


def loaded(name):
    """Return a launch file as a module. ``launch`` is in no package index: it comes with ROS 2."""
    pytest.importorskip("launch_ros")
    spec = importlib.util.spec_from_file_location(name.partition(".")[0], FILES[name])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FILES)
def test_launch_makes_a_description_of_it(name):
    description = loaded(name).generate_launch_description()
    from launch.actions import DeclareLaunchArgument

    arguments = [e for e in description.entities if isinstance(e, DeclareLaunchArgument)]
    assert [argument.name for argument in arguments] == list(declared(name))
    assert all(argument.default_value is not None for argument in arguments)


@pytest.mark.parametrize(
    ("name", "function_name", "executables"),
    [
        ("perception.launch.py", "perception", ["perception_node"]),
        ("demo.launch.py", "camera", ["camera_node"]),
        (
            "multi_camera.launch.py",
            "nodes",
            ["perception_node", "camera_node", "camera_node"],
        ),
    ],
)
def test_launch_makes_the_nodes(name, function_name, executables):
    module = loaded(name)
    from launch import LaunchContext

    context = LaunchContext()
    for argument, given in declared(name).items():
        default = given["default_value"]
        text = default.value if isinstance(default, ast.Constant) else "/parameters.yaml"
        context.launch_configurations[argument] = text
    context.launch_configurations.update(
        {"cameras": "front,left", "synthetic": "true", "input_image_topics": "/a/image,/b/image"}
    )
    made = getattr(module, function_name)(context)
    assert [node.node_executable for node in made] == executables
    assert {node.node_package for node in made} == {"lfmvl_ros"}


@pytest.mark.parametrize("name", FILES)
def test_the_dds_profile_is_set_before_any_node_is_started(name):
    (description,) = calls(name, "LaunchDescription")
    actions = [ast.unparse(item) for item in description.args[0].elts]
    assert actions[0] == "*arguments()"
    if actions[1].startswith("*job_actions("):
        tree = ast.parse(LAUNCHING.read_text())
        (shared,) = [n for n in tree.body if getattr(n, "name", "") == "job_actions"]
        (given,) = [node.value for node in ast.walk(shared) if isinstance(node, ast.Return)]
        actions[1:2] = [ast.unparse(item) for item in given.elts]
    assert actions[1].startswith("set_dds_profile(processes=")
    assert all("set_dds_profile" not in action for action in actions[2:])
