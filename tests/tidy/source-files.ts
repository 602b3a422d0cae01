/** The project's own source files, with what the tidy tests need to know of each. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

export interface SourceFile {
  /** Path from the root, such as `pkg/base/clock.ts`. */
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
  /** Paths from the root of the project's own files it imports, and names of packages. */
  readonly imports: readonly string[];
}

const importPattern = /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|import\('([^']+)'\)/g;

/** Every `.ts` and `.tsx` file of the project, in path order, without the generated types. */
export function sourceFiles(): readonly SourceFile[] {
  return ['cmd', 'pkg', 'tests', 'manifests']
    .flatMap((folder) => list(folder))
    .filter((path) => /\.tsx?$/.test(path) && !path.startsWith('pkg/api/types/'))
    .sort()
    .map(read);
}

function list(folder: string): readonly string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

function read(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const found = [...text.matchAll(importPattern)].map((match) => resolveImport(path, (match[1] ?? match[2])!));
  return { path, text, isTest: /\.test\.ts$|^tests\/|^pkg\/[a-z]+\/testing\//.test(path), imports: found };
}

/** `#pkg/x.ts` and relative imports become paths from the root; anything else stays a package's name. */
export function resolveImport(from: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier));
  return specifier;
}

/** The text with comments and the contents of strings blanked, so that a search finds code only. Lines stay where they are. */
export function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, (match) =>
    match.replace(/[^\n]/g, ' '),
  );
}
