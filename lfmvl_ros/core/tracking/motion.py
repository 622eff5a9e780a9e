# SPDX-License-Identifier: Apache-2.0
"""Motion model of all tracks: constant velocity, which decays while a track is not seen.

The state of N tracks is a ``(N, 8)`` array of rows ``cx, cy, w, h, vx, vy, vw, vh`` in px and px/s,
its covariance ``(N, 8, 8)``. Each axis moves on its own, driven by white-noise acceleration:

* while an object is seen, velocity is a random walk. The noise of that model is
  ``filterpy.common.Q_continuous_white_noise``;
* once the track coasts, velocity also decays with a time constant (an Ornstein-Uhlenbeck process,
  see Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to Tracking and Navigation",
  2001, section 8.2). Its integral has a closed form.

Both are exact for any step, so two predictions in a row equal a single one. That is why the
continuous model is used and not ``Q_discrete_white_noise``, whose noise depends on the splitting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lfmvl_ros.core.boxes import FloatArray

STATES = 8
MEASURED = 4
# As in filterpy, over one second; a test compares them. Importing filterpy takes half a second.
_UNIT_NOISE = np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]])
_SERIES_BELOW = 0.02
_IDENTITY = np.eye(STATES)
# Where the diagonals of the blocks xx, xv and vv start in a flat 8x8 matrix.
_DIAGONALS = (0, MEASURED, MEASURED * (STATES + 1))


@dataclass(frozen=True, eq=False)
class Transition:
    """How N tracks get from one time to a later one: ``x' = x + reach v``, ``v' = keep v``.

    The same for all four axes of a track.

    Attributes:
        reach_s: ``(N,)``.
        keep: ``(N,)`` in (0, 1].
        unit: three ``(N,)``: variance of x, covariance of x and v, and variance of v that an
            acceleration noise of density 1 adds.
    """

    reach_s: FloatArray
    keep: FloatArray
    unit: tuple[FloatArray, FloatArray, FloatArray]

    def of_mean(self, mean: FloatArray) -> FloatArray:
        """Return states ``(N, ..., 8)`` predicted to the later time, a new array."""
        like = (-1,) + (1,) * (mean.ndim - 1)
        moved = mean.copy()
        place, velocity = moved[..., :4], moved[..., 4:]
        place += self.reach_s.reshape(like) * velocity
        velocity *= self.keep.reshape(like)
        return moved

    def of_covariance(self, covariance: FloatArray, noise: FloatArray) -> FloatArray:
        """Return covariances ``(N, ..., 8, 8)`` predicted to the later time, a new array.

        In 4x4 blocks, which is much faster than ``F P F'``.

        Args:
            covariance: ``(N, ..., 8, 8)``.
            noise: ``(N, ..., 4)`` see :func:`predict`.
        """
        # Tracks last: every entry is then one array over all of them.
        others = range(covariance.ndim - 3, -1, -1)
        before = covariance.transpose(-2, -1, *others).copy()
        after = np.empty(before.shape)
        far, hold = self.reach_s, self.keep
        xv, vv = before[:4, 4:], before[4:, 4:]
        both = xv + xv.swapaxes(0, 1)
        both *= far
        both += before[:4, :4]
        np.add(both, far**2 * vv, out=after[:4, :4])
        moved = far * vv
        moved += xv
        np.multiply(hold, moved, out=after[:4, 4:])
        np.multiply(hold**2, vv, out=after[4:, 4:])
        # The diagonals of the blocks, as views: 9 entries lie between neighbours.
        flat = after.reshape(STATES**2, *before.shape[2:])
        driven = noise.T.copy()
        for start, unit in zip(_DIAGONALS, self.unit, strict=True):
            diagonal = flat[start : start + 4 * STATES : STATES + 1]
            diagonal += driven * unit
        after[4:, :4] = after[:4, 4:].swapaxes(0, 1)
        first = range(covariance.ndim - 1, 1, -1)
        return np.ascontiguousarray(after.transpose(*first, 0, 1))


def transition(steady_s: FloatArray, coasting_s: FloatArray, decay_s: float) -> Transition:
    """Return the transition over a time with constant, then a time with decaying velocity.

    Args:
        steady_s: ``(N,)`` seconds >= 0 with constant velocity.
        coasting_s: ``(N,)`` seconds >= 0 after that, in which velocity fades.
        decay_s: time constant of the fading, seconds > 0.
    """
    xx = _UNIT_NOISE[0, 0] * steady_s**3
    xv = _UNIT_NOISE[0, 1] * steady_s**2
    vv = _UNIT_NOISE[1, 1] * steady_s
    if not coasting_s.any():
        return Transition(steady_s, np.ones_like(steady_s), (xx, xv, vv))
    fading = _fading_step(coasting_s, decay_s)
    if not steady_s.any():
        return fading
    far, keep = fading.reach_s, fading.keep
    unit = (
        xx + 2 * far * xv + far**2 * vv + fading.unit[0],
        keep * (xv + far * vv) + fading.unit[1],
        keep**2 * vv + fading.unit[2],
    )
    return Transition(steady_s + far, keep, unit)


def predict(
    mean: FloatArray,
    covariance: FloatArray,
    noise: FloatArray,
    *,
    steady_s: FloatArray,
    coasting_s: FloatArray,
    decay_s: float,
) -> tuple[FloatArray, FloatArray]:
    """Predict tracks: first with constant, then with decaying velocity.

    Args:
        mean: ``(N, 8)``.
        covariance: ``(N, 8, 8)``.
        noise: ``(N, 4)`` spectral density of the acceleration of each axis, px^2/s^3.
        steady_s: ``(N,)`` seconds >= 0 with constant velocity.
        coasting_s: ``(N,)`` seconds >= 0 after that, in which velocity fades.
        decay_s: time constant of the fading, seconds > 0.

    Returns:
        Mean ``(N, 8)`` and covariance ``(N, 8, 8)``, new arrays.
    """
    step = transition(steady_s, coasting_s, decay_s)
    return step.of_mean(mean), step.of_covariance(covariance, noise)


def _fading_step(dt_s: FloatArray, decay_s: float) -> Transition:
    """The transition over ``(N,)`` seconds in which velocity fades."""
    ratio = dt_s / decay_s
    keep = np.exp(-ratio)
    reach = -np.expm1(-ratio) * decay_s
    q_vv = -np.expm1(-2 * ratio) * decay_s / 2
    q_xv = reach**2 / 2
    # dt - 2 reach + q_vv cancels to the third order; its series takes over for short steps.
    exact = decay_s**2 * (dt_s - 2 * reach + q_vv)
    series = 1 / 3 + ratio * (-1 / 4 + ratio * (7 / 60 + ratio * (-1 / 24 + ratio * 31 / 2520)))
    q_xx = np.where(ratio < _SERIES_BELOW, dt_s**3 * series, exact)
    return Transition(reach, keep, (q_xx, q_xv, q_vv))


def correct(
    mean: FloatArray, covariance: FloatArray, measured: FloatArray, error: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Kalman correction of N tracks, each with its own box; Joseph form, so it stays definite.

    Args:
        mean: ``(N, 8)``, predicted to the time of the boxes.
        covariance: ``(N, 8, 8)``.
        measured: ``(N, 4)`` boxes cx, cy, w, h in px.
        error: ``(N, 4, 4)`` their covariance, px^2.
    """
    above = covariance[:, :MEASURED]
    solved = np.linalg.solve(above[:, :, :MEASURED] + error, above)
    # By axis, which takes a third of the time of a sum over four numbers.
    parts = solved * (measured - mean[:, :MEASURED])[:, :, None]
    corrected = parts[:, 0] + parts[:, 1]
    corrected += parts[:, 2]
    corrected += parts[:, 3]
    corrected += mean
    # The gain K is the transpose of ``solved``; ``left`` is I - K H, written by its columns.
    columns = np.empty(covariance.shape)
    np.subtract(_IDENTITY[:MEASURED], solved, out=columns[:, :MEASURED])
    columns[:, MEASURED:] = _IDENTITY[MEASURED:]
    left, gain = columns.transpose(0, 2, 1), solved.transpose(0, 2, 1)
    joseph = left @ covariance @ columns
    joseph += gain @ error @ solved
    spread = joseph + joseph.transpose(0, 2, 1)
    spread *= 0.5
    return corrected, spread


def variances(covariance: FloatArray) -> FloatArray:
    """The first four numbers on the diagonals of ``(N, 4+, 4+)``, as a view ``(N, 4)``."""
    side = covariance.shape[-1]
    return covariance.reshape(-1, side * side)[:, : 4 * side : side + 1]


def shrink_velocity(mean: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return ``mean`` with each velocity scaled by how much of it is signal.

    The factor is ``|v|^2 / (|v|^2 + trace(cov v))``, for the centre and for the size apart (the
    shrinkage of James and Stein): a velocity that may be only noise is not extrapolated.
    """
    shrunk: FloatArray = mean.copy()
    for part in (slice(4, 6), slice(6, 8)):
        signal = (mean[:, part] ** 2).sum(axis=1)
        variance = (
            covariance[:, part.start, part.start] + covariance[:, part.stop - 1, part.stop - 1]
        )
        shrunk[:, part] *= (signal / (signal + variance))[:, None]
    return shrunk
