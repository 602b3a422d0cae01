/**
 * Makes the bundle: the command's code in a few files, of which those that a subcommand or component needs are loaded with it. Packages of
 * others stay as they are.
 *
 * Where a module says `import.meta.url` it goes on to mean its own place in the checkout or package, as programs of pods and processes are
 * started from there. Texts are written in ASCII: V8 keeps a source of which one character is none with two bytes for each.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { type Plugin, rolldown } from 'rolldown';
import { type BundleInputs, bundleInputs, bundleInputsFile, fileMark } from '#cmd/common/load-code.js';
import { componentTable } from '#pkg/cluster/components.ts';

const root = join(import.meta.dirname, '..', '..');

/** What users of the package import. */
export const packageEntries: readonly string[] = ['coxswain', 'testing', 'client'];

/** What is loaded by name; all else is by what these need. */
const entries: Readonly<Record<string, string>> = {
  command: 'cmd/coxswain/command.ts',
  behind: 'cmd/coxswain/behind.ts',
  'envtest-apiserver': 'cmd/envtest-apiserver/main.ts',
  'envtest-etcd': 'cmd/envtest-etcd/main.ts',
  // Of the processes of their own, by their folders.
  ...Object.fromEntries(Object.values(componentTable).map(({ folder }) => [folder, `cmd/${folder}/main.ts`])),
  ...Object.fromEntries(packageEntries.map((name) => [name, `pkg/entry/${name}.ts`])),
};

/**
 * Files of which everything is always loaded together, each with all that its modules import: those of the small commands, of who starts and stops
 * a cluster, of what who speaks to one shares with it, of the API's facts, and of a cluster in one process with the default drivers. The first that has a module keeps
 * it. What none has, such as other drivers and documents that somebody may ask for, is a file of its own.
 */
const loadedTogether: Readonly<Record<string, readonly string[]>> = {
  // Without the command itself, which waits for what it has loaded: that must not import its file.
  base: ['cmd/common/errors.ts', 'cmd/coxswain/version.ts', 'cmd/coxswain/world.ts', 'pkg/component/flags.ts'],
  start: ['cmd/coxswain/up.ts', 'cmd/coxswain/up-detached.ts', 'cmd/coxswain/down.ts'],
  client: [
    'pkg/apimachinery/decode.ts',
    'pkg/apimachinery/go-text.ts',
    'pkg/apimachinery/jsonpath/parser.ts',
    'pkg/apimachinery/jsonpath/walk.ts',
    'pkg/apimachinery/names.ts',
    'pkg/apimachinery/patch/json-patch.ts',
    'pkg/apimachinery/patch/merge-patch.ts',
    'pkg/apimachinery/quantity.ts',
    'pkg/apimachinery/status-error.ts',
    'pkg/client/network-transport.ts',
    'pkg/serving/node-http.ts',
    'pkg/serving/request-target.ts',
    'pkg/serving/websocket/mask.ts',
  ],
  // What every server has, which `apply` and `edit` need of all that a cluster is.
  facts: ['pkg/api/facts.ts', 'pkg/api/resources.ts'],
  // An API server alone, as the stand-in of `coxswain envtest` and the process of that name are.
  server: [
    'cmd/apiserver/wiring.ts',
    'cmd/common/heap-limit.ts',
    'pkg/cluster/api-part.ts',
    'pkg/component/health.ts',
    'pkg/registry/table.ts',
  ],
  cluster: [
    'cmd/coxswain/up-foreground.ts',
    'pkg/cluster/parts.ts',
    'pkg/cluster/start-nodes.ts',
    'pkg/controllers/manager.ts',
    'pkg/controllers/table.ts',
    'pkg/kubelet/kubelet.ts',
    'pkg/kubelet/probes/socket-transport.ts',
    'pkg/kubelet/runtime/inprocess/inprocess-runtime.ts',
    'pkg/kubelet/volumes/disk-volume-host.ts',
    'pkg/kubelet/volumes/plugins/table.ts',
    'pkg/network/loopback/loopback-host-ports.ts',
    'pkg/network/loopback/loopback-network.ts',
    'pkg/proxy/backends/userspace/userspace-backend.ts',
    'pkg/proxy/health/health-check-server.ts',
    'pkg/proxy/proxy.ts',
    'pkg/scheduler/plugin-table.ts',
    'pkg/scheduler/scheduler.ts',
  ],
  // What tests start, and replays of recordings.
  'test-cluster': ['pkg/testing/cluster.ts'],
};

