"""The little of the ELF format (64 bit, little endian) that says how a program was linked."""

import struct

PT_LOAD, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_RPATH, DT_RUNPATH, DT_FLAGS, DT_FLAGS_1 = 1, 5, 10, 15, 29, 30, 0x6FFFFFFB
DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 8, 1, 0x08000000


class Program:
    def __init__(self, path):
        self.data = path.read_bytes()
        assert self.data[:6] == b"\x7fELF\x02\x01", f"{path} is not a 64-bit little-endian ELF file"
        offset, = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        # type, flags, offset, address, physical address, size in the file, size in memory, alignment
        self.segments = [struct.unpack_from("<IIQQQQQQ", self.data, offset + i * size) for i in range(count)]
        self.tags = self._tags()
        self.strings = self._strings()

    def of_type(self, kind):
        return [s for s in self.segments if s[0] == kind]

    def _tags(self):
        tags = {}
        for segment in self.of_type(PT_DYNAMIC):
            for at in range(segment[2], segment[2] + segment[5], 16):
                tag, value = struct.unpack_from("<QQ", self.data, at)
                tags.setdefault(tag, []).append(value)
        return tags

    def _strings(self):
        """The names of libraries and of imported and exported symbols."""
        address, size = self.tags[DT_STRTAB][0], self.tags[DT_STRSZ][0]
        for _, _, offset, start, _, length, *_ in self.of_type(PT_LOAD):
            if start <= address < start + length:
                at = offset + address - start
                return self.data[at:at + size].split(b"\0")
        raise AssertionError("the string table is in no segment")

    def flag(self, tag, bit):
        return bool(self.tags.get(tag, [0])[0] & bit)
