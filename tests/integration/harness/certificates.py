"""A certificate authority of the tests' own, so that verify-full is what every test runs with."""

import pathlib
import secrets
import subprocess

from .network import FAR, OTHER

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = holdfast test {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[middle]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


# What the tests' server is called: on this machine, and on the far one of harness/network.py.
NAMES = f"DNS:localhost,IP:127.0.0.1,DNS:db.test,IP:{FAR},IP:{OTHER}"


def _openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Authority:
    """A CA under `folder`; `issue` makes a server certificate for the names given."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.certificate, self.key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if not self.certificate.exists():
            config = self._configure(name, "DNS:unused")
            _openssl("req", "-x509", "-config", config, "-extensions", "ca", *self._new_key(self.key),
                     "-out", self.certificate, "-days", 30)

    def issue(self, name, names=NAMES, days=30, profile="server"):
        """Write NAME.crt and NAME.key, signed by this CA and good for `names`; return both paths."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        config, request = self._configure(name, names), self.folder / f"{name}.csr"
        _openssl("req", "-new", "-config", config, *self._new_key(key), "-out", request)
        # A serial number drawn, not counted in a file: several workers issue at once.
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-set_serial",
                 secrets.randbits(63) | 1, "-extfile", config, "-extensions", profile, "-days", days, "-out", certificate)
        return certificate, key

    def through_middle(self, name):
        """A certificate signed by an intermediate authority, whose own certificate is not sent with it."""
        self.issue("middle", profile="middle")
        return Authority(self.folder, "middle").issue(name)

    def _configure(self, name, names):
        config = self.folder / f"{name}.cnf"
        config.write_text(CONFIG.format(name=name, names=names))
        return config

    @staticmethod
    def _new_key(path):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path
