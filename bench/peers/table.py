"""Turns the lines of bench/run into a table; with --best, names the flags of the fastest line."""

import json
import statistics
import sys


def read(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def best(lines):
    return min(lines, key=lambda line: line["median_ms"])["setting"]


def table(lines):
    print("| model | threads | PyTorch, ms (setting) | petrify, ms | ratio | memory, MiB | ratio | first iteration, s | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model, threads in dict.fromkeys((line["model"], line["threads"]) for line in lines):
        mine = [line for line in lines if (line["model"], line["threads"]) == (model, threads)]
        ours = [line for line in mine if line["setting"] == "petrify"]
        theirs = [line for line in mine if line["setting"] != "petrify"]
        cells = [model, str(threads)]
        times = [[line["median_ms"] for line in side] for side in (theirs, ours)]
        shown = [f"{statistics.median(t):.3g} ({min(t):.3g} to {max(t):.3g})" for t in times]
        cells += [f"{shown[0]} {theirs[0]['setting'].replace('--', '') or 'as it comes'}", shown[1], ratio(*times)]
        for value in (lambda line: line["peak_mib"], lambda line: line["first_unix"] - line["start_unix"]):
            sides = [[value(line) for line in side] for side in (theirs, ours)]
            cells += [" / ".join(f"{statistics.median(s):.3g}" for s in sides), ratio(*sides)]
        print("| " + " | ".join(cells) + " |")


def ratio(theirs, ours):
    """Of the medians, petrify to PyTorch."""
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}"


if sys.argv[1] == "--best":
    print(best(read(sys.argv[2])))
else:
    table(read(sys.argv[1]))
