"""Deletes folders that untrusted programs filled, however deep they are and whatever rights they took; standard library
only.
"""

from __future__ import annotations

import os


def remove_tree(top: str) -> None:
    """Delete a folder and all in it. Links are deleted, not followed; nothing recurses, no path grows long.

    Folders two levels down are moved up until none is left. Only for folders in which nothing runs any more.

    Raises:
        OSError: something can't be deleted, or there is no such folder.
    """
    moved = 0
    while True:
        os.chmod(top, 0o700)
        folders, files = _split(top)
        for name in files:
            os.unlink(f"{top}/{name}")
        if not folders:
            os.rmdir(top)
            return
        for name in folders:
            folder = f"{top}/{name}"
            os.chmod(folder, 0o700)
            inner_folders, inner_files = _split(folder)
            for inner in inner_files:
                os.unlink(f"{folder}/{inner}")
            for inner in inner_folders:
                os.chmod(f"{folder}/{inner}", 0o700)
                while os.path.lexists(f"{top}/moved-{moved}"):
                    moved += 1
                os.rename(f"{folder}/{inner}", f"{top}/moved-{moved}")
            os.rmdir(folder)


def _split(folder: str) -> tuple[list[str], list[str]]:
    """Names of the folders in a folder, and of all else; links are no folders."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return folders, files
