"""The processes of this machine, by /proc."""

from pathlib import Path


def living():
    """The parent and the command of each process that is no zombie, by its number."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if state != "Z":
                found[int(folder.name)] = (int(parent), command)
    return found


def below(pid):
    """The commands of all processes that a process has started, also through others, by number."""
    table, own = living(), {pid}
    while more := {number for number, (parent, _) in table.items() if parent in own} - own:
        own |= more
    return {number: table[number][1] for number in own - {pid} if number in table}
