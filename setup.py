# SPDX-License-Identifier: Apache-2.0
"""ament_python package: what colcon and pip install, and where."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

NAME = "lfmvl_ros"
WAREHOUSE = "lfmvl_warehouse"
HERE = Path(__file__).parent


def share(folder: str, pattern: str) -> tuple[str, list[str]]:
    """Return one entry of data_files: a folder of the source, installed below share/."""
    files = sorted(str(path.relative_to(HERE)) for path in (HERE / folder).glob(pattern))
    return f"share/{NAME}/{folder}", files


setup(
    name=NAME,
    version="0.1.0",
    description="Objects in words from a camera topic: tracked vision_msgs with LFM2-VL models",
    author="lfmvl_ros maintainers",
    author_email="maintainers@users.noreply.github.com",
    maintainer="lfmvl_ros maintainers",
    maintainer_email="maintainers@users.noreply.github.com",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*", WAREHOUSE, f"{WAREHOUSE}.*"]),
    package_data={
        NAME: ["licences/known.yaml", "models/catalog/*.yaml", "review/*.html"],
        WAREHOUSE: [
            "bundled.yaml",
            "checkpoint/*",
            "sentence_checkpoint/*",
            "sentences/phrases/*.yaml",
        ],
    },
    include_package_data=False,
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        share("launch", "*.launch.py"),
        share("config", "*.yaml"),
        share("config/rules", "*.yaml"),
        share("config", "*.xml"),
        share("config", "*.json"),
        share("config", "*.rviz"),
    ],
    # Everything else is a dependency of package.xml (rosdep) and requirements.txt (pip): colcon
    # neither installs nor may choke on it here.
    install_requires=["setuptools"],
    # For commands that few need; each says when it lacks one.
    extras_require={
        "bags": ["rosbags>=0.11"],  # `lfmvl replay` and `lfmvl record`
        "evaluate": ["faster-coco-eval>=1.7"],  # average precision of `lfmvl evaluate`
        "sealed": ["pyrage>=1.2"],  # encrypted samples, `lfmvl collected`
        "telemetry": ["prometheus-client>=0.20"],  # metrics of the node
        "finetune": ["peft>=0.18"],  # adapters of `lfmvl finetune`
        "mcp": ["mcp>=2"],  # agents: `lfmvl mcp`
        "ocr": ["rapidocr>=3.10", "onnxruntime>=1.17"],  # text on tracked objects
        "video": ["av>=14"],  # compressed video in bags
        "rules": ["rule-engine>=5"],  # conditions of rules
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            f"perception_node = {NAME}.ros.start:perception_node",
            f"camera_node = {NAME}.ros.start:camera_node",
            f"recorder_node = {NAME}.ros.start:recorder_node",
            f"lfmvl = {NAME}.cli.main:main",
        ],
        # What lfmvl_ros knows of the synthetic warehouse: lfmvl_ros/registry.py.
        "lfmvl_ros.commands": [
            f"scenes = {WAREHOUSE}.cli:SCENES",
            f"train = {WAREHOUSE}.cli:TRAIN",
        ],
        "lfmvl_ros.image_sources": [
            f"scene = {WAREHOUSE}.image_source:SceneImages",
            f"shelf = {WAREHOUSE}.image_source:ShelfImages",
            f"assist = {WAREHOUSE}.image_source:AssistImages",
            f"picking = {WAREHOUSE}.image_source:PickingImages",
        ],
        "lfmvl_ros.demo_scenes": [
            f"shelf = {WAREHOUSE}.demos.shelf:JOB",
            f"assist = {WAREHOUSE}.demos.assist:JOB",
            f"picking = {WAREHOUSE}.demos.picking:JOB",
        ],
        "lfmvl_ros.sample_images": [f"scene = {WAREHOUSE}.image_source:sample_images"],
        "lfmvl_ros.query_remarks": [f"scene = {WAREHOUSE}.image_source:query_remark"],
        "lfmvl_ros.models": [f"bundled = {WAREHOUSE}:CATALOG_FILE"],
        "lfmvl_ros.translations": [f"scene = {WAREHOUSE}.scenes:TRANSLATIONS"],
        "lfmvl_ros.question_sets": [f"scenes = {WAREHOUSE}.calibration_sets:question_sets"],
    },
)
