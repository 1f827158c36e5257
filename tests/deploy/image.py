"""What `docker build` would put into the image, worked out from Dockerfile and .dockerignore without Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of the Dockerfile, in its stage (counted from 0)."""

    stage: int
    name: str
    text: str


def instructions(dockerfile: str) -> list[Instruction]:
    """The instructions in their order, comments left out and continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    stage = -1
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, _, text = line.strip().partition(" ")
        stage += name == "FROM"
        found.append(Instruction(stage, name, text.strip()))
    return found


def project_dockerfile() -> list[Instruction]:
    """The project's Dockerfile."""
    return instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def fresh_clone() -> list[str]:
    """The paths of all files in a clone of the project."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]
    return [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]


def build_context(paths: list[str], dockerignore: str) -> list[str]:
    """Those of the paths that .dockerignore lets into a build."""
    rules = [line for line in dockerignore.splitlines() if line.strip() and not line.startswith("#")]
    return [path for path in paths if not _ignored(path, rules)]


def _ignored(path: str, rules: list[str]) -> bool:
    ignored = False
    for rule in rules:  # the last rule that fits decides
        if _fits(path, rule.removeprefix("!")):
            ignored = not rule.startswith("!")
    return ignored


def _fits(path: str, pattern: str) -> bool:
    names = PurePosixPath(path).parts
    if pattern.startswith("**/"):
        return any(fnmatchcase(name, pattern[3:]) for name in names)
    wanted = PurePosixPath(pattern).parts
    return len(wanted) <= len(names) and all(map(fnmatchcase, names, wanted))


def copied(context: list[str], steps: list[Instruction]) -> dict[str, str]:
    """The image's files that come from the project: path in the image -> path in the project.

    Raises:
        LookupError: a COPY names a path that the build would not find.
    """
    last = steps[-1].stage
    files: dict[str, str] = {}
    for step in steps:
        if step.name != "COPY" or "--from=" in step.text:
            continue
        *sources, target = step.text.split()
        for source in sources:
            matches = _matches(context, source, target)
            if not matches:
                raise LookupError(f"COPY {step.text}: there is no {source}")
            if step.stage == last:
                files.update(matches)
    return files


def _matches(context: list[str], source: str, target: str) -> dict[str, str]:
    """Docker copies a folder's content, but a file under its own name where the target ends with a slash."""
    inside = f"{source.rstrip('/')}/"
    found = {
        f"{target.rstrip('/')}/{path.removeprefix(inside)}": path
        for path in context
        if path.startswith(inside)
    }
    if found:
        return found
    files = [
        path for path in context if len(Path(path).parts) == len(Path(source).parts) and _fits(path, source)
    ]
    as_folder = target.endswith("/") or len(files) > 1
    return {(f"{target.rstrip('/')}/{Path(path).name}" if as_folder else target): path for path in files}


def project_image() -> dict[str, str]:
    """The project's files in the project's image, as :func:`copied` gives them."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    return copied(build_context(fresh_clone(), ignore), project_dockerfile())


def unpack(files: dict[str, str], folder: Path) -> Path:
    """Lays the image's files out under a folder; returns what is /opt/kappafleet there."""
    for target, source in files.items():
        to = folder / target.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, to)
    return folder / "opt" / "kappafleet"
