#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""extract-vmlinux.py BZIMAGE OUTPUT: unpack the ELF kernel inside a bzImage.

A guest without hardware virtualization spends seconds decompressing its
kernel; booting the unpacked one (through its PVH entry) saves them.
"""
import lzma
import struct
import subprocess
import sys
import zlib


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: extract-vmlinux.py BZIMAGE OUTPUT")
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    if image[0x202:0x206] != b"HdrS":
        sys.exit(f"{sys.argv[1]}: not a bzImage")
    # Boot protocol 2.08: offset of the compressed payload from the end of the real-mode part.
    # Its last four bytes are the unpacked size.
    setup_sects = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sects + 1) * 512 + offset
    data = image[start:start + length]
    if data.startswith(b"\xfd7zXZ\x00"):
        elf = lzma.LZMADecompressor().decompress(data)
    elif data.startswith(b"\x1f\x8b"):
        elf = zlib.decompressobj(31).decompress(data)
    elif data.startswith(b"\x28\xb5\x2f\xfd"):
        elf = subprocess.run(["zstd", "-dcq"], input=data[:-4], check=True,
                             stdout=subprocess.PIPE).stdout
    else:
        sys.exit(f"{sys.argv[1]}: compressed in a way this script does not know "
                 f"(starts with {data[:6].hex()})")
    if not elf.startswith(b"\x7fELF"):
        sys.exit(f"{sys.argv[1]}: the payload is not an ELF kernel")
    with open(sys.argv[2], "wb") as f:
        f.write(elf)


main()
