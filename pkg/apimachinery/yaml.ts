/**
 * The one reader of YAML, for bodies of requests, manifests, kubeconfigs and configuration files: YAML 1.1 as Go's `yaml.v2` reads it, with
 * JSON values as the result. js-yaml finds the structure of the text (its events); what that stands for is decided here: tags, keys, merges
 * and aliases in Go's way, so that a file means to this reader what it means to kubectl.
 *
 * Invariants: the result is a tree whose nodes are shared with nothing, within limits however often aliases repeat one another; no number is
 * rounded. It does not say which documents are objects, and it does not write YAML. Upstream counterpart: `sigs.k8s.io/yaml` over its
 * `goyaml.v2`. More lenient where nothing is lost: the escapes of JSON are taken, and documents after `...` are read.
 */
import { EVENT_ID, type Event, getScalarValue, parseEvents, SCALAR_STYLE, type ScalarEvent } from 'js-yaml';
import { jsonInteger, setOwn } from './json.ts';
import { keyText, resolveScalar, type Scalar, ScalarError, typeOfTag } from './yaml-scalars.ts';

/** Deepest nesting, of aliases too. Upstream refuses more than 10,000; a tenth of that is more than any object needs. */
export const yamlNestingMax = 1000;

/** Values of a document that has aliases: a body of 3 MiB without them has fewer. */
const aliasedNodesMax = 2_000_000;

/** Most duplicate keys noted of a document, as with JSON. */
const duplicatesMax = 100;

/** A text that cannot be read; the message is what Go says after `error converting YAML to JSON: `. */
export class YamlError extends Error {}

/** A key that came twice in one mapping. */
export interface YamlDuplicate {
  /** Line of the second value, from 1. */
  readonly line: number;
  /** The key as Go shows it: text in quotes, numbers and booleans without. */
  readonly key: string;
  /** Whether one of the two came with a merge (`<<`), which people do on purpose; to Go's strict decoder it is the same. */
  readonly merged: boolean;
}

/** The value of one document. */
export interface YamlDocument {
  readonly value: unknown;
  /** Empty unless asked for; at most `duplicatesMax`. Of each the last value counts. */
  readonly duplicates: readonly YamlDuplicate[];
}

/** What to look for beside the values. */
export interface YamlOptions {
  /** Note keys that come twice. */
  readonly findDuplicates?: boolean;
  /** Read the first document only, as Go's `Unmarshal` does. The rest must be YAML all the same. */
  readonly firstOnly?: boolean;
  /** Integers of 64 bits that no double holds exactly come as `bigint`. Default: they are refused. */
  readonly wholeIntegers?: boolean;
  /** Of the words for booleans only `true` and `false` are any, as in YAML 1.2: `yes`, `off`, `n` and the like are texts. */
  readonly fewBooleans?: boolean;
}

/** The documents of a text in order, `null` for one that is empty. Throws `YamlError`. */
export function readYaml(text: string, options: YamlOptions = {}): readonly YamlDocument[] {
  const documents: YamlDocument[] = [];
  try {
    const source = text.includes('\ufeff') ? text.replaceAll(byteOrderMarks, '') : text;
    const events = parseEvents(source, { maxDepth: yamlNestingMax });
    for (let at = 0; at < events.length; ) {
      const composer = new Composer(source, events, { ...options, at });
      documents.push(composer.document());
      if (options.firstOnly) break;
      at = composer.at;
    }
  } catch (error) {
    throw yamlError(error);
  }
  return documents;
}

/** Words that YAML 1.1 takes for booleans, and 1.2 does not. */
const olderBoolean = /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/;

/** Marks that begin a document, as files that were put together have them in their midst. */
const byteOrderMarks = /(?<=^|^---[^\n]*\n)\ufeff/gm;

/** What Go's strict decoder says of duplicate keys. */
export function duplicatesText(duplicates: readonly YamlDuplicate[]): string {
  const lines = duplicates.map(({ line, key }) => `  line ${line}: key ${key} already set in map`);
  return `yaml: unmarshal errors:\n${lines.join('\n')}`;
}

