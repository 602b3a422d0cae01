/** Manifests from files, folders, addresses and standard input: many documents each, YAML or JSON, lists taken apart. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CORE_SCHEMA, loadAll, mergeTag } from 'js-yaml';
import { UserError } from '#cmd/common/errors.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

export interface SourceDocument {
  readonly document: JsonObject;
  /** The file it is from, `STDIN` for standard input. */
  readonly source: string;
}

/** Kinds of files that are taken from a folder. */
const extensions = ['.json', '.yaml', '.yml'];
/** Nesting of folders and of aliases that is followed; deeper is refused. */
const depthMax = 64;
/** Values that a document may hold once its aliases are written out, so that a small file cannot become an endless one. */
const valuesMax = 1_000_000;

export async function readDocuments(
  paths: readonly string[],
  options: { readonly recursive: boolean; readonly readStdin: () => Promise<string> },
): Promise<readonly SourceDocument[]> {
  const found: SourceDocument[] = [];
  for (const path of paths) {
    if (path === '-') found.push(...parseDocuments(await options.readStdin(), 'STDIN'));
    else if (/^https?:\/\//.test(path)) found.push(...parseDocuments(await download(path), path));
    else
      for (const file of await filesOf(path, options.recursive, 0))
        found.push(...parseDocuments(await readFile(file, 'utf8'), file));
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
  return answer.text();
}

/** The objects of one text; items of a `List` count one by one. */
export function parseDocuments(text: string, source: string): readonly SourceDocument[] {
  let values: unknown[];
  try {
    values = loadAll(text, { schema: CORE_SCHEMA.withTags(mergeTag) });
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(`error: error parsing ${source}: ${message}`, error);
  }
  const documents: SourceDocument[] = [];
  for (const value of values) {
    if (value === null || value === undefined) continue;
    if (typeof value !== 'object' || Array.isArray(value)) throw invalidData(source, 'invalid object to validate');
    countValues(value, { left: valuesMax, source }, 0);
    const document = value as JsonObject;
    const items =
      String(document.kind ?? '').endsWith('List') && Array.isArray(document.items)
        ? (document.items as JsonObject[])
        : [document];
    for (const item of items) {
      const missing = ['apiVersion', 'kind'].filter((field) => typeof item[field] !== 'string' || item[field] === '');
      if (missing.length > 0) {
        const problems = missing.map((field) => `${field} not set`);
        throw invalidData(source, problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`);
      }
      documents.push({ document: item, source });
    }
  }
  return documents;
}

/** As kubectl words it. */
function invalidData(source: string, problem: string): UserError {
  const advice = 'if you choose to ignore these errors, turn validation off with --validate=false';
  return new UserError(`error: error validating "${source}": error validating data: ${problem}; ${advice}`);
}

function countValues(value: unknown, budget: { left: number; readonly source: string }, depth: number): void {
  if (--budget.left < 0 || depth > depthMax * 4)
    throw new UserError(`error: error parsing ${budget.source}: it is too large or nested too deep`);
  if (typeof value !== 'object' || value === null) return;
  for (const inner of Object.values(value)) countValues(inner, budget, depth + 1);
}
