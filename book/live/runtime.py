"""What runs models in a browser, for all live pages: ONNX Runtime."""

from pathlib import Path

from packages import take


def write_group(target: Path, made: Path, groups: dict[str, Path]) -> dict:
    """Write the runtime to ``target``; there is nothing to say of it."""
    take(("onnxruntime.js", "onnxruntime.wasm.gzip"), target, made)
    return {}