function yamlError(error: unknown): YamlError {
  if (error instanceof YamlError) return error;
  if (error instanceof ScalarError) return failure(error.message);
  const { reason, mark } = error as { reason?: string; mark?: { line?: number } };
  if (reason === undefined) return failure(error instanceof Error ? error.message.split('\n')[0]! : String(error));
  return failure(mark?.line === undefined ? reason : `line ${mark.line + 1}: ${reason}`);
}

/** Errors of the parser and the decoder have `yaml: ` before them, those of the way to JSON have not. */
function failure(message: string): YamlError {
  return new YamlError(message.startsWith('unsupported map key') ? message : `yaml: ${message}`);
}

/** A number that does not come out as it went in, as Go words it. */
export function numberError(source: string, type: 'float64' | 'int64'): string {
  return `json: cannot unmarshal number ${source} into Go value of type ${type}`;
}

/** A mapping under construction: its keys so far, by type and text, with whether they came by a merge; undefined when nobody asks. */
type SeenKeys = Map<string, boolean> | undefined;

/** Makes the value of one document out of events. An alias is read where its anchor stands, again for each use. */
class Composer {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #findDuplicates: boolean;
  readonly #wholeIntegers: boolean;
  readonly #fewBooleans: boolean;
  readonly #duplicates: YamlDuplicate[] = [];
  /** The event that comes next. */
  at: number;
  #tagPrefixes: ReadonlyMap<string, string> = new Map();
  /** Events of the anchors that aliases name, by the event of the alias; made with the first alias. */
  #targets: ReadonlyMap<number, number> | undefined;
  /** By the first event of each node, the event behind it; made when it is first needed. */
  #ends: Int32Array | undefined;
  /** Anchors that are being read because of an alias. */
  readonly #open = new Set<number>();
  #nodes = 0;
  #aliasedNodes = 0;

  constructor(text: string, events: readonly Event[], start: YamlOptions & { readonly at: number }) {
    this.#text = text;
    this.#events = events;
    this.at = start.at;
    this.#findDuplicates = start.findDuplicates === true;
    this.#wholeIntegers = start.wholeIntegers === true;
    this.#fewBooleans = start.fewBooleans === true;
  }

  document(): YamlDocument {
    const event = this.#events[this.at++]!;
    if (event.type === EVENT_ID.DOCUMENT) {
      const version = event.directives.find((directive) => directive.kind === 'yaml')?.version;
      if (version !== undefined && version !== '1.1') throw failure('found incompatible YAML document');
      const tags = event.directives.filter((directive) => directive.kind === 'tag');
      this.#tagPrefixes = new Map(tags.map(({ handle, prefix }) => [handle, prefix]));
    }
    const value = this.#node(yamlNestingMax);
    this.at++;
    return { value, duplicates: this.#duplicates };
  }

  /** The value of the node that comes next. */
  #node(levels: number): unknown {
    this.#count(levels);
    const index = this.at++;
    const event = this.#events[index]!;
    switch (event.type) {
      case EVENT_ID.SCALAR:
        return jsonValue(this.#scalar(event), this.#wholeIntegers);
      case EVENT_ID.ALIAS:
        return this.#throughAlias(index, () => this.#node(levels - 1));
      case EVENT_ID.SEQUENCE: {
        const items: unknown[] = [];
        while (this.#events[this.at]!.type !== EVENT_ID.POP) items.push(this.#node(levels - 1));
        this.at++;
        return items;
      }
      case EVENT_ID.MAPPING: {
        const object: Record<string, unknown> = {};
        this.#pairs(object, { seen: this.#findDuplicates ? new Map() : undefined, levels, merged: false });
        return object;
      }
      case EVENT_ID.DOCUMENT:
      case EVENT_ID.POP:
        throw new Error(`Bug: a node of YAML begins with event ${event.type}`);
    }
  }

  /** Reads the pairs of a mapping, whose event has been read, into an object. */
  #pairs(
    object: Record<string, unknown>,
    into: { readonly seen: SeenKeys; readonly levels: number; readonly merged: boolean },
  ): void {
    while (this.#events[this.at]!.type !== EVENT_ID.POP) {
      if (this.#isMerge()) {
        this.at++;
        this.#merge(object, { ...into, merged: true });
        continue;
      }
      const key = this.#key(into.levels);
      const text = keyText(key);
      const valueAt = this.at;
      const value = this.#node(into.levels - 1);
      if (into.seen !== undefined) this.#note(into.seen, { key, text, valueAt, merged: into.merged });
      setOwn(object, text.toWellFormed(), value);
    }
    this.at++;
  }

  #note(
    seen: Map<string, boolean>,
    pair: { readonly key: Scalar; readonly text: string; readonly valueAt: number; readonly merged: boolean },
  ): void {
    const { key, text, valueAt, merged } = pair;
    // Go compares keys before they are text: `1` and `"1"` are two.
    const id = `${typeof key.value} ${text}`;
    const before = seen.get(id);
    seen.set(id, merged);
    if (before === undefined || this.#duplicates.length >= duplicatesMax) return;
    this.#duplicates.push({
      line: lineOf(this.#text, startOf(this.#events[valueAt]!)),
      key: typeof key.value === 'string' ? JSON.stringify(text) : text,
      merged: merged || before,
    });
  }

