/** Reads answers that are small. */
import { ImageStoreError } from '../image-store.ts';
import type { HttpAnswer } from './http.ts';

/** All of a body. Rejects with `damaged` for one that is larger than what was asked for can be. */
export async function readAll(answer: HttpAnswer, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body) {
    length += part.length;
    if (length > bytesMax) {
      answer.close();
      throw new ImageStoreError(
        'damaged',
        `registry sent more than the ${bytesMax} bytes that such an answer has at most`,
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
