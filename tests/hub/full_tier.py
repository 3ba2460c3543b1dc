"""Run notebooks in the full tier, against the stand-in of the hub: ``python tests/hub/full_tier.py notebooks/...``.

With ``--gpu`` the models are on a pretended GPU.

The weights are random, so that no number means anything: what is tested is that every cell runs with classes, shapes,
sample rates and settings of the published checkpoints, and that only the pinned files are asked for.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from run_notebooks import ROOT, install, notebooks, run_alone

from hub import pretended_gpu
from hub.layouts import make
from hub.stand_in import stand_in
from musicwords.checkpoints import file_sha256, published


def register_stand_ins(package: Path, repositories: Path) -> None:
    """Write the hashes of the random weights into the registry of an installed package."""
    path = package / "musicwords" / "registry.json"
    registry = json.loads(path.read_text(encoding="utf-8"))
    for entry in registry.values():
        full = entry.get("full", {})
        for name in full.get("sha256", {}) if "repository" in full else ():
            file = repositories / full["repository"] / name
            full["sha256"][name] = file_sha256(file, file.stat().st_mtime_ns) if file.is_file() else ""
    path.write_text(json.dumps(registry), encoding="utf-8")


def wanted(notebook: Path) -> list[str]:
    """Return the published checkpoints that a notebook names."""
    text = notebook.read_text(encoding="utf-8")
    return [name for name in published() if f'checkpoint(\\"{name}\\")' in text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="all that load a published checkpoint, if none is named"
    )
    parser.add_argument("--gpu", action="store_true", help="put the models on a pretended GPU")
    options = parser.parse_args()
    paths = options.notebooks or [ROOT / path for path in notebooks() if wanted(ROOT / path)]
    names = sorted({name for path in paths for name in wanted(path)})
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        install(ROOT, work / "package")
        repositories = make(work / "repositories", *names)
        register_stand_ins(work / "package", repositories)
        revisions = {full["repository"]: full["revision"] for full in published().values()}
        with stand_in(repositories, revisions) as hub:
            variables = {"MUSICWORDS_TIER": "full", "HF_ENDPOINT": hub.address, "HF_HOME": str(work / "cache")}
            before = []
            if options.gpu:
                variables["MUSICWORDS_DEVICE"] = pretended_gpu.DEVICE.type
                before = ["import pretended_gpu\ngpu = pretended_gpu.pretended_gpu()\ngpu.__enter__()"]
            for path in paths:
                own = work / path.stem
                own.mkdir()
                if options.gpu:
                    shutil.copy(pretended_gpu.__file__, own)
                begin = time.monotonic()
                done = run_alone(path, own, work / "package", variables=variables, before=before)
                passed = done.returncode == 0 and not (own / "network.log").exists()
                print(
                    f"{path.stem:24} {'passed' if passed else 'FAILED'} {time.monotonic() - begin:6.0f} s", flush=True
                )
                if not passed:
                    failed += 1
                    print((done.stdout + done.stderr)[-3000:], flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
