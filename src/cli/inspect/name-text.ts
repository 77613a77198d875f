/**
 * Names and attribute values as text of one line without control characters, as btrfs-progs print
 * them since 6.10: letters for the usual controls, octal for all that is not printable ASCII.
 */
const ESCAPES = new Map<number, string>([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x1b, '\\e'],
  [0x20, '\\ '],
  [0x5c, '\\\\'],
]);

export function nameText(name: Uint8Array): string {
  let text = '';
  for (const byte of name) {
    const printable = byte > 0x20 && byte < 0x7f;
    text += ESCAPES.get(byte) ?? (printable ? String.fromCharCode(byte) : octal(byte));
  }
  return text;
}

/** With a dot for each byte that is not printable ASCII. */
export function dottedText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
}

function octal(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`;
}
