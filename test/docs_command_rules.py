# SPDX-License-Identifier: Apache-2.0
"""What is different about commands that the docs print.

A command is quick (``make test`` runs it, too), has a placeholder that is filled in, is shortened,
must print or leave something, or can't be run here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What is different about commands that match ``pattern``.

    Attributes:
        pattern: regular expression, searched in the command.
        why_not: why they are not run; "" when they are.
        quick: ``make test`` runs them, too. They must not need what a slow command makes.
        first: shell command that makes what they need, run once a page.
        change: (regular expression, replacement), applied to the command.
        prints: regular expression that must be found in what they print.
        leaves: files that must be there afterwards.
        camera: a camera publishes on this topic while they run.
        needs: modules of ``make bench-setup``; without them the test is skipped.
    """

    pattern: str
    why_not: str = ""
    quick: bool = False
    first: str = ""
    change: tuple[tuple[str, str], ...] = ()
    prints: str = ""
    leaves: tuple[str, ...] = ()
    camera: str = ""
    needs: tuple[str, ...] = ()


ON_A_ROBOT = "needs a ROS 2 installation with its command line, which is not on PyPI"
INSTALLS = "changes the environment that the tests run in; `make setup` installs the same in CI"
JSON_LAST = r"(?m)^\{.*\}\n*\Z"

# A look that the bundled model is not used to, in a folder of its own: a few updates improve on it.
LABELLED_NEGATIVE = (
    "test -e unusual || lfmvl scenes --labelled unusual --look negative --count 60 --seed 7"
)
LABELLED = "test -e my-images || lfmvl scenes --labelled my-images --count 24 --seed 7"

