"""Files that are either whole or not there, whatever happens to the process or the machine."""

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path` and rename: a reader, or a run killed half way, never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:  # a full disk says nothing of which file it is
        Path(temporary).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def files_of(data: Path) -> list[Path]:
    """The files of a user's data: both of a pair `folder/X.npy,Y.npy` in one folder, otherwise the one.

    >>> [str(file) for file in files_of(Path("mine/X.npy,Y.npy"))]
    ['mine/X.npy', 'mine/Y.npy']
    """
    first, pair, second = data.name.partition(".npy,")
    return [data.with_name(f"{first}.npy"), data.with_name(second)] if pair and second else [data]
