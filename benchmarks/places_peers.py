# SPDX-License-Identifier: Apache-2.0
"""How depth is read out of a box elsewhere, for `places.py`: our own code, their methods.

Each returns the depth of the surface it decides on; the object's middle is taken to be there, on
the ray through the middle of the box, as packages that use these do.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lfmvl_ros.core.boxes import FloatArray
from lfmvl_ros.core.tracking import Intrinsics

_CLUSTER_GAP_M, _LEAST_CLUSTER, _MOST_POINTS = 0.1, 20, 1500


def _inside(depth: np.ndarray, box: FloatArray) -> np.ndarray:
    x0, y0 = np.maximum(np.floor(box[:2]).astype(int), 0)
    x1, y1 = np.ceil(box[2:]).astype(int)
    return depth[y0:y1, x0:x1]


def centre_pixel(depth: np.ndarray, box: FloatArray, _: Intrinsics) -> float | None:
    u, v = ((box[:2] + box[2:]) / 2).astype(int)
    value = float(depth[v, u])
    return value if np.isfinite(value) else None


def median(depth: np.ndarray, box: FloatArray, _: Intrinsics) -> float | None:
    values = _inside(depth, box)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else None


def histogram_mode(depth: np.ndarray, box: FloatArray, _: Intrinsics) -> float | None:
    """Return the fullest of bins 2 % wide."""
    values = _inside(depth, box)
    logs = np.log(values[np.isfinite(values)])
    if not logs.size:
        return None
    counts, edges = np.histogram(logs, max(8, int(np.ptp(logs) / 0.02)))
    k = int(counts.argmax())
    return float(np.exp((edges[k] + edges[k + 1]) / 2))


def nearest_cluster(depth: np.ndarray, box: FloatArray, lens: Intrinsics) -> float | None:
    """Return the middle in depth of the nearest Euclidean cluster of points (10 cm, 20 points)."""
    values = _inside(depth, box)
    step = max(1, int(np.sqrt(values.size / _MOST_POINTS)))
    values = values[::step, ::step]
    rows, columns = np.nonzero(np.isfinite(values))
    if len(rows) < _LEAST_CLUSTER:
        return None
    z = values[rows, columns].astype(np.float64)
    points = np.stack([columns * step / lens.fx_px * z, rows * step / lens.fy_px * z, z], axis=1)
    pairs = cKDTree(points).query_pairs(_CLUSTER_GAP_M, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(z),) * 2)
    _, names = connected_components(links, directed=False)
    counts = np.bincount(names)
    large = np.flatnonzero(counts >= _LEAST_CLUSTER)
    if not len(large):
        return None
    nearest = large[np.argmin((np.bincount(names, z) / counts)[large])]
    chosen = z[names == nearest]
    return float(chosen.min() + chosen.max()) / 2


PEERS = {
    "centre pixel": centre_pixel,
    "median": median,
    "histogram mode": histogram_mode,
    "nearest cluster": nearest_cluster,
}
