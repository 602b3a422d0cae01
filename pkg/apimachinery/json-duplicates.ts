/**
 * Finds keys that come twice in one object of a JSON text, which `JSON.parse` silently lets pass. The text is known to be valid.
 *
 * First the keys in the text are counted and compared with those of the parsed value: equal numbers mean no duplicates, so
 * that the scan with paths is made for bad input only.
 */
import { stringEnd } from './json-outline.ts';

/** Most duplicates reported, as upstream's strict decoder has it. */
const duplicatesMax = 100;

/** Paths of duplicate keys, in the order of the text, which has so many `keys`. */
export function duplicateFields(text: string, value: unknown, keys: number): readonly string[] {
  if (keys === countKeys(value)) return [];
  const duplicates = new Set<string>();
  scanKeys(text, (path, isRepeated) => {
    if (isRepeated) duplicates.add(path);
  });
  return [...duplicates].slice(0, duplicatesMax);
}

/** Calls back with the path of every key in the order of the text, and whether its object had it before. */
export function scanKeys(text: string, onKey: (path: string, isRepeated: boolean) => void): void {
  scan(text, (frame, quoted) => {
    const key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
    frame.next = frame.path === '' ? key : `${frame.path}.${key}`;
    frame.wantsKey = false;
    const isRepeated = frame.keys!.has(key);
    frame.keys!.add(key);
    onKey(frame.next, isRepeated);
  });
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (typeof item === 'object') count += countKeys(item);
    }
    return count;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    count++;
    const field = object[key];
    if (typeof field === 'object') count += countKeys(field);
  }
  return count;
}

/** One object or list that the scan is inside of. */
interface Frame {
  /** Keys seen, for an object; undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** Index of the current item, for a list. */
  index: number;
  readonly path: string;
  /** Path of the value that comes next. */
  next: string;
  /** The next string is a key. */
  wantsKey: boolean;
}

function open(frames: Frame[], isObject: boolean): void {
  const parent = frames.at(-1);
  const path = parent === undefined ? '' : parent.keys === undefined ? `${parent.path}[${parent.index}]` : parent.next;
  frames.push({ keys: isObject ? new Set() : undefined, index: 0, path, next: '', wantsKey: isObject });
}

function scan(text: string, takeKey: (frame: Frame, quoted: string) => void): void {
  const frames: Frame[] = [];
  for (let i = 0; i < text.length; i++) {
    const frame = frames.at(-1);
    switch (text[i]) {
      case '{':
        open(frames, true);
        break;
      case '[':
        open(frames, false);
        break;
      case '}':
      case ']':
        frames.pop();
        break;
      case ',':
        if (frame?.keys === undefined) frame!.index++;
        else frame.wantsKey = true;
        break;
      case '"': {
        const end = stringEnd(text, i + 1);
        if (frame?.keys !== undefined && frame.wantsKey) takeKey(frame, text.slice(i, end + 1));
        i = end;
        break;
      }
    }
  }
}
