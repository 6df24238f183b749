"""An optimiser's update of a variable as one kernel, where TensorFlow has one.

Keras writes an update out in a dozen operations. In a graph each of them is started by itself and
goes through the whole variable; TensorFlow's own kernels do all in one pass. XLA fuses them anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, wraps
from typing import Any

from apps.networks.optimizers import parts

_Manager = Callable[[Any], AbstractContextManager[None]]


def _of_all_parts(manager: _Manager) -> _Manager:
    """Return a manager for an optimiser and all that are wrapped in it."""

    @wraps(manager)
    @contextmanager
    def of_all_parts(optimizer: Any) -> Iterator[None]:
        with ExitStack() as meanwhile:
            for part in parts(optimizer):
                meanwhile.enter_context(manager(part))
            yield

    return of_all_parts


@_of_all_parts
@contextmanager
def undistributed(optimizer: Any) -> Iterator[None]:
    """Let an optimiser update its variables itself in what is traced meanwhile.

    Keras hands every update to `tf.distribute`, which has one device here and keeps the graph of
    each network for as long as the process lives: five megabytes an architecture.

    Args:
        optimizer: built; another thread must not use it meanwhile.
    """
    usual = type(optimizer)
    # Behind the optimiser's own class and before Keras's: what Nadam does beside it, stays.
    optimizer.__class__ = type(usual.__name__, (usual, _undistributed()), {})
    try:
        yield
    finally:
        optimizer.__class__ = usual


@cache
def _undistributed() -> type:
    import tensorflow as tf
    from keras import optimizers

    class Undistributed(optimizers.Optimizer):
        def _backend_update_step(self, grads: Any, trainable_variables: Any, rate: Any) -> None:
            rate = tf.convert_to_tensor(rate)  # read once, and another one at each application
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, getattr(variable, "value", variable), rate)

        def _apply_weight_decay(self, variables: Any) -> None:
            if self.weight_decay is None:
                return
            # TensorFlow's variables, as Keras hands them on: their names have the layer's in them.
            held = (getattr(variable, "value", variable) for variable in variables)
            for variable in filter(self._use_weight_decay, held):
                self.assign_sub(variable, variable * self.weight_decay * self.learning_rate)

        def _backend_increment_gradient_accumulators(self, grads: Any, acc_grads: Any) -> None:
            for gradient, sums in zip(grads, acc_grads, strict=True):
                sums.assign_add(gradient)

    return Undistributed


Update = Callable[[Any, Any, Any], None]
"""`optimizer.update_step`: gradient, variable, learning rate."""


@_of_all_parts
@contextmanager
def one_kernel_updates(optimizer: Any) -> Iterator[None]:
    """Let an optimiser update by one kernel a variable in what is traced meanwhile.

    What Keras does around an update stays as it is: clipping, weight decay, moving averages of the
    weights, accumulated gradients, loss scales, constraints. An optimiser without a kernel, a
    subclass of the user's own, AMSGrad and sparse gradients are updated by Keras.

    Args:
        optimizer: built; another thread must not use it meanwhile.
    """
    keras_update = optimizer.update_step
    update = _kernel(optimizer)
    if update is None:
        yield
        return

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        import tensorflow as tf

        dense = isinstance(gradient, tf.Tensor)
        by_kernel = dense and variable.dtype == gradient.dtype == tf.float32
        (update if by_kernel else keras_update)(gradient, variable, learning_rate)

    optimizer.update_step = update_step
    try:
        yield
    finally:
        del optimizer.update_step


def _kernel(optimizer: Any) -> Update | None:
    from keras import optimizers

    kind = type(optimizer)
    if issubclass(kind, _undistributed()):
        kind = kind.__bases__[0]
    if kind in (optimizers.Adam, optimizers.AdamW) and not optimizer.amsgrad:
        return _adam(optimizer)
    if kind is optimizers.SGD:
        return _momentum(optimizer) if optimizer.momentum else _descent
    return None


def _adam(optimizer: Any) -> Update:
    import tensorflow as tf

    powers: dict[tuple[int, int], tuple[Any, ...]] = {}

    def update(gradient: Any, variable: Any, learning_rate: Any) -> None:
        slot = optimizer._get_variable_index(variable)
        # One application of gradients hands one tensor to all variables: the powers are computed
        # once for them, and anew where a step applies gradients twice.
        graph = tf.compat.v1.get_default_graph()
        key = id(learning_rate), id(graph)
        if key not in powers:
            step = tf.cast(optimizer.iterations + 1, tf.float32)
            raised = (tf.pow(float(beta), step) for beta in (optimizer.beta_1, optimizer.beta_2))
            powers[key] = (*raised, learning_rate, graph)
        beta_1_power, beta_2_power, *_ = powers[key]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[slot].value.handle,
            v=optimizer._velocities[slot].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=float(optimizer.beta_1),
            beta2=float(optimizer.beta_2),
            epsilon=float(optimizer.epsilon),
            grad=gradient,
        )

    return update


def _momentum(optimizer: Any) -> Update:
    import tensorflow as tf

    def update(gradient: Any, variable: Any, learning_rate: Any) -> None:
        slot = optimizer._get_variable_index(variable)
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=optimizer.momentums[slot].value.handle,
            lr=tf.cast(learning_rate, tf.float32),
            grad=gradient,
            momentum=float(optimizer.momentum),
            use_nesterov=optimizer.nesterov,
        )

    return update


def _descent(gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.handle, alpha=tf.cast(learning_rate, tf.float32), delta=gradient
    )
