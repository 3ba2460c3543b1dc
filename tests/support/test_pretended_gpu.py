"""The pretended GPU refuses what a GPU refuses, and computes what the processor computes."""

import weakref

import numpy as np
import pytest
import torch
from hub.pretended_gpu import pretended_gpu
from torch import nn
from torch.nn import functional as F


@pytest.fixture
def device():
    with pretended_gpu() as name:
        yield name


@pytest.fixture
def sound() -> torch.Tensor:
    return torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))


def test_tensors_of_two_devices_do_not_mix(device, sound):
    for mix in (torch.add, torch.mul, torch.minimum, lambda one, other: torch.cat([one, other])):
        with pytest.raises(RuntimeError, match=r"of the processor those of shapes"):
            mix(sound.to(device), sound)
    with pytest.raises(RuntimeError, match=r"linear|addmm|of the processor"):
        nn.Linear(8, 4).to(device)(sound)
    with pytest.raises(RuntimeError, match=r"of the processor"):
        nn.Linear(8, 4)(sound.to(device))


def test_one_number_mixes_as_on_a_gpu(device, sound):
    assert torch.equal((sound.to(device) * torch.tensor(2.0)).cpu(), 2 * sound)


def test_no_array_is_made_without_a_way_back(device, sound):
    for make in (lambda x: x.numpy(), np.asarray):
        with pytest.raises(RuntimeError, match=r"numpy\(\) is not supported"):
            make(sound.to(device))
    assert np.array_equal(sound.to(device).cpu().numpy(), sound.numpy())


def test_what_is_made_of_it_is_on_it(device, sound):
    there = sound.to(device)
    for found in (
        there[0], there.mT, there + 1, there > 0, there.argmax(), there.repeat(2, 1, 1), there.unfold(2, 2, 1),
        there.new_zeros(3), torch.zeros_like(there), torch.arange(3, device=device), torch.tensor([1], device=device),
        torch.randn(3, device=device), F.scaled_dot_product_attention(there, there, there),
    ):  # fmt: skip
        assert found.device.type == device
    assert not there.cpu().is_shared() and there.cpu().device.type == "cpu"
    assert there.sum().item() == pytest.approx(sound.sum().item())
    assert there.flatten()[:2].tolist() == sound.flatten()[:2].tolist()


def test_views_are_views(device, sound):
    there = sound.clone().to(device)
    there[0].mul_(0)
    there[1, [0, 2]] = 1
    there.mT[0] += 5
    here = sound.clone()
    here[0].mul_(0)
    here[1, [0, 2]] = 1
    here.mT[0] += 5
    assert torch.equal(there.cpu(), here)
    assert there.mT.stride() == here.mT.stride()


@pytest.mark.parametrize(
    ("kind", "sizes"), [(nn.Linear, (8, 4)), (nn.LSTM, (8, 5)), (nn.Conv1d, (3, 4, 2)), (nn.LayerNorm, (8,))]
)
def test_modules_compute_there_what_they_compute_here(device, sound, kind, sizes):
    torch.manual_seed(0)
    module = kind(*sizes)
    with torch.no_grad():
        here = module(sound)
        there = module.to(device)(sound.to(device))
    here, there = (one[0] if isinstance(one, tuple) else one for one in (here, there))
    assert next(module.parameters()).device.type == there.device.type == device
    # An LSTM is one kernel here and several there, which round otherwise: by 1.5e-7 at most, for 300 seeds.
    torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=1e-6)


def test_gradients_are_there(device, sound):
    module = nn.Linear(8, 4).to(device)
    module(sound.to(device)).sum().backward()
    assert module.weight.grad.device.type == device


def test_a_generator_is_of_the_device_where_the_numbers_are_wanted(device):
    made = torch.randn(3, device=device, generator=torch.Generator(device).manual_seed(0))
    here = torch.randn(3, generator=torch.Generator().manual_seed(0))
    assert made.device.type == device and torch.equal(made.cpu(), here)
    with pytest.raises(RuntimeError, match=f"Expected a '{device}' device for generator but found 'cpu'"):
        torch.randn(3, device=device, generator=torch.Generator())


def test_weights_are_loaded_into_a_module_with_weight_norm(device):
    module = nn.utils.weight_norm(nn.Linear(2, 3))
    watched = weakref.ref(module.weight_v)  # as autograd and libraries keep one
    module.load_state_dict({name: torch.ones_like(weight) for name, weight in module.state_dict().items()})
    assert watched() is module.weight_v and module.weight_v.eq(1).all()


def test_half_precision_may_be_asked_for(device, sound):
    with torch.autocast(device, dtype=torch.float16):
        assert (sound.to(device) @ sound.to(device).mT).dtype == torch.float32


def test_nothing_is_left_behind(sound):
    with pretended_gpu() as name:
        sound.to(name)
    with pytest.raises((RuntimeError, NotImplementedError)):
        sound.to(name)
    assert not torch.__future__.get_swap_module_params_on_conversion()
    assert torch.Generator.__module__ == "torch._C"