/** Where a bundle goes, and where the code finds what it comes with. */
export interface BundleOptions {
  /** Where the files are written. */
  readonly folder: string;
  /** Where a module of the checkout is when the bundle runs, from that folder, such as `../pkg/base/clock.js`. */
  readonly placeOf: (path: string) => string;
  /** Whether what a start needs of packages of others is in the bundle, whose files are then not looked for. Default: false. */
  readonly hasPackages?: boolean;
}

/**
 * Packages that a start needs, with those that they need. What loads native code stays where that is, and what evaluates text among its own names would
 * make all of a file slow.
 */
const packagesOfStart: ReadonlySet<string> = new Set([
  'dns-packet',
  '@leichtgewicht/ip-codec',
  'js-yaml',
  'lmdb',
  '@harperfast/extended-iterable',
  'msgpackr',
  'weak-lru-cache',
]);

/** What a bundle was made of, as paths from the root of the checkout: all of it, and what each entry may come to. */
export interface BundleSources {
  readonly all: readonly string[];
  readonly byEntry: Readonly<Record<string, readonly string[]>>;
}

/** Writes the bundle; gives what it was made of. */
export async function writeBundle({ folder, placeOf, hasPackages = false }: BundleOptions): Promise<BundleSources> {
  const imports = new Map<string, readonly string[]>();
  const isOwn = (specifier: string): boolean => /^[./]|^#(?:pkg|cmd)\//.test(specifier);
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(root, path)])),
    platform: 'node',
    external: (specifier) => !isOwn(specifier) && !(hasPackages && packagesOfStart.has(specifier)),
    plugins: [ownModules(placeOf), importsInto(imports)],
    // What one process has no use for until later may be what another needs at once.
    checks: { ineffectiveDynamicImport: false },
  });
  try {
    const { output } = await build.write({
      dir: folder,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
      comments: false,
      codeSplitting: {
        groups: Object.entries(loadedTogether).map(([name, paths], index, all) => {
          const modules = new Set(paths.map((path) => join(root, path)));
          return { name, priority: all.length - index, test: (id) => modules.has(id) };
        }),
      },
    });
    const chunks = output.filter((file) => file.type === 'chunk');
    const doors = doorsIn(chunks);
    for (const { fileName, code } of chunks)
      writeFileSync(join(folder, fileName), inAscii(withoutFacades(pastDoors(code, doors))));
    const byEntry = Object.entries(entries).map(
      ([name, path]) => [name, reachedFrom(join(root, path), imports)] as const,
    );
    return { all: (await build.watchFiles).map((path) => relative(root, path)), byEntry: Object.fromEntries(byEntry) };
  } finally {
    await build.close();
  }
}

/**
 * Makes the bundle of this checkout, for as long as its sources are what they are now. The one before stays for
 * processes that run it; those before that one go.
 */
export async function bundleCheckout(): Promise<void> {
  const all = join(root, '.cache', 'bundle');
  const made = `${process.pid}.tmp`;
  mkdirSync(join(all, made), { recursive: true });
  const sources = await writeBundle({
    folder: join(all, made),
    placeOf: (path) => `../../../${path}`,
    hasPackages: true,
  });
  // How it is made counts as well.
  const maker = relative(root, import.meta.filename);
  const paths = [...sources.all, maker];
  const files = Object.fromEntries(paths.map((path) => [path, fileMark(join(root, path))]));
  const folder = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 16);
  rmSync(join(all, folder), { recursive: true, force: true });
  renameSync(join(all, made), join(all, folder));
  const before = bundleInputs()?.folder;
  const places = new Map(paths.map((path, place) => [path, place]));
  // Data that the code reads from its own place is no part of it.
  const placesOf = (reached: readonly string[]) => [...reached, maker].flatMap((path) => places.get(path) ?? []);
  const byEntry = Object.entries(sources.byEntry).map(([name, reached]) => [name, placesOf(reached)]);
  const inputs: BundleInputs = { folder, files, entries: Object.fromEntries(byEntry) };
  writeFileSync(join(all, made), JSON.stringify(inputs));
  renameSync(join(all, made), join(all, bundleInputsFile));
  for (const name of readdirSync(all))
    if (![folder, before, bundleInputsFile].includes(name)) rmSync(join(all, name), { recursive: true, force: true });
}

