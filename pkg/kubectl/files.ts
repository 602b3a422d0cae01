/**
 * Manifests from files, folders, addresses and standard input: many documents each, YAML or JSON, lists taken apart. They mean what they mean
 * to kubectl, but that nothing is lost in silence: a key that comes twice is refused unless validation is off, and so is a number that would be
 * rounded. Source: apimachinery `util/yaml/decoder.go`, cli-runtime `resource/visitor.go`.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeYaml, textOf } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { duplicatesText, readYaml, YamlError } from '#pkg/apimachinery/yaml.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** One document, and where it stands. */
export interface SourceDocument {
  readonly document: JsonObject;
  /** The file it is from, `STDIN` for standard input. */
  readonly source: string;
}

/** Kinds of files that are taken from a folder. */
const extensions = ['.json', '.yaml', '.yml'];
/** Nesting of folders that is followed; deeper is refused. */
const depthMax = 64;

/** Told of keys that come twice in a source, in the words of Go's strict decoder; may throw. */
export type OnDuplicates = (source: string, problem: string) => void;

/** The documents of files, folders, addresses and `-`, in order. Throws `UserError` for what cannot be read, as kubectl says it. */
export async function readDocuments(
  paths: readonly string[],
  options: {
    readonly recursive: boolean;
    readonly readStdin: () => Promise<string>;
    readonly onDuplicates?: OnDuplicates | undefined;
  },
): Promise<readonly SourceDocument[]> {
  const { onDuplicates } = options;
  const found: SourceDocument[] = [];
  for (const path of paths) {
    if (path === '-') found.push(...parseDocuments(await options.readStdin(), 'STDIN', onDuplicates));
    else if (/^https?:\/\//.test(path)) found.push(...parseDocuments(await download(path), path, onDuplicates));
    else
      for (const file of await filesOf(path, options.recursive, 0))
        found.push(...parseDocuments(textOf(await readFile(file)), file, onDuplicates));
  }
  if (found.length === 0) throw new UserError('error: no objects passed to apply');
  return found;
}

async function filesOf(path: string, recursive: boolean, depth: number): Promise<readonly string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw new UserError(`error: the path "${path}" does not exist`, error);
  }
  if (!isFolder) return [path];
  if (depth > depthMax) throw new UserError(`error: the path "${path}" is nested too deep`);
  const files: string[] = [];
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => a.name.localeCompare(b.name))) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) {
      if (recursive) files.push(...(await filesOf(inner, true, depth + 1)));
    } else if (extensions.some((extension) => entry.name.endsWith(extension))) files.push(inner);
  }
  if (depth === 0 && files.length === 0)
    throw new UserError(`error: error reading [${path}]: recognized file extensions are [${extensions.join(' ')}]`);
  return files;
}

async function download(url: string): Promise<string> {
  const answer = await fetch(url);
  if (!answer.ok)
    throw new UserError(`error: unable to read URL "${url}", server reported ${answer.status} ${answer.statusText}`);
  return textOf(new Uint8Array(await answer.arrayBuffer()));
}

/** The objects of one text; items of a `List` count one by one. */
export function parseDocuments(text: string, source: string, onDuplicates?: OnDuplicates): readonly SourceDocument[] {
  const documents: SourceDocument[] = [];
  for (const value of valuesOf(text, source, onDuplicates)) {
    if (value === null) continue;
    if (!isObject(value)) throw invalidData(source, 'invalid object to validate');
    const document = value;
    const items =
      String(document.kind ?? '').endsWith('List') && Array.isArray(document.items)
        ? (document.items as JsonObject[])
        : [document];
    for (const item of items) {
      if (!isObject(item)) throw invalidData(source, 'invalid object to validate');
      const missing = ['apiVersion', 'kind'].filter((field) => typeof item[field] !== 'string' || item[field] === '');
      if (missing.length > 0) {
        const problems = missing.map((field) => `${field} not set`);
        throw invalidData(source, problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`);
      }
      documents.push({ document: item, source });
    }
  }
  return documents;
}

/** The values of a text: of JSON objects one behind the other, as `kubectl get -o json` of several files has them, or of YAML documents. */
function valuesOf(text: string, source: string, onDuplicates: OnDuplicates | undefined): readonly unknown[] {
  const findDuplicates = onDuplicates !== undefined;
  const problem = (why: string): UserError => new UserError(`error: error parsing ${source}: ${why}`);
  const objects = jsonObjects(text);
  if (objects !== undefined) {
    return objects.map((object) => {
      const decoded = decodeYaml(object, { findDuplicates, wholeIntegers: true });
      if (!decoded.ok) throw problem(decoded.error);
      if (decoded.yamlDuplicates !== undefined) onDuplicates?.(source, decoded.yamlDuplicates);
      return decoded.value;
    });
  }
  try {
    const documents = readYaml(text, { findDuplicates, wholeIntegers: true });
    // What a merge brings is there to be replaced.
    const duplicates = documents.flatMap((document) => document.duplicates.filter(({ merged }) => !merged));
    if (duplicates.length > 0) onDuplicates?.(source, duplicatesText(duplicates));
    return documents.map(({ value }) => value);
  } catch (error) {
    if (error instanceof YamlError) throw problem(`error converting YAML to JSON: ${error.message}`);
    throw error;
  }
}

/** Texts that begin and end with braces, with white space between them, if that is all the text is made of. */
function jsonObjects(text: string): readonly string[] | undefined {
  const objects: string[] = [];
  let depth = 0;
  let start = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (inString) {
      if (character === '\\') at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') {
      if (depth === 0) start = at;
      depth++;
    } else if (character === '}' || character === ']') {
      depth--;
      if (depth === 0) objects.push(text.slice(start, at + 1));
    } else if (depth === 0 && !/\s/.test(character)) return undefined;
    if (depth < 0 || (depth === 0 && inString)) return undefined;
  }
  return depth === 0 && objects.length > 0 ? objects : undefined;
}

/** As kubectl words it. */
function invalidData(source: string, problem: string): UserError {
  const advice = 'if you choose to ignore these errors, turn validation off with --validate=false';
  return new UserError(`error: error validating "${source}": error validating data: ${problem}; ${advice}`);
}
