// What an ELF shared library asks of the system: the versions in its .gnu.version_r section (System V ABI, "Symbol Versioning").
import { readFileSync } from 'node:fs';

/** A map from needed library to its needed versions, such as `libc.so.6` → `['GLIBC_2.2.5', 'GLIBC_2.28']`. */
export const neededVersions = (path) => {
  const file = readFileSync(path);
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) throw new Error(`${path} is no little-endian 64-bit ELF file`);
  const sections = { offset: Number(file.readBigUInt64LE(0x28)), size: file.readUInt16LE(0x3a), count: file.readUInt16LE(0x3c) };
  const section = (index) => {
    const at = sections.offset + index * sections.size;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      link: file.readUInt32LE(at + 0x28),
      info: file.readUInt32LE(at + 0x2c),
    };
  };
  const SHT_GNU_VERNEED = 0x6ffffffe;
  const needed = Array.from({ length: sections.count }, (_, index) => section(index)).find(({ type }) => type === SHT_GNU_VERNEED);
  if (needed === undefined) return new Map();
  const strings = section(needed.link).offset;
  const text = (offset) => file.toString('latin1', strings + offset, file.indexOf(0, strings + offset));
  const result = new Map();
  // A list of libraries (vn_cnt, vn_file, vn_aux, vn_next), each with a list of versions (vna_name, vna_next); offsets are relative.
  for (let library = needed.offset, i = 0; i < needed.info; i++, library += file.readUInt32LE(library + 12)) {
    const versions = [];
    let version = library + file.readUInt32LE(library + 8);
    for (let k = 0; k < file.readUInt16LE(library + 2); k++, version += file.readUInt32LE(version + 12))
      versions.push(text(file.readUInt32LE(version + 8)));
    result.set(text(file.readUInt32LE(library + 4)), versions.sort());
  }
  return result;
};

/** The newest glibc that the library asks for, such as `[2, 28]`; `[0, 0]` if none. */
export const newestGlibc = (path) =>
  [...neededVersions(path).values()]
    .flat()
    .filter((version) => /^GLIBC_\d/.test(version))
    .map((version) => version.slice(6).split('.').map(Number))
    .reduce((a, b) => (b[0] > a[0] || (b[0] === a[0] && b[1] > a[1]) ? b : a), [0, 0]);
