"""A certificate for 127.0.0.1, made anew for each run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def certificate(folder: Path) -> tuple[Path, Path] | None:
    """The certificate, which is its own authority, and its key; None where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    chain, key = folder / "tls.crt", folder / "tls.key"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", "/CN=double"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:TRUE"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return chain, key
