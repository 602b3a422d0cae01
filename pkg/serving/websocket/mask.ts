/** The mask of WebSocket frames, taken off and put on in place, a word at a time. Source: RFC 6455 section 5.3. */

/** Fewer bytes than this are not worth a view of words. */
const wordsFrom = 32;

/** Masks `bytes` in place; `at` says how far into the frame's payload they begin. Masking twice gives what was there before. */
export function applyMask(bytes: Uint8Array, mask: Uint8Array, at: number): void {
  const { length } = bytes;
  let i = 0;
  if (length >= wordsFrom) {
    while (((bytes.byteOffset + i) & 3) !== 0) {
      bytes[i] = (bytes[i] ?? 0) ^ (mask[(at + i) & 3] ?? 0);
      i++;
    }
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (length - i) >> 2);
    const word = maskWord(mask, at + i);
    for (let w = 0; w < words.length; w++) words[w] = (words[w] ?? 0) ^ word;
    i += words.length << 2;
  }
  for (; i < length; i++) bytes[i] = (bytes[i] ?? 0) ^ (mask[(at + i) & 3] ?? 0);
}

/** Four bytes of the mask from there on, as a word lies in memory. */
function maskWord(mask: Uint8Array, at: number): number {
  const bytes = Uint8Array.from([0, 1, 2, 3], (index) => mask[(at + index) & 3] ?? 0);
  return new Int32Array(bytes.buffer)[0] ?? 0;
}
