"""The search for secrets finds them, in whatever form they were written."""

from __future__ import annotations

import base64
import gzip
import secrets
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.leaks import CommandLines, in_files
from tests.system.pipeline import wait_until

SECRET = secrets.token_hex(16)

FORMS = {
    "a line of a log": f"INFO connecting with password='{SECRET}'\n".encode(),
    "among binary data": b"\xac\xed\x00\x05t\x00\x20" + SECRET.encode() + b"\x00\xff",
    "two bytes a letter": f"x{SECRET}".encode("utf-16"),
    "a Basic header, user of 4 letters": base64.b64encode(f"user:{SECRET}".encode()),
    "a Basic header, user of 5 letters": base64.b64encode(f"fleet:{SECRET}".encode()),
    "a Basic header, user of 6 letters": base64.b64encode(f"fleets:{SECRET}".encode()),
    "a rotated log": gzip.compress(f"password={SECRET}".encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_in_a_file_is_found(tmp_path: Path, form: str) -> None:
    file = tmp_path / "deep" / "down" / "server.log"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"some text before, " + FORMS[form] if not form.startswith("a rotated") else FORMS[form])
    (tmp_path / "harmless").write_text(secrets.token_hex(16), encoding="utf-8")
    assert {found.partition(" (")[0] for found in in_files(tmp_path, [SECRET])} == {str(file)}


def test_a_secret_in_an_archive_or_a_file_name_is_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "job.jar", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conf/harmless.yaml", "user: fleet")
        archive.writestr("conf/job.yaml", f"password: {SECRET}")
    (tmp_path / f"{SECRET}.pid").touch()
    named = tmp_path / f"{SECRET}.pid"
    assert sorted(in_files(tmp_path, [SECRET])) == sorted(
        [f"{tmp_path}/job.jar!conf/job.yaml", f"the name of {named}"]
    )


def test_a_secret_on_a_command_line_is_found() -> None:
    with CommandLines() as seen:
        process = subprocess.Popen(
            [sys.executable, "-c", "input()", f"--password={SECRET}"], stdin=subprocess.PIPE
        )
        try:
            wait_until(
                lambda: any(SECRET.encode() in line for line in list(seen.lines)), 10, "the command line"
            )
        finally:
            process.communicate(b"\n")
        seen.forget(SECRET)
        assert not any(SECRET.encode() in line for line in list(seen.lines))