  /** The key that comes next. */
  #key(levels: number): Scalar {
    this.#count(levels);
    const index = this.at++;
    const event = this.#events[index]!;
    if (event.type === EVENT_ID.SCALAR) return this.#scalar(event);
    if (event.type === EVENT_ID.ALIAS) return this.#throughAlias(index, () => this.#key(levels - 1));
    this.at--;
    throw failure(`invalid map key: ${JSON.stringify(this.#node(levels - 1))}`);
  }

  /** Whether the key that comes next is `<<`, not in quotes. */
  #isMerge(): boolean {
    const event = this.#events[this.at]!;
    if (event.type !== EVENT_ID.SCALAR || getScalarValue(this.#text, event) !== '<<') return false;
    const tag = this.#tagOf(event);
    return tag === undefined ? event.style === SCALAR_STYLE.PLAIN : tag === 'tag:yaml.org,2002:merge';
  }

  /** Lays the mappings of the value that comes next into an object. Of several, the first ones win. */
  #merge(
    object: Record<string, unknown>,
    into: { readonly seen: SeenKeys; readonly levels: number; readonly merged: boolean },
  ): void {
    if (this.#events[this.at]!.type !== EVENT_ID.SEQUENCE) {
      this.#mergeOne(object, into);
      return;
    }
    const starts: number[] = [];
    let at = this.at + 1;
    for (; this.#events[at]!.type !== EVENT_ID.POP; at = this.#endOf(at)) starts.push(at);
    for (const start of starts.reverse()) {
      this.at = start;
      this.#mergeOne(object, into);
    }
    this.at = at + 1;
  }

  #mergeOne(
    object: Record<string, unknown>,
    into: { readonly seen: SeenKeys; readonly levels: number; readonly merged: boolean },
  ): void {
    const inner = { ...into, levels: into.levels - 1 };
    this.#count(inner.levels);
    const index = this.at++;
    const { type } = this.#events[index]!;
    if (type === EVENT_ID.MAPPING) {
      this.#pairs(object, inner);
      return;
    }
    if (type !== EVENT_ID.ALIAS || this.#events[this.#targetOf(index)]!.type !== EVENT_ID.MAPPING)
      throw failure('map merge requires map or sequence of maps as the value');
    this.#throughAlias(index, () => this.#mergeOne(object, inner));
  }

  /** The event behind the node that begins at `start`. */
  #endOf(start: number): number {
    this.#ends ??= endsOf(this.#events);
    return this.#ends[start]!;
  }

  #scalar(event: ScalarEvent): Scalar {
    const text = getScalarValue(this.#text, event);
    const tag = this.#tagOf(event);
    if (tag !== undefined) return resolveScalar(text, typeOfTag(tag));
    const isText = event.style !== SCALAR_STYLE.PLAIN || (this.#fewBooleans && olderBoolean.test(text));
    return isText ? { type: 'str', value: text } : resolveScalar(text);
  }

  /** The tag of a scalar in full; undefined when it has none. */
  #tagOf({ tagStart, tagEnd }: ScalarEvent): string | undefined {
    if (tagStart < 0) return undefined;
    const raw = this.#text.slice(tagStart, tagEnd);
    if (raw.startsWith('!<')) return raw.slice(2, -1);
    const end = raw.indexOf('!', 1);
    const handle = end < 0 ? '!' : raw.slice(0, end + 1);
    const prefix = this.#tagPrefixes.get(handle) ?? (handle === '!!' ? 'tag:yaml.org,2002:' : handle);
    return `${prefix}${raw.slice(handle.length)}`;
  }

  /** Reads what an alias stands for with `work`, and goes on behind the alias. */
  #throughAlias<T>(index: number, work: () => T): T {
    const target = this.#targetOf(index);
    if (this.#open.has(target)) throw failure(`anchor '${this.#anchorName(index)}' value contains itself`);
    this.#open.add(target);
    this.at = target;
    const value = work();
    this.#open.delete(target);
    this.at = index + 1;
    return value;
  }

  #targetOf(index: number): number {
    this.#targets ??= this.#findTargets();
    return this.#targets.get(index)!;
  }

  /** The anchors that this document's aliases name: of those with one name, the last before the alias. */
  #findTargets(): ReadonlyMap<number, number> {
    const targets = new Map<number, number>();
    const anchors = new Map<string, number>();
    let start = this.at - 1;
    while (this.#events[start]!.type !== EVENT_ID.DOCUMENT) start--;
    for (let at = start + 1; at < this.#events.length; at++) {
      const event = this.#events[at]!;
      if (event.type === EVENT_ID.DOCUMENT) break;
      if (event.type === EVENT_ID.POP || event.anchorStart < 0) continue;
      const name = this.#anchorName(at);
      if (event.type !== EVENT_ID.ALIAS) {
        anchors.set(name, at);
        continue;
      }
      const target = anchors.get(name);
      if (target === undefined) throw failure(`unknown anchor '${name}' referenced`);
      targets.set(at, target);
    }
    return targets;
  }

  #anchorName(index: number): string {
    const event = this.#events[index]!;
    return 'anchorStart' in event ? this.#text.slice(event.anchorStart, event.anchorEnd) : '';
  }

  /** Counts one node more. Source: `goyaml.v2` `decode.go`, `allowedAliasRatio`; the fixed limit is ours. */
  #count(levels: number): void {
    this.#nodes++;
    if (this.#open.size > 0) this.#aliasedNodes++;
    const isTooMuch =
      this.#aliasedNodes > 100 && this.#nodes > 1000 && this.#aliasedNodes / this.#nodes > aliasShareMax(this.#nodes);
    if (levels <= 0 || isTooMuch || (this.#aliasedNodes > 0 && this.#nodes > aliasedNodesMax))
      throw failure('document contains excessive aliasing');
  }
}

function endsOf(events: readonly Event[]): Int32Array {
  const ends = new Int32Array(events.length);
  const open: number[] = [];
  for (const [at, { type }] of events.entries()) {
    if (type === EVENT_ID.SCALAR || type === EVENT_ID.ALIAS) ends[at] = at + 1;
    else if (type === EVENT_ID.POP) ends[open.pop()!] = at + 1;
    else open.push(at);
  }
  return ends;
}

/** The greatest part of `nodes` that may come by aliases: nearly all of a small document, a tenth of a large one. */
function aliasShareMax(nodes: number): number {
  const [low, high] = [400_000, 4_000_000];
  return 0.99 - 0.89 * Math.min(1, Math.max(0, (nodes - low) / (high - low)));
}

function jsonValue({ value }: Scalar, wholeIntegers: boolean): unknown {
  switch (typeof value) {
    case 'string':
      return value.toWellFormed();
    case 'bigint':
      if (wholeIntegers) return jsonInteger(value);
      throw new YamlError(numberError(String(value), 'int64'));
    case 'number':
      if (Number.isFinite(value)) return value;
      throw new YamlError(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`);
    default:
      return value;
  }
}

/** Where a node begins, its tag and anchor included. */
function startOf(event: Event): number {
  const offsets = [
    'tagStart' in event ? event.tagStart : -1,
    'anchorStart' in event ? event.anchorStart : -1,
    'valueStart' in event ? event.valueStart : -1,
    'start' in event ? event.start : -1,
  ].filter((offset) => offset >= 0);
  return offsets.length === 0 ? 0 : Math.min(...offsets);
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++;
  return line;
}