RULES = (
    # Not run.
    Rule(r"^(ros2|colcon|rosdep|rviz2|source) ", ON_A_ROBOT),
    Rule(r"^cd ~/ros2_ws", ON_A_ROBOT),
    Rule(r"^export .*\$\(ros2 ", ON_A_ROBOT),
    Rule(r"^docker ", "needs Docker"),
    Rule(r"^sudo ", "changes the machine"),
    Rule(r"^pip install ", INSTALLS),
    Rule(r"^llama-server ", "needs llama.cpp, built for the machine"),
    Rule(r"^lfmvl doctor --model http", "needs a model server that runs"),
    Rule(r"^python benchmarks/gguf_converter\.py DIR", "needs the sources of llama.cpp"),
    Rule(r"^make (setup|bench-setup|types-oldest)\b", INSTALLS),
    Rule(r"^make (test|test-fast|test-deep|pytest)\b", "runs these tests themselves"),
    Rule(r"^DISTRO=kilted ", "installs ROS 2 a second time"),
    Rule(
        r"^lfmvl \w+ --(data|drift-profile|from|languages|scene|topic|truth|write)$",
        "names an option, not a whole call",
    ),
    Rule(
        r"^lfmvl (rules (check|try)|collected new-key|evaluate BAG|ground --model \S+)$",
        "names a part of a command; the whole call stands elsewhere",
    ),
    Rule(
        r"^python benchmarks/tracking(_real\.py|(_campus)?\.py --mot15)", "needs public data sets"
    ),
    # make
    Rule(
        r"^make demo$",
        prints=JSON_LAST,
        leaves=(
            "out/demo/preview.png",
            "out/demo/annotated.mp4",
            "out/demo/camera.mp4",
            "out/demo/grounding.jsonl",
            "out/demo/tracks.jsonl",
            "out/demo/places.png",
            "out/demo/places.mp4",
        ),
    ),
    Rule(
        r"^make demo .*/path/to/video\.mp4",
        first="lfmvl scenes --video video.mp4 --no-boxes --seconds 4 --seed 7",
        change=((r"/path/to/video\.mp4", "video.mp4"),),
        prints=JSON_LAST,
    ),
    *(
        Rule(
            f"^make demo SCENE={scene}",
            change=((r"$", " DURATION=8"),),
            prints=JSON_LAST,
            leaves=(f"out/{scene}/events.jsonl", f"out/{scene}/annotated.mp4"),
        )
        for scene in ("shelf", "assist", "picking")
    ),
    Rule(r"^make format$", quick=True),
    # lfmvl
    Rule(
        r"^lfmvl scenes --video out/scene\.mp4",
        quick=True,
        change=((r"$", " --seconds 4"),),  # several pages have it
        leaves=("out/scene.mp4",),
    ),
    Rule(r"^lfmvl scenes --preview out/scenes\.png", leaves=("out/scenes.png",)),
    Rule(
        r"^lfmvl scenes --labelled my-images",
        quick=True,
        leaves=("my-images/annotations/instances.json",),
    ),
    Rule(r"^lfmvl scenes --labelled old-images", leaves=("old-images/annotations/instances.json",)),
    Rule(r"^lfmvl models", quick=True, prints="bundled|lfm2"),
    Rule(
        r"^lfmvl ground out/scene\.mp4 .*bundled:q4_0",
        first="lfmvl scenes --video out/scene.mp4 --no-boxes --seed 7",
        needs=("gguf", "xllamacpp"),
        prints=r'"objects": \[',
    ),
    Rule(
        r"^lfmvl ground out/scene\.mp4 .*bundled:int8",
        first="lfmvl scenes --video out/scene.mp4 --no-boxes --seed 7",
        prints=r'"objects": \[',
    ),
    Rule(
        r"^lfmvl ground out/scene\.mp4 .*http://",
        "needs a model server that runs",
    ),
    Rule(r"^lfmvl export bundled out/gguf", needs=("gguf",), leaves=("out/gguf",)),
    Rule(
        r"^lfmvl ground out/scene\.mp4 .*\.gguf",
        first="lfmvl scenes --video out/scene.mp4 --no-boxes --seed 7 && "
        "lfmvl export bundled out/gguf",
        needs=("gguf", "xllamacpp"),
        prints=r'"objects": \[',
    ),
    Rule(r"^lfmvl ground out/scene\.mp4 .*bundled", quick=True, prints=r'"objects": \['),
    Rule(
        r"^lfmvl ground photo\.jpg",
        first="lfmvl scenes --preview photo.jpg --count 1 --no-boxes",
        prints=r'"objects": \[',
    ),
    Rule(
        r"^lfmvl track out/scene\.mp4 .*--trigger-mode motion",
        first="test -e out/scene.mp4 || lfmvl scenes --video out/scene.mp4 --no-boxes --seed 7",
        prints=r'"skipped_asleep": \d',
        leaves=("out/track",),
    ),
    Rule(r"^lfmvl track out/demo/camera\.mp4", leaves=("out/track",)),
    Rule(r"^lfmvl tokens 640x480 --model …", change=(("…", "bundled"),)),
    Rule(
        r"^lfmvl evaluate my-images .*--drift-profile",
        first=LABELLED.replace("--count 24", "--count 200"),
        leaves=("profile.json",),
    ),
    Rule(r"^lfmvl licences$", quick=True, prints="LicenseRef-LFM-1.0"),
    Rule(
        r"^lfmvl licences --model DIR",
        first="printf 'faster-coco-eval: Apache-2.0\\n' > my-licences.yaml",
        change=((r"DIR", "bundled"),),
        quick=True,
        leaves=("licences.json",),
    ),
    Rule(r"^lfmvl tokens 1280x720$", quick=True, prints="tokens"),
    Rule(r"^lfmvl doctor --no-model$", prints=r"reach +\S"),
    Rule(
        r"^lfmvl doctor .*--topic /camera/image_raw",
        camera="/camera/image_raw",
        prints=r"320x240 rgb8",
    ),
    Rule(
        r"^lfmvl rules check config/rules/aisle\.yaml$", quick=True, prints="rule person_in_aisle"
    ),
    Rule(
        r"^lfmvl rules try config/rules/aisle\.yaml out/scene\.mp4",
        first="lfmvl scenes --video out/scene.mp4 --no-boxes --seed 7",
        prints=JSON_LAST,
        leaves=("out/rules/annotated.mp4", "out/rules/preview.png", "out/rules/events.jsonl"),
    ),
    Rule(
        r"^lfmvl say ",  # as no node runs here; test/ros/test_say.py has one
        quick=True,
        change=(
            (r"--domain 77", "--domain 79"),  # somebody's demo may be running
            (r"$", " --timeout 0.1 |& cat"),
        ),
        prints="no perception node answers commands in /lfmvl",
    ),
    Rule(r"^lfmvl mcp$", quick=True, change=((r"$", " < /dev/null"),)),
    Rule(
        r"^lfmvl mcp --http 8765$",
        change=((r"^", "timeout --preserve-status 20 "), (r"$", " 2>&1; test $? = 143")),
        prints=r"http://127\.0\.0\.1:8765/mcp, token ",
    ),
    Rule(
        r"^lfmvl where",
        "needs the memory of a node that ran; test/ros/test_memory_over_ros.py runs it",
    ),
    Rule(
        r"^lfmvl read docs/images/labels\.jpg$",
        needs=("rapidocr", "onnxruntime"),
        prints=r"BATTERIES[\s\S]*\"lines\": \[",
    ),
    Rule(
        r"^python benchmarks/readings\.py --preview",
        needs=("rapidocr", "onnxruntime"),
        leaves=("out/labels.jpg",),
    ),
    Rule(
        r"^python benchmarks/readings\.py --labels",
        needs=("rapidocr", "onnxruntime"),
        change=((r"--labels.*", "--labels 8 --peers 1 --heights 12"),),
        prints=JSON_LAST,
    ),
    Rule(r"^lfmvl review --export$", quick=True, prints=r'"images": \d'),
    Rule(r"^lfmvl review", "runs until it is ended; test/ros/test_review_over_ros.py runs it"),
    Rule(r"^ssh |^adb ", "needs a second machine"),
    Rule(r"^lfmvl config --(yaml|markdown)$", quick=True, prints=r"tracker"),
    Rule(r"^lfmvl config --yaml > config/default\.yaml$", quick=True),
    Rule(
        r"^lfmvl calibrate --model text-q4_0\.gguf --write$",
        first="lfmvl export bundled out/gguf --type q4_0",
        needs=("gguf", "xllamacpp"),
        change=(("text-q4_0.gguf", "out/gguf/bundled-q4_0.gguf --scenes 20"),),
        prints=JSON_LAST,
    ),
    Rule(
        r"^lfmvl calibrate --model bundled --scenes 500",
        change=((r"--scenes 500", "--scenes 60"),),
        prints=JSON_LAST,
    ),
    Rule(
        r"^lfmvl calibrate .*--model (DIR|runs)",
        first="cp -r lfmvl_warehouse/checkpoint DIR && rm DIR/calibration.json && "
        "lfmvl scenes --labelled more-pictures --count 240 --seed 3",
        change=(
            (r"--model \S+", "--model DIR"),
            (r"--data \S+", "--data more-pictures"),  # a calibration takes hundreds of boxes
            ("FILE", "reliability"),
        ),
        leaves=("DIR/calibration.json",),
    ),
    Rule(
        r"^lfmvl evaluate my-images --model bundled$",
        first=LABELLED,
        prints=JSON_LAST,
        leaves=("out/evaluate/scorecard.json", "out/evaluate/scorecard.html"),
    ),
    Rule(
        r"^lfmvl evaluate my-images .*--model runs/mine/checkpoint",
        first=f"{LABELLED}; test -e before.json || "
        "(lfmvl evaluate my-images --model bundled && cp out/evaluate/scorecard.json before.json)",
        change=((r"--model runs/mine/checkpoint", "--model bundled"),),
        prints=JSON_LAST,
    ),
    Rule(r"^lfmvl evaluate my-images", first=LABELLED, prints=JSON_LAST),
    Rule(r"^lfmvl evaluate … --against", "is shortened"),
    Rule(r"^curl ", "asks a node that runs on a robot"),
    Rule(r"^lfmvl collected new-key", needs=("pyrage",), change=((r"^", "rm -f key.txt; "),)),
    Rule(r"^lfmvl collected decrypt", "needs the encrypted samples of a robot"),
    Rule(r"^lfmvl record out/film", needs=("rosbags",), change=((r"^", "rm -rf out/film; "),)),
    Rule(
        r"^lfmvl evaluate out/film",
        first="test -e out/film || lfmvl record out/film --seconds 4 --fps 10 --truth",
        prints=JSON_LAST,
        needs=("trackeval",),
    ),
    Rule(
        r"^lfmvl compare bundled ",
        first=LABELLED,
        needs=("gguf", "xllamacpp"),
        prints=JSON_LAST,
        leaves=("out/compare/comparison.json", "out/compare/comparison.png"),
    ),
    Rule(
        r"^lfmvl record out/camera",
        needs=("rosbags",),
        leaves=("out/camera/metadata.yaml",),
        change=((r"^", "rm -rf out/camera; "),),
    ),
    Rule(
        r"^lfmvl replay out/camera",
        needs=("rosbags",),
        first="test -e out/camera || lfmvl record out/camera --seconds 4",
        change=((r"^", "rm -rf out/tracks out/measured; "),),
        prints=JSON_LAST,
    ),
    Rule(r"^make evaluate$", prints=JSON_LAST, leaves=("out/evaluate/scorecard.html",)),
    Rule(r"^lfmvl train --out runs/warehouse --export", leaves=("my-checkpoint",)),
    Rule(
        r"^lfmvl train --data my-images --from bundled$",
        first=LABELLED,
        change=((r"$", " --out runs/small --steps 5"),),
        leaves=("runs/small/checkpoint",),
    ),
    Rule(
        r"^lfmvl finetune --data my-images --from MODEL",
        first=LABELLED_NEGATIVE,
        change=(
            (r"my-images", "unusual"),
            (r"MODEL", "bundled"),
            (r"$", " --steps 40 --judgements 1 --held-out-questions 24"),
        ),
    ),
    Rule(
        r"^lfmvl finetune --data my-images --keep old-images --from bundled",
        first=f"{LABELLED_NEGATIVE.replace('unusual', 'my-images')} && "
        "{ test -e old-images || lfmvl scenes --labelled old-images --count 24 --seed 8; }",
        change=((r"--minutes 5", "--steps 40 --judgements 1 --held-out-questions 24"),),
    ),
    Rule(
        r"^lfmvl train --sentences",
        change=((r"--minutes \d+", "--steps 3"),),
        leaves=("runs/sentences/checkpoint",),
    ),
    Rule(r"^lfmvl train .*--minutes", change=((r"--minutes \d+", "--minutes 0.5"),)),
    # Benchmarks: minutes to hours as printed.
    Rule(
        r"^python benchmarks/tracking(_bundled)?\.py( --mot15 DIR)?$",
        needs=("trackeval",),
        change=((r"$", " --quick"),),
    ),
    Rule(
        r"^python benchmarks/(checkpoint|decoding|node_overhead|transport)\.py$",
        change=((r"$", " --quick"),),
    ),
    Rule(
        r"^python benchmarks/servers\.py$",
        needs=("gguf", "xllamacpp"),
        change=((r"$", " --questions 4"),),
    ),
    Rule(
        r"^python benchmarks/servers_450m\.py --quick$",
        needs=("gguf", "xllamacpp"),
        prints=JSON_LAST,
    ),
    Rule(
        r"^python benchmarks/decoding_accuracy\.py",
        change=((r"$", " --share 0.01"),),
        prints=JSON_LAST,
    ),
    Rule(r"^python benchmarks/finetune\.py", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(
        r"^python benchmarks/finetune_looks\.py",
        change=((r"$", " --images 40 --questions 4"),),
        prints=JSON_LAST,
    ),
    Rule(r"^python benchmarks/drift\.py$", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/faults\.py$", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/rules\.py$", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/triggers\.py$", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(
        r"^python benchmarks/sentences\.py",
        change=((r" --checkpoint \S+", ""), (r"$", " --quick")),
        prints=JSON_LAST,
    ),
    Rule(
        r"^python benchmarks/track_confidence\.py", change=((r"$", " --quick"),), prints=JSON_LAST
    ),
    Rule(r"^python benchmarks/decoding_int8_error\.py$", prints=JSON_LAST),
    Rule(r"^lfmvl demo --scene assist .*600", change=((r"600", "30"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/zoom_stills\.py", change=((r"$", " --every 40"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/zoom\.py", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/opinion\.py", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/review\.py$", change=((r"$", " --answers 3"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/places\.py$", change=((r"$", " --quick"),), prints=JSON_LAST),
    Rule(r"^python benchmarks/decoding_identity\.py .*out/", change=((r"$", " --frames 24"),)),
    Rule(r"^python examples/picking/", ON_A_ROBOT),
    # The sample subscriber runs until it is stopped.
    Rule(
        r"^python examples/print_tracks\.py",
        change=((r"^", "timeout --preserve-status -s INT 10 "),),
    ),
)
