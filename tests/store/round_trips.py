"""Round trips with other programs: what one seals the other opens, byte for byte.

    python round_trips.py 500      the long form, which `make torture` runs

The others are Debian's `age`, `pyrage` and the npm package `age-encryption`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from llmwidgets.secret import Secret
from llmwidgets.store import age
from llmwidgets.store.age import Identity

ROOT = Path(__file__).parents[2]
NODE = ROOT / "build" / "age-encryption"

_SCRIPT = """
import * as age from "age-encryption";
import { readFileSync } from "node:fs";
const { identity, recipient, passphrase, sealed, plain, byWord } =
  JSON.parse(readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const opened = [], theirs = [];
for (const [place, text] of sealed.entries()) {
  const decrypter = new age.Decrypter();
  if (byWord[place]) decrypter.addPassphrase(passphrase); else decrypter.addIdentity(identity);
  opened.push(Buffer.from(await decrypter.decrypt(bytes(text))).toString("base64"));
}
for (const [place, text] of plain.entries()) {
  const encrypter = new age.Encrypter();
  if (byWord[place]) { encrypter.setPassphrase(passphrase); encrypter.setScryptWorkFactor(10); }
  else encrypter.addRecipient(recipient);
  theirs.push(Buffer.from(await encrypter.encrypt(bytes(text))).toString("base64"));
}
console.log(JSON.stringify({ opened, theirs }));
"""

IDENTITY = Identity.generate()
PASSPHRASE = Secret("a made-up passphrase")


def texts(count: int, seed: int) -> list[bytes]:
    """Random bytes of lengths around the borders of age's chunks, mostly short."""
    chance = random.Random(seed)
    lengths = [0, 1, 15, 16, 65535, 65536, 65537]
    return [
        chance.randbytes(
            chance.choice(lengths) if chance.random() < 0.1 else chance.randrange(2000)
        )
        for _ in range(count)
    ]


def ours(plain: bytes, *, by_word: bool) -> bytes:
    if by_word:
        return age.encrypt_passphrase(memoryview(plain), PASSPHRASE, work_factor=10)
    return age.encrypt(memoryview(plain), [Identity.generate().recipient, IDENTITY.recipient])


def opened(sealed: bytes, *, by_word: bool) -> bytes:
    if by_word:
        return bytes(age.decrypt_passphrase(sealed, PASSPHRASE))
    return bytes(age.decrypt(sealed, [IDENTITY]))


def with_age(count: int) -> int:
    """Both ways by identity; `age` takes a passphrase from a terminal alone. The good ones."""
    good = 0
    with tempfile.TemporaryDirectory() as place:
        key = Path(place) / "key"
        key.touch(0o600)
        key.write_text(IDENTITY.secret.reveal() + "\n")
        for plain in texts(count, 1):
            there = _piped(["age", "-d", "-i", str(key)], ours(plain, by_word=False))
            back = opened(_piped(["age", "-r", IDENTITY.recipient], plain), by_word=False)
            good += there == back == plain
    return good


def with_pyrage(count: int) -> int:
    """Both ways by identity, and ours by passphrase: it cannot seal cheaply by one."""
    import pyrage

    theirs = pyrage.x25519.Identity.from_str(IDENTITY.secret.reveal())
    good = 0
    for number, plain in enumerate(texts(count, 2)):
        back = opened(pyrage.encrypt(plain, [theirs.to_public()]), by_word=False)
        there = (
            pyrage.passphrase.decrypt(ours(plain, by_word=True), PASSPHRASE.reveal())
            if number % 5 == 0
            else pyrage.decrypt(ours(plain, by_word=False), [theirs])
        )
        good += there == back == plain
    return good


def with_node(count: int) -> int:
    """Both ways, by identity and by passphrase, in one process of node."""
    from base64 import b64decode, b64encode

    plain = texts(count, 3)
    by_word = [number % 5 == 0 for number in range(count)]
    sealed = [ours(each, by_word=word) for each, word in zip(plain, by_word, strict=True)]
    asked = {
        "identity": IDENTITY.secret.reveal(), "recipient": IDENTITY.recipient,
        "passphrase": PASSPHRASE.reveal(), "byWord": by_word,
        "sealed": [b64encode(each).decode() for each in sealed],
        "plain": [b64encode(each).decode() for each in plain],
    }  # fmt: skip
    script = NODE / "trips.mjs"
    script.write_text(_SCRIPT)
    said = json.loads(_piped(["node", str(script)], json.dumps(asked).encode()))
    return sum(
        b64decode(there) == opened(b64decode(theirs), by_word=word) == each
        for each, there, theirs, word in zip(
            plain, said["opened"], said["theirs"], by_word, strict=True
        )
    )


def missing_node() -> str:
    """Why the npm package cannot be used; empty where it is, after installing it into build/."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "node and npm are not installed"
    if not (NODE / "node_modules" / "age-encryption").is_dir():
        NODE.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(NODE)]
        try:
            subprocess.run(
                [*words, "age-encryption@0.3"], check=True, capture_output=True, timeout=60
            )
        except (subprocess.SubprocessError, OSError):
            return "the npm registry cannot be reached"
    return ""


def missing_age() -> str:
    return "" if shutil.which("age") else "the age tool is not installed"


def missing_pyrage() -> str:
    from importlib.util import find_spec

    return "" if find_spec("pyrage") else "the package pyrage is not installed"


TOOLS: dict[str, tuple[Callable[[], str], Callable[[int], int]]] = {
    "age": (missing_age, with_age),
    "pyrage": (missing_pyrage, with_pyrage),
    "age-encryption (npm)": (missing_node, with_node),
}


def _piped(words: list[str], data: bytes) -> bytes:
    return subprocess.run(
        words,
        input=data,
        capture_output=True,
        check=True,
        env={**os.environ, "HOME": "/nonexistent"},
    ).stdout


def main(count: int) -> int:
    fine = True
    for name, (missing, trips) in TOOLS.items():
        start, why = time.monotonic(), missing()
        good = 0 if why else trips(count)
        fine &= bool(why) or good == count
        told = f"skipped, {why}" if why else f"{good} of {count} there and back"
        sys.stdout.write(f"round trips with {name}: {told} in {time.monotonic() - start:.0f} s\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
