"""Keys and tokens of NATS, as its own tools make them: an operator signs accounts,
an account signs users, and a user's credentials file holds his token and his seed.

A key is Ed25519, written in base 32 behind a byte for its kind, with a CRC-16 at the
end; a token is a JSON Web Token with the algorithm "ed25519-nkey".
"""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import tempfile
import time

KINDS = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
SEED = 18 << 3
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # in front of the 32 bytes of a private key


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc


def encode(data):
    return base64.b32encode(data + crc16(data).to_bytes(2, "little")).decode().rstrip("=")


def part(data):
    data = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, kind):
        prefix = KINDS[kind]
        self.private = secrets.token_bytes(32)
        self.public = encode(bytes([prefix]) + self.openssl(["pkey", "-pubout", "-outform", "DER"])[-32:])
        self.seed = encode(bytes([SEED | prefix >> 5, (prefix & 31) << 3]) + self.private)

    def openssl(self, arguments, data=None):
        with tempfile.TemporaryDirectory() as folder:
            key, text = os.path.join(folder, "key"), os.path.join(folder, "text")
            with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(PKCS8 + self.private)
            if data is not None:
                with open(text, "wb") as file:
                    file.write(data)
                arguments = arguments + ["-in", text, "-inkey", key, "-keyform", "DER"]
            else:
                arguments = arguments + ["-in", key, "-inform", "DER"]
            return subprocess.run(["openssl"] + arguments, check=True, capture_output=True).stdout

    def token(self, name, subject, claims):
        body = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject, "nats": claims}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        text = part({"typ": "JWT", "alg": "ed25519-nkey"}) + "." + part(body)
        return text + "." + part(self.openssl(["pkeyutl", "-sign", "-rawin"], text.encode()))

    def operator_token(self):
        return self.token("tests", self.public, {"type": "operator", "version": 2})

    def account_token(self, account, jetstream):
        """What the account may store: -1, without a limit; 0, nothing: the system's own must not."""
        limits = {name: -1 for name in ("subs", "data", "payload", "imports", "exports", "conn", "leaf")}
        limits.update({name: jetstream for name in ("mem_storage", "disk_storage", "streams", "consumer")})
        return self.token("account", account.public, {"limits": {**limits, "wildcards": True}, "type": "account",
                                                      "version": 2})

    def user_token(self, user):
        return self.token("device", user.public, {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1,
                                                  "type": "user", "version": 2})


def credentials(token, key):
    return ("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
            "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n" % (token, key.seed))
