"""What a worker does with a file: decode it, embed its windows, or say why not."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from musicwords.catalog.audio import Unreadable, Windows
from musicwords.catalog.embedder import Embedder
from musicwords.catalog.sources import Found, Source

TRIES = 2  # of a file over which a worker died
NEVER = -1  # a time of modification that no file has, so that the file is tried again at the next run
# One row a file; a list has an item for each window. A reason stands where there are no windows.
RESULT = pa.schema(
    {
        "path": pa.string(),
        "size": pa.int64(),
        "modified_ns": pa.int64(),
        "reason": pa.string(),
        "note": pa.string(),
        "duration": pa.float64(),
        "start": pa.list_(pa.float64()),
        "end": pa.list_(pa.float64()),
        "embedding": pa.list_(pa.list_(pa.float32())),
    }
)
DIED = "A worker died over it, and over it again."


class RunFailed(Exception):
    """What was to be done could not be finished; the message says why."""


@dataclass(frozen=True)
class Job:
    """What all workers of a run have to know.

    ``address`` is that of the source; for ``sample_rate``, ``window`` and ``hop`` see
    :class:`musicwords.catalog.audio.Windows`; ``batch`` is how many windows the model hears at a time.
    """

    address: str
    sample_rate: int
    window: float
    hop: float
    batch: int


class Worker:
    """One of the workers of a run.

    Parameters
    ----------
    job : Job
    load : callable
        Returns an Embedder.

    Raises
    ------
    ValueError
        If the source is not there.
    """

    def __init__(self, job: Job, load: Callable[[], Embedder]):
        self.source, self.job = Source(job.address), job
        self.source.check()
        self.embedder = load()

    def embed(self, file: dict) -> dict:
        """Return a row of RESULT for a file with ``path``, ``size`` and ``modified_ns``. It raises nothing.

        A reason that may be gone at the next run, such as a network that failed or a missing right, comes with NEVER.
        """
        try:
            return file | self._embed(file["path"])
        except Unreadable as error:
            return file | {"reason": str(error)}
        except PermissionError as error:
            return file | {"reason": f"It cannot be opened: {_said(error)}.", "modified_ns": NEVER}
        except OSError as error:
            return file | {"reason": f"It cannot be read: {_said(error)}.", "modified_ns": NEVER}
        except Exception as error:  # whatever a model or a decoder says, the other files go on
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return file | {"reason": reason, "modified_ns": NEVER}

    def _embed(self, path: str) -> dict:
        starts, ends, vectors, waiting = [], [], [], []
        with self.source.open(path) as file:
            windows = Windows(file, self.job.sample_rate, self.job.window, self.job.hop)
            for start, end, audio in windows:
                starts.append(start)
                ends.append(end)
                waiting.append(audio)
                if len(waiting) == self.job.batch:
                    vectors += list(self.embedder.audio(waiting))
                    waiting.clear()
        if waiting:
            vectors += list(self.embedder.audio(waiting))
        places = {"start": starts, "end": ends, "embedding": vectors}
        return {"note": windows.note or None, "duration": windows.seconds, **places}


def described(file: Found) -> dict:
    """Return what goes to a worker of a file that was found."""
    return {"path": file.path, "size": file.size, "modified_ns": file.modified_ns}


def _said(error: OSError) -> str:
    """Return what an error says, unless it may hold the address of a store with its keys."""
    said = error.strerror or str(error)
    return type(error).__name__ if "://" in said else said
