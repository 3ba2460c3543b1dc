"""Ask the Hugging Face hub for every published checkpoint, and load the smallest: ``python tests/hub/published.py``.

Needs a network, and no account: of a gated repository the hub tells what is in it, and gives no file.
"""

import os
import sys

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from musicwords.checkpoints import checkpoint, published


def problem(api: HfApi, name: str, repository: str, revision: str, files: list[str]) -> str:
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
    if missing := sorted(set(files) - {file.rfilename for file in info.siblings}):
        return f"{where}: the hub has no file {', '.join(missing)}. Mend the list in musicwords/registry.json."
    return ""


def main() -> int:
    api = HfApi()
    wanted = [(name, full["repository"], full["revision"], full["files"]) for name, full in published().items()]
    problems = [found for one in wanted if (found := problem(api, *one))]
    print(*problems or ["Every repository, revision and file of the registry is there."], sep="\n")
    if problems:
        return 1
    from sentence_transformers import SentenceTransformer

    os.environ["MUSICWORDS_TIER"] = "full"
    embeddings = SentenceTransformer(**checkpoint("text-encoder")).encode(["slow piano", "loud drums"])
    print(f"The smallest one loads, and gives {embeddings.shape[1]} numbers a text.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
