"""The table public_files.json: what can be fetched, and what is known by name. SCHEDBENCH_PUBLIC_FILES names another table
of the same form, for a mirror."""
import json
import os
import pathlib


def entries(kind):
    """Its rows of one kind: "weights" or "data"."""
    path = os.environ.get("SCHEDBENCH_PUBLIC_FILES") or pathlib.Path(__file__).resolve().parent / "public_files.json"
    with open(path, encoding="utf-8") as file:
        return [row for row in json.load(file)["files"] if row["kind"] == kind]
