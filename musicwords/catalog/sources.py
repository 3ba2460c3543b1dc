"""Where the audio of a catalog lies: a local folder, or an object store that pyarrow or fsspec can read."""

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

# What FFmpeg decodes; what it does not, such as files of a shop that are encrypted, is named in the table of errors.
SUFFIXES = {
    *(".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".dff", ".dsf", ".dts", ".flac"),
    *(".m4a", ".m4b", ".m4p", ".mka", ".mp2", ".mp3", ".mp4", ".mpc", ".mpga", ".oga", ".ogg", ".opus", ".rf64"),
    *(".snd", ".spx", ".tak", ".tta", ".w64", ".wav", ".wave", ".webm", ".wma", ".wv"),
}
SHADOW = "._"  # so begins what macOS writes beside a file on foreign disks
SYSTEM = {  # folders that systems make, with what they keep for themselves
    *("#recycle", "$recycle.bin", ".appledouble", ".documentrevisions-v100", ".fseventsd", ".git", ".spotlight-v100"),
    *(".temporaryitems", ".trash", ".trashes", "@eadir", "@recycle", "__macosx", "lost+found"),
    "system volume information",
}
TRASH = ".trash-"  # so begins that of a user on a disk that can be taken out
LATEST = 2**63 - 1  # nanoseconds since 1970, in the year 2262: what a table can hold
READ_AHEAD = 1 << 20  # bytes, of a file in an object store


@dataclass(frozen=True, slots=True)
class Found:
    """One audio file. ``path`` is below the source, with ``/``; ``trouble`` says why it cannot even be opened.

    A folder that cannot be read stands for all files in it. ``outside`` says that links lead out of the source.
    """

    path: str
    size: int
    modified_ns: int
    trouble: str = ""
    is_folder: bool = False
    outside: bool = False


class Source:
    """A folder of audio, by path or URI (``s3://bucket/music``).

    Parameters
    ----------
    address : str
        A local path, or a URI. pyarrow knows ``file``, ``s3``, ``gs``, ``abfs`` and ``hdfs``; for others the package
        that fsspec names must be installed.

    Attributes
    ----------
    passed_over : int
        After ``list``: how many files and folders of systems were not looked into.

    Raises
    ------
    ValueError
        If the address is empty, or if nothing here can read such a URI.
    """

    def __init__(self, address: str):
        self.passed_over = 0
        if not address.strip():
            raise ValueError("the source is an empty name: give the folder that holds the audio.")
        if "://" not in address:
            self.files, self.root = fs.LocalFileSystem(), str(Path(address).resolve())
        else:
            self.files, self.root = _filesystem(address)
        self.local = isinstance(self.files, fs.LocalFileSystem)
        self.name = self.root if self.local else without_secrets(address)  # this goes into the manifest

    def list(self) -> list[Found]:
        """Return the audio files at any depth, known by their suffix, sorted by path.

        What systems keep for themselves is passed over. Names that begin with a dot are names like others.

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
            if info.type == fs.FileType.File and self._is_audio(path.name):
                if not any(map(_is_system, path.parts)):
                    yield Found(str(path), info.size, min(info.mtime_ns or 0, LATEST))
                else:
                    self.passed_over += 1

    def _is_audio(self, name: str) -> bool:
        is_audio = PurePosixPath(name).suffix.lower() in SUFFIXES
        self.passed_over += is_audio and name.startswith(SHADOW)
        return is_audio and not name.startswith(SHADOW)

    def _walk(self) -> Iterator[Found]:
        """Walk a local folder; pyarrow stops at the first name that is not UTF-8, and asks nothing of a file."""
        failed, seen = [], set()
        for folder, names, files in os.walk(self.root, onerror=failed.append, followlinks=True):
            here = Path(folder).resolve()  # some file systems have no numbers of files to know them by
            if here in seen:  # reached again through a link
                names.clear()
                continue
            seen.add(here)
            self.passed_over += sum(map(_is_system, names))
            names[:] = sorted(name for name in names if not _is_system(name) and not self._leads_back(folder, name))
            outside = not here.is_relative_to(self.root)
            for name in files:
                file = Path(folder, name)
                if self._is_audio(name):
                    yield self._look(file, outside)
                elif file.is_symlink() and not file.exists():  # perhaps to a disk that is not there now
                    yield Found(self._below(file), 0, 0, "The link leads to nothing.", is_folder=True)
        for error in failed:
            if Path(error.filename) == Path(self.root):
                raise ValueError(f"{self.name} cannot be read ({error.strerror}): ask for the right to read it.")
            trouble = f"The folder cannot be read: {error.strerror}."
            yield Found(self._below(Path(error.filename)), 0, 0, trouble, is_folder=True)

    def _leads_back(self, folder: str, name: str) -> bool:
        """Whether a folder is a link into the source, whose files are found where they lie."""
        path = Path(folder, name)
        return path.is_symlink() and path.resolve().is_relative_to(self.root)

    def _look(self, file: Path, outside: bool) -> Found:
        path = self._below(file)
        try:
            about = file.stat()
            outside = outside or (file.is_symlink() and not file.resolve().is_relative_to(self.root))
        except OSError as error:
            return Found(path, 0, 0, f"The file cannot be looked at: {error.strerror}.")
        trouble = "" if stat.S_ISREG(about.st_mode) else "It is no regular file."
        if path != file.relative_to(self.root).as_posix():
            trouble = "The name is not UTF-8: rename the file."
        return Found(path, about.st_size, min(about.st_mtime_ns, LATEST), trouble, outside=outside)

    def _below(self, file: Path) -> str:
        """Return the path below the root, with ``\\x..`` for bytes that are not UTF-8."""
        return os.fsencode(file.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")


def without_secrets(address: str) -> str:
    """Return a URI without the user, password, keys and options that may stand in it.

    A secret may hold any sign: what stands before a first ``@`` goes if it looks like a name and a password.
    """
    scheme, _, rest = address.partition("://")
    before, at, after = rest.partition("@")
    if at and ":" in before:
        rest = after
    while "@" in rest.partition("/")[0]:
        rest = rest.partition("@")[2]
    return f"{scheme}://{rest.partition('?')[0].partition('#')[0]}".rstrip("/")


def _is_system(name: str) -> bool:
    return name.casefold() in SYSTEM or name.casefold().startswith(TRASH)


def quoted(address: str) -> str:
    """Return a URI with what is not ASCII, and spaces, as ``%..``."""
    return quote(address, safe="%/:=&?~#+!$,;'@()*[]")


def _filesystem(address: str) -> tuple[fs.FileSystem, str]:
    try:
        return fs.FileSystem.from_uri(quoted(address))
    except pa.ArrowInvalid:
        pass  # a scheme that pyarrow does not know
    import fsspec  # only where it is needed

    try:
        files, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        # Of an address with a password, parts of it may be in the message.
        reason = "is the password written with %.. for special signs?" if "@" in address else error
        raise ValueError(f"{without_secrets(address)} cannot be read: {reason}") from None
    return fs.PyFileSystem(fs.FSSpecHandler(files)), root
