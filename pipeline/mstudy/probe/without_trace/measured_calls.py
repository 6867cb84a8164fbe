"""The calls of torch that a user's forward pass makes, as a measurement wants them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

_DROPOUTS = frozenset(
    {
        *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d),
        *(functional.alpha_dropout, functional.feature_alpha_dropout, torch.dropout, torch.dropout_),
        *(torch.alpha_dropout, torch.alpha_dropout_, torch.feature_dropout, torch.feature_dropout_),
        *(torch.feature_alpha_dropout, torch.feature_alpha_dropout_),
    }
)
# Arguments, by name and place, that these calls get here where they are given. A sparse gradient has the numbers of a
# dense one, and no second derivative; the longest norm of an embedding is kept by writing to the weights.
_GIVEN: dict[Any, tuple[tuple[str, int, Any], ...]] = {
    functional.multi_head_attention_forward: (("dropout_p", 10, 0.0),),
    functional.scaled_dot_product_attention: (("dropout_p", 4, 0.0),),
    functional.embedding: (("max_norm", 3, None), ("sparse", 6, False)),
    functional.embedding_bag: (("max_norm", 3, None), ("sparse", 7, False)),
}
_CASTS: dict[Any, torch.dtype] = {
    Tensor.half: torch.float16,
    Tensor.bfloat16: torch.bfloat16,
    Tensor.float: torch.float32,
}


@contextmanager
def _without_cudnn() -> Iterator[None]:
    """Turn cuDNN off, and nothing else of what torch's own context manager of that kind looks at."""
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


# Calls whose fast kernels have no second derivative, and where they take the plain ones.
_EXACTLY: dict[Any, Callable[[], AbstractContextManager[Any]]] = {
    **dict.fromkeys((torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu), _without_cudnn),
    functional.scaled_dot_product_attention: partial(sdpa_kernel, SDPBackend.MATH),
}


class MeasuredCalls(TorchFunctionMode):
    """While it is entered:

    * a tensor of the user's that is replaced while measuring, wherever it is held, is its replacement;
    * dropout is off, and nothing else of the training mode;
    * no number is of fewer digits than `dtype`, by a cast of the user's own either;
    * hooks on gradients are not registered, and recurrent layers avoid cuDNN, which has no second derivative.

    replaced: by id of the tensor. plain_norms: batch normalisation does nothing, so samples do not see each other.
    """

    def __init__(self, replaced: Mapping[int, Tensor], dtype: torch.dtype, plain_norms: bool = False) -> None:
        super().__init__()
        self._replaced, self._plain_norms = replaced, plain_norms
        digits = torch.finfo(dtype).eps
        floats = (torch.float16, torch.bfloat16, torch.float32)
        self._wider = {each: dtype for each in floats if torch.finfo(each).eps > digits}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUTS or (self._plain_norms and func is functional.batch_norm):
            return self._seen(args[0] if args else kwargs["input"])
        if func is Tensor.register_hook:
            return RemovableHandle(OrderedDict())
        if func in _CASTS:
            return self._seen(args[0]).to(self._wider.get(_CASTS[func], _CASTS[func]))
        args = tuple(self._seen(each) for each in args)
        kwargs = {name: self._seen(each) for name, each in kwargs.items()} if kwargs else kwargs
        for name, place, value in _GIVEN.get(func, ()):
            args, kwargs = _with_argument(args, kwargs, name, place, value)
        with _EXACTLY.get(func, nullcontext)():
            try:
                return func(*args, **kwargs)
            except RuntimeError as error:
                if "type" not in str(error):
                    raise
                # A constant of the user's own is of fewer digits than what it meets.
                return func(*self._widened(args), **{name: self._widened(each) for name, each in kwargs.items()})

    def _widened(self, value: Any) -> Any:
        """Return the argument, its tensors with all digits."""
        if isinstance(value, Tensor):
            return value.to(self._wider[value.dtype]) if value.dtype in self._wider else value
        return type(value)(map(self._widened, value)) if type(value) in (tuple, list) else value

    def _seen(self, value: Any) -> Any:
        """Return the argument as the call gets it."""
        if isinstance(value, Tensor):
            return self._replaced.get(id(value), value)
        if isinstance(value, torch.dtype):
            return self._wider.get(value, value)
        if type(value) in (tuple, list) and any(isinstance(each, Tensor | tuple | list) for each in value):
            return type(value)(self._seen(each) for each in value)
        return value


def _with_argument(
    args: tuple[Any, ...], kwargs: dict[str, Any], name: str, place: int, value: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with one of them set, where it is given."""
    if len(args) > place:
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, (kwargs | {name: value} if name in kwargs else kwargs)
