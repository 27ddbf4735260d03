# SPDX-License-Identifier: MIT
"""Certificates for the TLS tests, made with the openssl command: one authority and, of
it or alone, one server certificate for every way in which a certificate can be wrong."""

import dataclasses
import pathlib
import subprocess


@dataclasses.dataclass
class Certificate:
    cert: pathlib.Path
    key: pathlib.Path


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True,
                   stdin=subprocess.DEVNULL)


class Authority:
    """A certificate authority in `folder`."""

    def __init__(self, folder, name="Test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key,
                "-out", self.cert, "-days", "30", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        (self.folder / "index.txt").touch()
        (self.folder / "serial").write_text("1000\n", encoding="ascii")
        (self.folder / "ca.cnf").write_text(self.config(), encoding="ascii")

    def config(self):
        return (f"[ca]\ndefault_ca = here\n[here]\ndatabase = {self.folder}/index.txt\n"
                f"serial = {self.folder}/serial\nnew_certs_dir = {self.folder}\n"
                "default_md = sha256\npolicy = any\ncopy_extensions = copy\n"
                "unique_subject = no\n[any]\ncommonName = supplied\n")

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", start=None, end=None):
        """A certificate for `names`; `start` and `end` as YYYYMMDDHHMMSSZ."""
        made = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", made.key, "-out",
                request, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}")
        times = ["-days", "30"]
        if start:
            times = ["-startdate", start, "-enddate", end]
        openssl("ca", "-batch", "-config", self.folder / "ca.cnf", "-cert", self.cert,
                "-keyfile", self.key, "-in", request, "-out", made.cert, "-notext",
                *times)
        return made


def self_signed(folder):
    made = Certificate(pathlib.Path(folder, "self.pem"), pathlib.Path(folder, "self.key"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", made.key, "-out",
            made.cert, "-days", "30", "-subj", "/CN=self",
            "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    return made
