/** The end of a prefix in the order of keys. */
import { Buffer } from 'node:buffer';

/** The first bytes after all keys that start with `prefix`; undefined when there are none such, as after `''`. */
export function endOfPrefix(prefix: string): Buffer | undefined {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i]! < 0xff) {
      end[i]! += 1;
      return end.subarray(0, i + 1);
    }
  }
  return undefined;
}
