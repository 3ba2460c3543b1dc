"""Where the audio of a catalog lies: a local folder, or an object store that pyarrow or fsspec can read."""

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import pyarrow as pa
from pyarrow import fs

# The second line is audio that libsndfile cannot read: such files are named in the table of errors, not passed over.
SUFFIXES = {
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav"),
    *(".aac", ".ac3", ".alac", ".ape", ".m4a", ".mka", ".mpc", ".wma", ".wv"),
}
READ_AHEAD = 1 << 20  # bytes, of a file in an object store


@dataclass(frozen=True, slots=True)
class Found:
    """One audio file. ``path`` is below the source, with ``/``; ``trouble`` says why it cannot even be opened.

    A folder that cannot be read stands for all files in it.
    """

    path: str
    size: int
    modified_ns: int
    trouble: str = ""
    is_folder: bool = False


class Source:
    """A folder of audio, by path or URI (``s3://bucket/music``).

    Parameters
    ----------
    address : str
        A local path, or a URI. pyarrow knows ``file``, ``s3``, ``gs``, ``abfs`` and ``hdfs``; for others the package
        that fsspec names must be installed.

    Raises
    ------
    ValueError
        If nothing here can read such a URI.
    """

    def __init__(self, address: str):
        if "://" not in address:
            self.files, self.root = fs.LocalFileSystem(), str(Path(address).resolve())
        else:
            self.files, self.root = _filesystem(address)
        self.local = isinstance(self.files, fs.LocalFileSystem)
        self.name = self.root if self.local else without_secrets(address)  # this goes into the manifest

    def list(self) -> list[Found]:
        """Return the audio files at any depth, known by their suffix, sorted by path; hidden ones are left out.

        Raises
        ------
        ValueError
            If there is no such folder, or if it cannot be read.
        """
        self.check()
        return sorted(self._walk() if self.local else self._select(), key=lambda found: found.path)

    def check(self) -> None:
        """Raise ``ValueError`` unless the folder is there."""
        if self.files.get_file_info(self.root).type != fs.FileType.Directory:
            raise ValueError(f"{self.name} is no folder: give the folder that holds the audio, or mount it first.")

    def open(self, path: str) -> BinaryIO:
        """Open one file of the source for reading; it can be sought in."""
        if self.local:
            return Path(self.root, path).open("rb")
        return io.BufferedReader(self.files.open_input_file(f"{self.root}/{path}"), READ_AHEAD)

    def _select(self) -> Iterator[Found]:
        for info in self.files.get_file_info(fs.FileSelector(self.root, recursive=True)):
            path = PurePosixPath(info.path).relative_to(self.root)
            hidden = any(part.startswith(".") for part in path.parts)
            if info.type == fs.FileType.File and path.suffix.lower() in SUFFIXES and not hidden:
                yield Found(str(path), info.size, info.mtime_ns or 0)

    def _walk(self) -> Iterator[Found]:
        """Walk a local folder; pyarrow stops at the first name that is not UTF-8, and asks nothing of a file."""
        failed, seen = [], set()
        for folder, names, files in os.walk(self.root, onerror=failed.append, followlinks=True):
            here = Path(folder).stat()
            if (here.st_dev, here.st_ino) in seen:  # reached again through a link
                names.clear()
                continue
            seen.add((here.st_dev, here.st_ino))
            names[:] = sorted(name for name in names if not name.startswith("."))
            for name in files:
                if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                    yield self._look(Path(folder, name))
        for error in failed:
            if Path(error.filename) == Path(self.root):
                raise ValueError(f"{self.name} cannot be read ({error.strerror}): ask for the right to read it.")
            trouble = f"The folder cannot be read: {error.strerror}."
            yield Found(self._below(Path(error.filename)), 0, 0, trouble, is_folder=True)

    def _look(self, file: Path) -> Found:
        path = self._below(file)
        try:
            about = file.stat()
        except OSError as error:
            return Found(path, 0, 0, f"The file cannot be looked at: {error.strerror}.")
        trouble = "" if stat.S_ISREG(about.st_mode) else "It is no regular file."
        if path != file.relative_to(self.root).as_posix():
            trouble = "The name is not UTF-8: rename the file."
        return Found(path, about.st_size, about.st_mtime_ns, trouble)

    def _below(self, file: Path) -> str:
        """Return the path below the root, with ``\\x..`` for bytes that are not UTF-8."""
        return os.fsencode(file.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")


def without_secrets(address: str) -> str:
    """Return a URI without the user, password, keys and options that may stand in it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _filesystem(address: str) -> tuple[fs.FileSystem, str]:
    try:
        return fs.FileSystem.from_uri(quote(address, safe="%/:=&?~#+!$,;'@()*[]"))
    except pa.ArrowInvalid:
        pass  # a scheme that pyarrow does not know
    import fsspec  # only where it is needed

    try:
        files, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{without_secrets(address)} cannot be read: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(files)), root
