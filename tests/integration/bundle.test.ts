/** What the bundle makes a start load: by its parts, as how long it takes differs from machine to machine. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { componentTable } from '#pkg/cluster/components.ts';
import { writeBundle } from '../../deploy/package/bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'coxswain-bundle-'));
/** What each file imports at once. */
const imports = new Map<string, readonly string[]>();

beforeAll(async () => {
  await writeBundle({ folder, placeOf: (path) => `../${path}` });
  for (const file of readdirSync(folder)) {
    const code = readFileSync(join(folder, file), 'utf8');
    imports.set(
      file,
      [...code.matchAll(/\b(?:import|export)(?:[^"'`;()]*\bfrom)?"([^"]+)"/g)].map((match) => match[1]!),
    );
  }
});

test('what is loaded while a cluster starts is asked of the file that has it, not through one that names it', () => {
  const code = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const named = /^import\{[^}]*\}from"\.\/[^"]+";export\{[^}]*\};?\s*$/;
  const doors = [...imports.keys()].filter((file) => named.test(code(file)));
  // The bundler still makes them, for who asks for a module by its name.
  expect(doors.length).toBeGreaterThan(20);
  const asked = [...imports.keys()].flatMap((file) => [...code(file).matchAll(/\bimport\(`\.\/([^`]+)`\)/g)]);
  expect(asked.filter(([, name]) => doors.includes(name!))).toEqual([]);
});

test('the process behind the terminal has a cluster and the default store with what it loads while it waits', () => {
  expect(loadedWith('behind')).toEqual(
    expect.arrayContaining(['./start.js', './cluster.js', './lmdb-store.js', 'lmdb']),
  );
});

test('modules of Node are taken as they are, not through a second module that Node makes of each', () => {
  const asked = [...imports]
    .filter(([, names]) => names.some((name) => name.startsWith('node:')))
    .map(([file]) => file);
  expect(asked).toEqual([]);
  // Where a file calls `process` what it takes so, that name is none before.
  const code = [...imports.keys()].map((file) => readFileSync(join(folder, file), 'utf8'));
  const takesItself = /\bconst process=(?!globalThis\.)/;
  expect(code.filter((text) => /\bconst process=/.test(text)).length).toBeGreaterThan(0);
  expect(code.filter((text) => takesItself.test(text))).toEqual([]);
});

test('the bundle of a checkout has what a start needs of packages', async () => {
  const own = mkdtempSync(join(tmpdir(), 'coxswain-bundle-'));
  try {
    await writeBundle({ folder: own, placeOf: (path) => `../${path}`, hasPackages: true });
    const code = readdirSync(own).map((file) => readFileSync(join(own, file), 'utf8'));
    const packages = code.flatMap((text) => [...text.matchAll(/\bfrom"([^"./][^"]*)"/g)].map((match) => match[1]!));
    expect(packages).toContain('ordered-binary');
    expect(packages).not.toContain('lmdb');
    expect(packages).not.toContain('js-yaml');
    expect(code.filter((text) => /\beval\(/.test(text))).toEqual([]);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const withoutHash = (name: string): string => name.replace(/-[\w-]{8}\.js$/, '.js');

/** Names of all that is loaded with a file before any of it runs: of the bundle without their hashes, of packages, and of Node. */
function loadedWith(name: string): string[] {
  const seen = new Set<string>();
  const waiting = [...imports.keys()].filter((file) => withoutHash(file) === `${name}.js`).map((file) => `./${file}`);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (next.startsWith('./')) waiting.push(...imports.get(next.slice(2))!);
  }
  return [...seen].map(withoutHash).sort();
}

const notOfNode = (name: string): boolean => !name.startsWith('node:');

test('the command finds its subcommand with one file besides (fault 48)', () => {
  expect(loadedWith('command').filter(notOfNode)).toEqual(['./base.js', './command.js']);
});

test.each(['connect', 'down', 'kubectl', 'list', 'status'])(
  '%s does without the code of a cluster (fault 48)',
  (name) => {
    const loaded = loadedWith(name);
    expect(loaded).toContain('./base.js');
    expect(loaded).not.toContain('./cluster.js');
    expect(loaded).not.toContain('./server.js');
    expect(loaded).not.toContain('@kubernetes/client-node');
  },
);

test.each(Object.values(componentTable).map(({ folder }) => folder))(
  '%s comes as a process too, and none waits for itself',
  (name) => {
    const loaded = loadedWith(name);
    expect(loaded).toContain(`./${name}.js`);
    // What a program loads while it runs must not import the program, which waits for that.
    const importers = [...imports].filter(([, all]) => all.includes(`./${name}.js`)).map(([file]) => file);
    expect(importers).toEqual([]);
  },
);

test('who tests loads the cluster in a handful of files, and no store on a disk (fault 50)', () => {
  expect(loadedWith('testing').filter(notOfNode)).toEqual([
    './base.js',
    './client.js',
    './facts.js',
    './node-version.js',
    './server.js',
    './start.js',
    './test-cluster.js',
    './testing.js',
    'js-yaml',
  ]);
});

test.each(['start', 'cluster', 'kubectl'])(
  '%s does not make Node load an HTTP client with its server (faults 48, 50)',
  (name) => {
    const loaded = loadedWith(name);
    expect(loaded).toContain(`./${name}.js`);
    expect(loaded).not.toContain('node:http');
  },
);
