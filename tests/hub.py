"""Ask the Hugging Face hub for every published checkpoint, and load the smallest: ``python tests/hub.py``.

Needs a network, and no account: of a gated repository the hub tells what is in it, and gives no file.
"""

import os
import sys

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from musicwords.checkpoints import REGISTRY, checkpoint

WEIGHTS = (".safetensors", ".bin", ".pt", ".ckpt")


def published(registry: dict = REGISTRY) -> dict[str, tuple[str, str]]:
    """Return repository and revision of each checkpoint that the hub holds, by the name in the registry."""
    sources = {name: entry.get("full", {}) for name, entry in registry.items()}
    return {name: (one["repository"], one["revision"]) for name, one in sources.items() if "repository" in one}


def problem(api: HfApi, name: str, repository: str, revision: str) -> str:
    """Say in a sentence what is wrong with a published checkpoint, or nothing if it is there."""
    where = f"{name}: {repository} at {revision}"
    try:
        info = api.model_info(repository, revision=revision, files_metadata=True)
    except RevisionNotFoundError:
        return f"{where}: the hub has no such revision. Pin another one in musicwords/registry.json."
    except RepositoryNotFoundError:
        return f"{where}: the hub has no such repository, or has hidden it. Look for where it went."
    except (HfHubHTTPError, OSError) as error:
        return f"{where}: the hub does not answer ({error}). Try again."
    if info.sha != revision:
        return f"{where}: the hub gives {info.sha}. Pin a commit, which cannot move."
    if not any(file.rfilename.endswith(WEIGHTS) for file in info.siblings):
        return f"{where}: no file of weights is there. Look into the repository."
    return ""


def main() -> int:
    api = HfApi()
    problems = [found for name, where in published().items() if (found := problem(api, name, *where))]
    print(*problems or ["Every repository and revision of the registry is there."], sep="\n")
    if problems:
        return 1
    from sentence_transformers import SentenceTransformer

    os.environ["MUSICWORDS_TIER"] = "full"
    embeddings = SentenceTransformer(**checkpoint("text-encoder")).encode(["slow piano", "loud drums"])
    print(f"The smallest one loads, and gives {embeddings.shape[1]} numbers a text.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
