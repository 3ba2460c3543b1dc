"""A pretended GPU: its tensors refuse to mix with those of the processor, and to become arrays, as a GPU's do.

A tensor on it wraps one of the processor, where every operation is computed. So what is tested is where inputs, weights
and results are, and no number changes. It is called "lazy", a device that PyTorch knows by name and has no code for.
What it does not pretend: random numbers other than the processor's, half precision, and operations that a GPU lacks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("lazy", 0)
aten = torch.ops.aten
# These take tensors of two devices on a GPU, too: moves, and indices from the processor.
BOTH = {
    aten._to_copy.default,
    aten.to.device,
    aten.to.dtype_layout,
    aten.to.other,
    aten.copy_.default,
    aten.copy.default,
    aten.index.Tensor,
    aten.index_put_.default,
}
LOAD = torch.nn.Module.load_state_dict
MATH = 0  # the only kind of attention that asks for no device


class OnGpu(torch.Tensor):
    """A tensor that says it is on the pretended GPU."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor):
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        settings = layout | {"device": DEVICE, "requires_grad": inner.requires_grad}
        return torch.Tensor._make_wrapper_subclass(cls, inner.size(), **settings)

    def __init__(self, inner: torch.Tensor):
        self.inner = inner

    def __repr__(self) -> str:
        return f"OnGpu({self.inner!r})"

    def __getitem__(self, index):
        return super().__getitem__(indices(index))

    def __setitem__(self, index, value):
        super().__setitem__(indices(index), value)

    def tolist(self):
        return self.inner.tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


def indices(index):
    """Return an index with tensors in place of lists, which PyTorch would write to the device itself."""
    if isinstance(index, tuple):
        return tuple(torch.tensor(one) if isinstance(one, list) else one for one in index)
    return torch.tensor(index) if isinstance(index, list) else index


def run(function, args, kwargs):
    """Compute an operation on the processor, and say that what comes out is where it would be.

    Raises
    ------
    RuntimeError
        If the tensors are on two devices.
    """
    flat = tree_flatten((args, kwargs))[0]
    here = {id(one.inner): one for one in flat if isinstance(one, OnGpu)}
    wanted = [one for one in flat if isinstance(one, torch.device)]
    stays = wanted[0].type == DEVICE.type if wanted else bool(here)
    if function is aten.copy_.default:
        stays = isinstance(args[0], OnGpu)
    if here and function not in BOTH:
        others = [one for one in flat if isinstance(one, torch.Tensor) and not isinstance(one, OnGpu) and one.dim()]
        if others:
            shapes = [tuple(one.shape) for one in others]
            raise RuntimeError(f"{function} got tensors of {DEVICE}, and of the processor those of shapes {shapes}")
    if function is aten._fused_sdp_choice.default:
        return MATH
    args, kwargs = tree_map_only(OnGpu, lambda one: one.inner, (args, kwargs))
    args, kwargs = tree_map_only(torch.device, of_processor, (args, kwargs))

    def back(one: torch.Tensor) -> torch.Tensor:
        if not stays:
            return one.clone() if id(one) in here else one
        if id(one) in here:  # changed in place
            return here[id(one)]
        with torch.inference_mode(False):  # a view of what was made outside of it is no inference tensor
            return OnGpu(one)

    return tree_map_only(torch.Tensor, back, function(*args, **kwargs))


def of_processor(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == DEVICE.type else device


class Operations(TorchDispatchMode):
    """Sees every operation, also those that only name the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


class Generator(torch.Generator):
    """A generator that may be asked for on the pretended GPU, with the numbers of the processor."""

    def __new__(cls, device: str | torch.device = "cpu"):
        made = super().__new__(cls, of_processor(torch.device(device)))
        made.said = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:
        return self.said


class Autocast(torch.autocast):
    """Half precision may be asked for on the pretended GPU, and is not pretended."""

    def __init__(self, device_type: str, *args, **kwargs):
        if device_type == DEVICE.type:
            super().__init__("cpu", enabled=False)
        else:
            super().__init__(device_type, *args, **kwargs)


class Constructors(TorchFunctionMode):
    """Makes tensors of numbers on the processor, and moves them: PyTorch would write to the device itself.

    It refuses, as PyTorch does, a generator of another device than the numbers are wanted on.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        generator, device = kwargs.get("generator"), kwargs.get("device")
        wanted = device and torch.device(device).type
        if wanted and isinstance(generator, Generator) and generator.device.type != wanted:
            raise RuntimeError(f"Expected a '{wanted}' device for generator but found '{generator.device.type}'")
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            return function(*args, **kwargs | {"device": None}).to(kwargs["device"])
        return function(*args, **kwargs)


def load_state_dict(module: torch.nn.Module, *args, **kwargs):
    """Load weights into the tensors of a module: those of weight norm cannot be swapped."""
    torch.__future__.set_swap_module_params_on_conversion(False)
    try:
        return LOAD(module, *args, **kwargs)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(True)


@contextmanager
def pretended_gpu() -> Iterator[str]:
    """Let this thread have the pretended GPU inside of the ``with`` block, and return its name."""
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # a module cannot write what is wrapped into its own
    try:
        with (
            patch.object(torch, "Generator", Generator),
            patch.object(torch, "autocast", Autocast),
            patch.object(torch.nn.Module, "load_state_dict", load_state_dict),
            Operations(),
            Constructors(),
        ):
            yield DEVICE.type
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)