function ownModules(placeOf: (path: string) => string): Plugin {
  return {
    name: 'own-modules',
    resolveId: (specifier) => (/^#(?:pkg|cmd)\//.test(specifier) ? join(root, specifier.slice(1)) : undefined),
    load(id) {
      if (!id.endsWith('.json')) return undefined;
      // As text in the code it would stay in memory. Its place is filled in below.
      const code = `import { readFileSync } from 'node:fs';
        export default JSON.parse(readFileSync(new URL(import.meta.url), 'utf8'));`;
      return { code, moduleType: 'js' };
    },
    transform(code, id) {
      if (!code.includes('import.meta.url')) return undefined;
      const place = placeOf(relative(root, id));
      return code.replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`);
    },
  };
}

/** Notes for each module what it imports, at once or when it is asked to. */
function importsInto(imports: Map<string, readonly string[]>): Plugin {
  return {
    name: 'imports',
    moduleParsed: ({ id, importedIds, dynamicallyImportedIds }) => {
      imports.set(id, [...importedIds, ...dynamicallyImportedIds]);
    },
  };
}

/** The modules that one may come to, itself among them, as paths from the root of the checkout. */
function reachedFrom(start: string, imports: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const reached = new Set([start]);
  // A set that grows is gone through to its end.
  for (const id of reached) for (const next of imports.get(id) ?? []) if (imports.has(next)) reached.add(next);
  return [...reached].map((id) => relative(root, id));
}

/** By the name of a file that only hands on what another file has: an expression that asks that one directly. */
type Doors = ReadonlyMap<string, string>;

/** Finds the files that the bundler makes so that `import()` of a module gives its exports and not those of all that it is kept with. */
function doorsIn(chunks: readonly { readonly fileName: string; readonly code: string }[]): Doors {
  const doors = new Map<string, string>();
  for (const { fileName, code } of chunks) {
    const [, imported, behind, exported] =
      /^import\{([^}]*)\}from"(\.\/[^"]+)";export\{([^}]*)\};?\s*$/.exec(code) ?? [];
    if (imported === undefined || behind === undefined || exported === undefined) continue;
    // `a as b` gives `a` the name `b`.
    const pairs = (list: string): readonly (readonly [string, string])[] =>
      list.split(',').map((item) => {
        const [from = '', to = from] = item.split(' as ');
        return [from, to];
      });
    const names = new Map(pairs(imported).map(([theirs, local]) => [local, theirs]));
    const fields = pairs(exported).map(([local, name]) => `${name}:all.${names.get(local)}`);
    doors.set(fileName, `import(\`${behind}\`).then((all)=>({${fields.join()}}))`);
  }
  return doors;
}

/** To find, read and link a file takes a start some 0.3 ms, and it would go through twenty of these. They stay for who asks for them by name. */
function pastDoors(code: string, doors: Doors): string {
  return code.replaceAll(/\bimport\(`\.\/([^`]+)`\)/g, (whole, name: string) => doors.get(name) ?? whole);
}

/**
 * Takes modules of Node as they are: for an import Node makes a second module of each, with a copy of all that it exports, which reads properties
 * that load further modules. It costs a start one in twenty of what its files take.
 */
function withoutFacades(code: string): string {
  return code.replaceAll(/\bimport([^"'`;()]*?)\bfrom"(node:[^"]+)";/g, (_, clause: string, name: string) => {
    // By the global of that name, as a file may have one of its own: what it imports `process` as.
    const taken = `globalThis.process.getBuiltinModule("${name}")`;
    const [whole, fields] = /^\s*([^{]*?),?\s*(\{.*\})?\s*$/s.exec(clause)?.slice(1) ?? [];
    const local = whole?.replace(/^\*\s*as\s+/, '') ?? '';
    return [local, fields?.replaceAll(' as ', ':') ?? '']
      .filter((part) => part !== '')
      .map((part) => `const ${part}=${taken};`)
      .join('');
  });
}

function inAscii(code: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the first of them is where ASCII begins.
  return code.replaceAll(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
