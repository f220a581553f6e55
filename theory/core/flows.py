"""The ODE layer: a right-hand side, a start and a time grid in, a Trajectory out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.core.validation import increasing_times, positive, positive_integer, reject

State = Mapping[str, Array]


class FlowStopped(RuntimeError):
    """The solver gave up before the last requested time."""


def flow(
    velocity: Callable[[float, dict[str, Array]], State],
    start: State,
    t: Array | Sequence[float],
    *,
    relative_tolerance: float = 1e-10,
    absolute_tolerance: float = 1e-12,
    method: str = "DOP853",
    events: Sequence[Callable[[float, dict[str, Array]], float]] = (),
    evaluations: int = 1_000_000,
    bandwidth: int | None = None,
) -> Trajectory:
    """Integrate d(state)/dt = velocity(t, state) from `start` at time 0, with error control.

    Args:
        velocity: time and named arrays -> named arrays of the same shapes.
        start: the state at time 0.
        t: requested times (T,), strictly increasing, finite.
        relative_tolerance, absolute_tolerance: local error allowed a step, on every entry of the state.
        method: any method of `scipy.integrate.solve_ivp`.
        events: functions of time and state whose zeros are to be found (attribute `terminal = True` stops there).
        evaluations: of the velocity, at most this many.
        bandwidth: LSODA's alone: no velocity depends on entries of the state further away than this, counted in the
            order of the named arrays. So many runs beside each other cost no more Jacobians than one.

    Returns:
        Trajectory with the state's arrays, shape (T, ...); `facts["steps"]` an upper bound on the accepted steps,
        `facts["events"]` a list of the times each event occurred, `facts["local_error"]` a bound on the Euclidean
        norm of the error committed in one step (the solver keeps the root mean square of error / tolerance below
        one). After a terminal event the trajectory ends with the requested times before it.

    Raises:
        InvalidArgument: times not increasing, a start that is not finite, a tolerance out of range, a velocity that
            has not the names and shapes of the start.
        FlowStopped: the solver could not reach the last time, the velocity was not finite on the way, or it took more
            evaluations than it may; says where it stopped and what to try.
    """
    t = increasing_times(t)
    positive("relative_tolerance", relative_tolerance)
    positive("absolute_tolerance", absolute_tolerance)
    positive_integer("evaluations", evaluations)
    shapes = {name: np.shape(array) for name, array in start.items()}
    y0 = _pack(start, shapes)
    if not np.isfinite(y0).all():
        reject("start", "an array with NaN or infinity", "finite numbers")

    moving = _Moving(velocity, shapes, f"{method} stopped near t = {{:.6g}} of {t[-1]:.6g}", evaluations)
    if t[-1] == 0:
        return Trajectory(t, {name: np.array(a)[None] for name, a in start.items()}, _facts(0, [], 0.0))
    solution = solve_ivp(
        moving,
        (0.0, float(t[-1])),
        y0,
        method=method,
        t_eval=t,
        rtol=relative_tolerance,
        atol=absolute_tolerance,
        events=[_on_vector(event, shapes) for event in events] or None,
        **({} if bandwidth is None else {"lband": bandwidth, "uband": bandwidth}),
    )
    # scipy hands back empty lists where no requested time was reached.
    states = np.reshape(solution.y, (y0.size, -1)).T
    if solution.status < 0 or not np.isfinite(states).all():
        raise FlowStopped(
            f"{moving.stopped}: {solution.message} "
            f"Loosen relative_tolerance = {relative_tolerance:g}, or use method = 'LSODA' if the problem is stiff."
        )
    arrays = {name: states[:, part].reshape(-1, *shapes[name]) for name, part in _parts(shapes).items()}
    scale = absolute_tolerance + relative_tolerance * np.abs(states).max(initial=np.abs(y0).max())
    found = [] if solution.t_events is None else list(solution.t_events)
    steps = solution.nfev // _EVALUATIONS.get(method, 1)
    return Trajectory(np.asarray(solution.t), arrays, _facts(steps, found, float(np.sqrt(y0.size) * scale)))


@dataclass
class _Moving:
    """The velocity on packed vectors, for the solver: checked, counted, and how far it has come."""

    velocity: Callable[[float, dict[str, Array]], State]
    shapes: Mapping[str, tuple[int, ...]]
    stopped_near: str
    evaluations: int
    reached: float = 0.0
    spent: int = 0

    def __call__(self, time: float, y: Array) -> Array:
        self.reached, self.spent = time, self.spent + 1
        moving = self.velocity(time, _unpack(y, self.shapes))
        seen = {name: np.shape(array) for name, array in moving.items()}
        if seen != self.shapes:
            reject("velocity", seen, f"the names and shapes of the start, {self.shapes}")
        packed = _pack(moving, self.shapes)
        if not np.isfinite(packed).all():  # scipy's steps would shrink for ever
            raise FlowStopped(f"{self.stopped}: the velocity is not finite there.")
        if self.spent > self.evaluations:
            raise FlowStopped(
                f"{self.stopped} after {self.evaluations} evaluations of the velocity. "
                f"Use method = 'LSODA' if the problem is stiff, ask for earlier times, or allow more evaluations."
            )
        return packed

    @property
    def stopped(self) -> str:
        return self.stopped_near.format(self.reached)


# Right-hand sides evaluated a step: an upper bound on the number of steps follows from their count.
_EVALUATIONS = {"DOP853": 11, "RK45": 6, "RK23": 3}


def _facts(steps: int, events: list[Array], local_error: float) -> dict[str, object]:
    return {"steps": steps, "events": events, "local_error": local_error}


def _parts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, slice]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    return {name: slice(int(end) - int(np.prod(shape)), int(end)) for (name, shape), end in zip(shapes.items(), ends)}


def _pack(state: State, shapes: Mapping[str, tuple[int, ...]]) -> Array:
    return np.concatenate([np.asarray(state[name], dtype=np.float64).ravel() for name in shapes])


def _unpack(y: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    return {name: y[part].reshape(shapes[name]) for name, part in _parts(shapes).items()}


def _on_vector(event: Callable, shapes: Mapping[str, tuple[int, ...]]) -> Callable[[float, Array], float]:
    def crossing(time: float, y: Array) -> float:
        return event(time, _unpack(y, shapes))

    crossing.terminal = getattr(event, "terminal", False)  # type: ignore[attr-defined]
    crossing.direction = getattr(event, "direction", 0.0)  # type: ignore[attr-defined]
    return crossing
