"""ONNX graphs whose weights have 8 bits.

Weights are rounded in the model itself, each row to steps of its own, and the graph holds the numbers of the steps.
So the model in Python, once rounded, is the one that a browser runs, and what rounding changes can be computed.
Sums are done in 32 bits: rounded to 8 bits as well, as ``quantize_dynamic`` of ONNX Runtime does, they change the first
three clips of every second query.
"""

import io
import warnings
from collections.abc import Collection

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

SMALLEST = 4096  # numbers of a matrix that is rounded
# Steps from zero to the largest weight of a row. Embeddings have fewer: the file is smaller, and no answer changed.
STEPS, STEPS_OF_EMBEDDINGS = 127, 40
OPSET = 17
PACKED = ("MatMul", "Gemm", "Gather", "Conv")  # nodes whose weights have 8 bits
LAYERS = (torch.nn.Linear, torch.nn.Embedding, torch.nn.Conv1d, torch.nn.Conv2d)


@torch.no_grad()
def round_weights(model: torch.nn.Module) -> None:
    """Round the matrices and filters of a model in place: each row is whole steps of its largest weight."""
    for module in model.modules():
        if isinstance(module, LAYERS) and module.weight.numel() >= SMALLEST:
            rows = module.weight.flatten(1)
            steps = STEPS_OF_EMBEDDINGS if isinstance(module, torch.nn.Embedding) else STEPS
            step = (rows.abs().amax(dim=1, keepdim=True) / steps).clamp(min=1e-12)
            module.weight.copy_(((rows / step).round() * step).view_as(module.weight))


def export(
    model: torch.nn.Module,
    inputs: dict[str, torch.Tensor],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    exact: Collection[str] = (),
) -> bytes:
    """Return a rounded model as an ONNX file.

    Parameters
    ----------
    model : torch.nn.Module
        Takes the inputs in their order, and gives a tensor for each of the outputs.
    inputs : dict of torch.Tensor
        An example of each, under its name in the graph.
    outputs : list of str
        Names in the graph.
    dynamic : dict
        As ``dynamic_axes`` of ``torch.onnx.export``.
    exact : collection of str
        Matrices that are not rounded, such as a bank of mel filters.

    Raises
    ------
    ValueError
        If a matrix was not rounded before.
    """
    model.eval().requires_grad_(False)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the trace holds for all lengths: the tests compare them
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=dynamic,
        )
    graph = onnx.load_from_string(file.getvalue())
    pack(graph.graph, exact)
    return graph.SerializeToString()


def pack(graph: onnx.GraphProto, exact: Collection[str] = ()) -> None:
    """Replace each rounded matrix by the numbers of its steps in 8 bits, and a node that multiplies them out."""
    readers = {name: node for node in graph.node for name in node.input}
    for matrix in list(graph.initializer):
        weights = numpy_helper.to_array(matrix)
        kind = readers[matrix.name].op_type
        if kind not in PACKED or weights.size < SMALLEST or weights.dtype != np.float32 or matrix.name in exact:
            continue
        axis = 1 if kind == "MatMul" else 0  # of the rows: MatMul has them transposed
        steps = STEPS_OF_EMBEDDINGS if kind == "Gather" else STEPS
        others = tuple(other for other in range(weights.ndim) if other != axis)
        step = np.maximum(np.abs(weights).max(axis=others) / steps, 1e-12).astype(np.float32)
        numbers = weights / np.expand_dims(step, others)
        if np.abs(numbers - np.rint(numbers)).max() > 0.01:
            raise ValueError(f"{matrix.name} is not rounded: call round_weights before the export.")
        graph.initializer.remove(matrix)
        graph.initializer.append(numpy_helper.from_array(np.rint(numbers).astype(np.int8), f"{matrix.name}.numbers"))
        graph.initializer.append(numpy_helper.from_array(step, f"{matrix.name}.step"))
        inputs = [f"{matrix.name}.numbers", f"{matrix.name}.step"]
        graph.node.insert(0, helper.make_node("DequantizeLinear", inputs, [matrix.name], axis=axis))
