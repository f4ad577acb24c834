#!/usr/bin/python3
"""Makes supervisor.yaml(5) of supervisor.yaml: each key, its default, its comment."""

import re
import sys

HEAD = """.TH SUPERVISOR.YAML 5 2026-11-21 "Troupe {version}"
.SH NAME
supervisor.yaml \\- settings of supervisor
.SH DESCRIPTION
"""

FOOT = """.SH SEE ALSO
supervisor(1), supctl(1), worker(8)
"""


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    return "\\&" + text if text[:1] in (".", "'") else text


def paragraphs(lines):
    """What blank comment lines part; indented lines are kept as they are."""
    out = []
    for line in lines:
        if line == "":
            out.append(".PP")
        elif line.startswith("  "):
            out += [".br", escaped(line.strip())]
        else:
            out.append(escaped(line))
    return out


def main(version):
    out, comment, sections, in_head = [], [], [], True
    for line in sys.stdin.read().splitlines():
        note = re.match(r"\s*# ?(.*)$", line)
        key = re.match(r"(\s*)([\w]+):\s*(.*)$", line)
        if note:
            comment.append(note[1])
        elif line == "" and in_head:
            out += paragraphs(comment) + [".SH SETTINGS"]
            comment, in_head = [], False
        elif key and key[2] == "version":
            comment = []
        elif key:
            depth = len(key[1]) // 2
            sections = sections[:depth] + [key[2]]
            if key[3] != "":
                name = escaped(".".join(sections))
                default = escaped(key[3])
                out += [".TP", f"\\fB{name}\\fR ({default})", *paragraphs(comment)]
                comment = []
        elif line == "" and comment:
            out += ["For example:", ".RS", ".nf", *map(escaped, comment), ".fi", ".RE"]
            comment = []
    if comment:
        out += [".SH NOTES", *paragraphs(comment)]
    print(HEAD.format(version=version) + "\n".join(out) + "\n" + FOOT, end="")


if __name__ == "__main__":
    main(sys.argv[1])
