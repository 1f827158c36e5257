"""Cassandra in a chroot, where the root folder is no mount point."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kappafleet.places import java_home, project_root
from kappafleet.stack.unmounted_root import agent, is_on_a_known_mount


def test_a_folder_is_on_a_known_mount_if_the_table_has_its_mount_point(tmp_path: Path) -> None:
    mount = tmp_path
    while not mount.is_mount():
        mount = mount.parent
    table = tmp_path / "mounts"
    table.write_text(f"proc /proc proc rw 0 0\n/dev/disk {mount} ext4 rw 0 0\n")
    assert is_on_a_known_mount(tmp_path, table)
    table.write_text("proc /proc proc rw 0 0\ndev /dev devtmpfs rw 0 0\n")
    assert not is_on_a_known_mount(tmp_path, table)


def test_the_agent_is_compiled_once_and_java_takes_it(tmp_path: Path) -> None:
    java, jars = java_home(), project_root() / "build" / "cassandra" / "lib"
    jar = agent(tmp_path, java, jars)
    made = jar.stat().st_mtime_ns
    assert agent(tmp_path, java, jars).stat().st_mtime_ns == made
    command = [str(java / "bin" / "java"), f"-javaagent:{jar}", "-cp", f"{jars}/*", "-version"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
