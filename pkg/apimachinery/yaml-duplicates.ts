/**
 * Finds keys that come twice in one mapping of a YAML document, and says so in the words of Go's strict decoder. The text is known to be valid.
 * Source: `sigs.k8s.io/yaml` `UnmarshalStrict` over `yaml.v2`, which names the line of the value.
 */
import { EVENT_ID, getScalarValue, parseEvents } from 'js-yaml';

/** Most duplicates reported, as with JSON. */
const duplicatesMax = 100;

/** One mapping or list that the scan is inside of. */
interface Frame {
  /** Keys seen, for a mapping; undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** The key whose value comes next; undefined where a key comes next. */
  key: string | undefined;
  /** Offset of the value of `key`, once it is known. */
  start: number;
}

/** What Go's decoder would say of the duplicates: `yaml: unmarshal errors:` and a line for each. */
export function yamlDuplicates(text: string, options: { readonly maxDepth: number }): string {
  const lines: string[] = [];
  const frames: Frame[] = [];
  const beginsValue = (start: number): void => {
    const frame = frames.at(-1);
    if (frame?.key !== undefined) frame.start = start;
  };
  const endsNode = (scalar?: string): void => {
    const frame = frames.at(-1);
    if (frame?.keys === undefined) return;
    if (frame.key === undefined) {
      frame.key = scalar ?? '';
      return;
    }
    const { key, keys } = frame;
    frame.key = undefined;
    // What `<<` brings may be there already.
    if (key === '<<') return;
    if (keys.has(key) && lines.length < duplicatesMax) {
      lines.push(`  line ${lineOf(text, frame.start)}: key ${JSON.stringify(key)} already set in map`);
    }
    keys.add(key);
  };
  for (const event of parseEvents(text, options)) {
    switch (event.type) {
      case EVENT_ID.MAPPING:
      case EVENT_ID.SEQUENCE:
        beginsValue(event.start);
        frames.push({ keys: event.type === EVENT_ID.MAPPING ? new Set() : undefined, key: undefined, start: 0 });
        break;
      case EVENT_ID.SCALAR:
        beginsValue(event.valueStart);
        endsNode(getScalarValue(text, event));
        break;
      case EVENT_ID.ALIAS:
        beginsValue(event.anchorStart);
        endsNode();
        break;
      case EVENT_ID.POP:
        // The last one closes the document.
        if (frames.pop() !== undefined) endsNode();
        break;
    }
  }
  return `yaml: unmarshal errors:\n${lines.join('\n')}`;
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++;
  return line;
}
