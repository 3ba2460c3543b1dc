"""Stand-ins for two packages that laion_clap and audiocraft import, but do not need for audio.

laion_clap imports torchvision for image transforms, and audiocraft imports xformers for one function that
torch has too. Both packages need a build that matches torch exactly, and xformers has none for most machines.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import patch

import torch
import torchmetrics  # noqa: F401  it looks for torchvision when first imported, and must find what is really there
import transformers

TRANSFORMS = (
    "Normalize",
    "Compose",
    "RandomResizedCrop",
    "InterpolationMode",
    "ToTensor",
    "Resize",
    "CenterCrop",
)


def module(name: str, **attributes: object) -> ModuleType:
    """Return an empty module called ``name`` that holds ``attributes``."""
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, loader=None)
    made.__path__ = []
    vars(made).update(attributes)
    return made


def torchvision() -> dict[str, ModuleType]:
    """Return the modules that laion_clap takes from torchvision, by name; audio calls none of their classes."""
    misc = module("torchvision.ops.misc", FrozenBatchNorm2d=type("FrozenBatchNorm2d", (torch.nn.Module,), {}))
    classes = {name: type(name, (), {"BICUBIC": None}) for name in TRANSFORMS}
    ops = module("torchvision.ops", misc=misc)
    transforms = module("torchvision.transforms", **classes)
    datasets = module("torchvision.datasets")
    root = module("torchvision", ops=ops, transforms=transforms, datasets=datasets)
    return {made.__name__: made for made in (root, ops, misc, transforms, datasets)}


def xformers() -> dict[str, ModuleType]:
    """Return the modules that audiocraft takes from xformers, by name."""
    ops = module("xformers.ops", unbind=torch.unbind)
    return {"xformers": module("xformers", ops=ops), "xformers.ops": ops}


@contextmanager
def stand_ins() -> Iterator[None]:
    """Make ``import laion_clap`` and ``import audiocraft`` work inside the ``with`` block.

    A stand-in takes the place of a package only if that is not installed, and leaves when the block ends. The three
    tokenizers that laion_clap asks the hub for while it is imported are left empty, so that it can be imported without
    a network: ``musicwords.laion_format`` gives it the one that it uses.
    """
    missing = {}
    for name, stand_in in (("torchvision", torchvision), ("xformers", xformers)):
        if find_spec(name) is None:
            missing |= stand_in()
    sys.modules.update(missing)
    try:
        with ExitStack() as stack:
            for tokenizer in ("BertTokenizer", "RobertaTokenizer", "BartTokenizer"):
                stack.enter_context(patch.object(getattr(transformers, tokenizer), "from_pretrained"))
            yield
    finally:
        for name in missing:
            del sys.modules[name]
