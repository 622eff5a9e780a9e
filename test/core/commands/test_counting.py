# SPDX-License-Identifier: Apache-2.0
"""What ``count`` says of tracks that the newest answer does not show."""

from __future__ import annotations

from typing import Any

from lfmvl_ros.core.commands.looking_up import _counted


def item(camera: str, id_: int, state: str) -> dict[str, Any]:
    return {"camera": camera, "id": id_, "label": "box", "state": state}


def test_two_cameras_number_their_tracks_alike() -> None:
    objects = [item("front", 1, "confirmed"), item("rear", 1, "coasting")]
    done = _counted("box", objects, {"label": "box"})
    assert (done.data["count"], done.data["ids"], done.data["coasting_ids"]) == (1, [1], [1])
    assert done.text == "1 x box; 1 more, of which the newest answer shows nothing"
