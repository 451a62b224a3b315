#!/usr/bin/python3
"""Makes the flash block that configures a logger (settings.h): "HFC1", length, CRC-32, JSON.

    platform/logger/flash_block.py CONFIG.json [CA.pem] >block.bin

With CA.pem its certificates become the member `ca`. The block holds the password: mode 0600, and erase what held it.
"""
import json
import struct
import sys
import zlib


def pack(text):
    """The block's bytes around a text, whatever it is."""
    return b"HFC1" + struct.pack("<II", len(text), zlib.crc32(text)) + text


def block(settings):
    """The block's bytes for an object."""
    return pack(json.dumps(settings, separators=(",", ":")).encode())


def main(config, ca=None):
    with open(config, encoding="utf-8") as file:
        settings = json.load(file)
    if ca:
        with open(ca, encoding="ascii") as file:
            settings["ca"] = file.read()
    sys.stdout.buffer.write(block(settings))


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
