#!/usr/bin/env python3
"""Fetches a public file that public_files.json names, checks it, and converts it; scripts/get_weights.sh and
scripts/get_data.sh run it.

usage: fetch_public.py weights|data NAME [--to FOLDER] [--url URL]
       fetch_public.py weights|data --list

A download that was cut short goes on where it stopped. Where a SHA-256 (or MD5) is published, the file must have it;
where none is, the first download's SHA-256 is written to FOLDER/public_files.sha256, and later ones must agree with it.
What comes out is printed last: the file or folder that schedbench reads.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request

import public_files

BLOCK = 1 << 20


class Failure(Exception):
    """What went wrong, in one line."""


def digest_of(path, algorithm="sha256"):
    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def say(text):
    print(text, file=sys.stderr, flush=True)


def open_at(url, start):
    """(stream, total size or None, where it begins): `start`, or 0 if the server cannot begin inside the file."""
    if urllib.parse.urlsplit(url).scheme == "file":
        path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
        stream = open(path, "rb")  # pylint: disable=consider-using-with
        stream.seek(start)
        return stream, os.path.getsize(path), start
    headers = {"User-Agent": "schedbench", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        stream = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": there is nothing after `start`
            raise
        return open(os.devnull, "rb"), start, start
    begin = start if stream.status == 206 else 0
    length = stream.headers.get("Content-Length")
    return stream, begin + int(length) if length else None, begin


def download(url, part):
    """Appends to the file `part` until it is as long as the file at the address."""
    start = part.stat().st_size if part.exists() else 0
    try:
        stream, total, begin = open_at(url, start)
        with stream:
            if total is not None and begin > total:  # longer than the whole: not a part of it
                begin = 0
                stream, total, begin = open_at(url, 0)
            say(f"{url}: " + (f"going on at byte {begin:,}" if begin else "from the start") +
                (f" of {total:,}" if total is not None else ""))
            with open(part, "r+b" if begin else "wb") as out:
                out.seek(begin)
                for block in iter(lambda: stream.read(BLOCK), b""):
                    out.write(block)
    except (OSError, urllib.error.URLError, ValueError) as error:
        have = part.stat().st_size if part.exists() else 0
        raise Failure(f"{url}: {getattr(error, 'reason', error)} ({have:,} bytes are kept in {part}; run this again to go "
                      "on)") from error
    have = part.stat().st_size
    if total is not None and have < total:
        raise Failure(f"{url}: ended after {have:,} of {total:,} bytes; run this again to go on")


def recorded(folder):
    """File name -> SHA-256 of what was fetched before."""
    path = folder / "public_files.sha256"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def check(row, path, folder):
    """Compares with what is published or was recorded, and records."""
    digest, known = digest_of(path), recorded(folder)
    expected, by = row.get("sha256"), "published"
    if not expected:
        expected, by = known.get(row["file"]), "recorded at the first download"
    if row.get("md5") and digest_of(path, "md5") != row["md5"]:
        return f'has the MD5 {digest_of(path, "md5")}, not {row["md5"]}, which is published'
    if expected and digest != expected:
        return f"has the SHA-256 {digest}, not {expected}, which is {by}"
    if row["file"] not in known:
        with open(folder / "public_files.sha256", "a", encoding="utf-8") as out:
            out.write(f'{digest}  {row["file"]}\n')
    say(f'{path}: sha256 {digest}' + (f" ({by})" if expected else " (none is published; recorded)"))
    return None


def fetch(row, url, folder):
    target, part = folder / row["file"], folder / (row["file"] + ".part")
    if not target.exists():
        download(url, part)
        complaint = check(row, part, folder)
        if complaint:
            part.unlink()  # nothing of it can be gone on with
            raise Failure(f"{url}: {complaint}; it was deleted")
        part.replace(target)
    else:
        complaint = check(row, target, folder)
        if complaint:
            raise Failure(f"{target}: {complaint}; move it away to fetch it again")
    return target


def convert(row, source, folder):
    if row["convert"] == "unpack":
        with tarfile.open(source) as archive:
            members = archive.getmembers()
            for member in members:
                inside = (folder / member.name).resolve()
                if not (member.isfile() or member.isdir()) or folder.resolve() not in inside.parents:
                    raise Failure(f"{source}: holds {member.name}, which is no plain file of this folder")
            for member in members:
                archive.extract(member, folder)
        return folder / members[0].name.split("/")[0]
    if row["convert"] is None:
        return source
    target = folder / (row["name"] + ".safetensors")
    script = pathlib.Path(__file__).resolve().parent / "convert_checkpoint.py"
    extra = ["--name", row["name"]] if row["convert"] == "network" and row.get("config") else []
    result = subprocess.run([sys.executable, "-B", str(script), row["convert"], str(source), str(target), *extra],
                            stdout=sys.stderr, check=False)
    if result.returncode:
        raise Failure(f"{source}: was not converted")
    return target


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("weights", "data"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("--to", default=None, metavar="FOLDER", help="where to put it; default: weights or downloads")
    parser.add_argument("--url", help="another address of the same file")
    parser.add_argument("--list", action="store_true", help="the names that can be fetched")
    options = parser.parse_args(arguments)
    rows = public_files.entries(options.kind)
    names = [row["name"] for row in rows]
    if options.list:
        print("\n".join(f'{row["name"]}\t{row["licence"]}' for row in rows))
        return 0
    try:
        if options.name not in names:
            raise Failure((f'"{options.name}" is not known' if options.name else "a name is needed") +
                          "; known: " + ", ".join(names))
        row = rows[names.index(options.name)]
        folder = pathlib.Path(options.to or {"weights": "weights", "data": "downloads"}[options.kind])
        folder.mkdir(parents=True, exist_ok=True)
        say(f'{row["name"]}: licence: {row["licence"]}')
        print(convert(row, fetch(row, options.url or row["url"], folder), folder))
    except (Failure, OSError, tarfile.TarError) as error:
        say(f"fetch_public: error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
