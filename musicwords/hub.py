"""Published checkpoints from the Hugging Face hub, downloaded once; what went wrong is said in three lines.

A checkpoint is downloaded whole, before a library loads it from its folder. So nothing is half loaded, a second try
goes on where the first was cut off, a pickle is compared with its registered hash before anything reads it, and what
is in the cache needs no network. ``HF_ENDPOINT`` names a mirror, ``HF_HUB_OFFLINE=1`` forbids the network, ``HF_TOKEN``
is for gated repositories, ``HF_HOME`` is the folder of the cache.
"""

import shutil
from pathlib import Path

import psutil
import torch
from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

SECONDS = 8  # to wait for an answer before anything is downloaded
SMALL = ("*.json", "*.txt")  # settings and vocabularies, downloaded whether or not a library is known to read them
OFFLINE = "Without MUSICWORDS_TIER=full, all pages run offline with the mini checkpoints."


def cached(repository: str, revision: str, files: list[str]) -> Path | None:
    """Return the folder of the cache that has all ``files`` of a revision, or None."""
    name = "models--" + repository.replace("/", "--")
    folder = Path(constants.HF_HUB_CACHE) / name / "snapshots" / revision
    return folder if all((folder / file).is_file() for file in files) else None


def download(name: str, repository: str, revision: str, files: list[str], gigabytes: float) -> Path:
    """Return the folder with ``files`` of a repository, from the cache or, if they are not there, from the hub.

    Parameters
    ----------
    name : str
        Of the checkpoint, for messages.
    repository, revision : str
        On the hub; the revision is a commit of 40 hexadecimal digits.
    files : list of str
        What the libraries load, of what the repository holds.
    gigabytes : float
        Of all files together, for messages and for the check of the free disk.

    Raises
    ------
    ConnectionError
        If the hub does not answer within eight seconds, or breaks off.
    PermissionError
        If the repository is gated and no token opens it.
    FileNotFoundError
        If the repository, the revision or a file of it is gone, or if the network is forbidden and the cache lacks it.
    OSError
        If the disk has no place for the files.
    MemoryError
        If neither the memory nor that of a GPU has place for the weights.
    """
    what = f"the checkpoint {name!r} ({repository}, {gigabytes:.1f} GB)"
    check_memory(what, gigabytes)
    if folder := cached(repository, revision, files):
        return folder
    host = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        raise FileNotFoundError(
            f"HF_HUB_OFFLINE forbids the network, and the cache {constants.HF_HUB_CACHE} lacks {what}.\n"
            f"Unset HF_HUB_OFFLINE, or download it where there is a network: make fetch-full.\n{OFFLINE}"
        )
    check_disk(what, gigabytes)
    try:
        HfApi().model_info(repository, revision=revision, timeout=SECONDS)
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=[*files, *SMALL]))
    except GatedRepoError as error:
        raise PermissionError(
            f"{host} was asked for {what}, which is gated: it gives it only to those who accepted its licence.\n"
            f"Accept it on {host}/{repository}, make a token on {host}/settings/tokens, and set HF_TOKEN to it.\n"
            f"{OFFLINE}"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise FileNotFoundError(
            f"{host} was asked for {what} at revision {revision}, and has no such thing.\n"
            f"Look at {host}/{repository}, and tell the book where it went.\n{OFFLINE}"
        ) from error
    except Exception as error:  # of the client of the hub, whose errors share no class with Python's
        status = f"status {error.response.status_code}" if isinstance(error, HfHubHTTPError) else type(error).__name__
        raise ConnectionError(
            f"{host} was asked for {what}, and did not give it: {status}.\n"
            "Run the cell again: it goes on where it stopped. HF_ENDPOINT may name a mirror.\n"
            f"{OFFLINE}"
        ) from error
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise FileNotFoundError(
            f"{host} was asked for {what} at revision {revision}, and has no file {missing[0]} in it.\n"
            f"Look at {host}/{repository}/tree/{revision}, and tell the book where it went.\n{OFFLINE}"
        )
    return folder


def check_disk(what: str, gigabytes: float) -> None:
    """Raise OSError unless the disk of the cache has place for ``gigabytes``."""
    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise OSError(
            f"{what} does not fit: {free:.1f} GB are free in {folder}.\n"
            f"Free some, or set HF_HOME to a folder on another disk.\n{OFFLINE}"
        )


def check_memory(what: str, gigabytes: float) -> None:
    """Raise MemoryError unless the memory, or that of a GPU, has place for ``gigabytes``."""
    free = {"memory": psutil.virtual_memory().available / 1e9}
    if torch.cuda.is_available():
        free["memory of the GPU"] = torch.cuda.mem_get_info()[0] / 1e9
    if max(free.values()) < gigabytes:
        places = " and ".join(f"{one:.1f} GB of {name}" for name, one in free.items())
        raise MemoryError(
            f"{what} does not fit: {places} are free.\n"
            f"Take a machine with more, such as a Colab runtime with a larger GPU, or end other programs.\n{OFFLINE}"
        )
