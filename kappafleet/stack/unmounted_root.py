"""Finds out whether the file system's root is no mount point, as in a plain chroot, and helps Cassandra there.

See UnmountedRoot.java beside this file for the why.
"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from kappafleet.errors import MissingPart

_SOURCE = Path(__file__).with_name("UnmountedRoot.java")
_MANIFEST = "Manifest-Version: 1.0\nPremain-Class: io.kappafleet.stack.UnmountedRoot\n\n"


def is_on_a_known_mount(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the table of mounts has the mount that an existing folder lies on."""
    mount = folder.resolve()
    while not mount.is_mount():
        mount = mount.parent
    lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    known = {line.split(" ")[1].replace(r"\040", " ") for line in lines}
    return str(mount) in known


def agent(folder: Path, java: Path, jars: Path) -> Path:
    """The agent's jar, compiled into `folder` if it is not there yet.

    Args:
        folder: Made when missing.
        java: Home of a JDK.
        jars: Cassandra's; one of them is ASM.

    Raises:
        MissingPart: the compiler is not there, or refuses.
    """
    jar = folder / "unmounted-root.jar"
    if jar.is_file() and jar.stat().st_mtime > _SOURCE.stat().st_mtime:
        return jar
    classes = folder / "classes"
    classes.mkdir(parents=True, exist_ok=True)
    command = [str(java / "bin" / "javac"), "-cp", f"{jars}/*", "-d", str(classes), str(_SOURCE)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise MissingPart(
            f"{_SOURCE.name}, which Cassandra needs in a chroot, does not compile: {reason}"
        ) from error
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", _MANIFEST)
        for each in sorted(classes.rglob("*.class")):
            archive.write(each, each.relative_to(classes))
    return jar
