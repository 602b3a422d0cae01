/**
 * Makes what the npm package carries: `dist/`, the code of `cmd/` and `pkg/` as JavaScript, once more as a bundle for the command and for what users
 * import, and the declarations of its types. npm runs it
 * before `npm pack` (`prepack`); a checkout runs its sources as they are and never reads `dist/`.
 *
 * Types are taken out the way Node does it, so what is shipped is what the tests ran. Specifiers become relative paths that end in `.js`,
 * as a package's own `#pkg/` cannot name one thing in a checkout and another in a tarball.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { packageEntries, writeBundle } from './bundle.ts';
import { writePage } from './page.ts';

const root = join(import.meta.dirname, '..', '..');
const dist = join(root, 'dist');

/** Of no use without the checkout: tests with what only they import, and the tools that make its files. */
const leftOut =
  /\.test\.ts$|^pkg\/dashboard\/page\/|\/testing\/virtual-node\.ts$|\/conformance\.ts$|\/generate\/|\/test-[a-z-]+\.ts$|\/bench\.ts$|precompile\.ts$/;

const specifierPattern = /((?:\bfrom|\bimport)\s*\(?\s*)'((?:\.{1,2}\/|#pkg\/|#cmd\/)[^'\n]+)\.[jt]s'/g;

/** The specifier as the compiled file at `path` (from the root, such as `pkg/base/clock.ts`) has to write it. */
function compiledSpecifier(path: string, specifier: string): string {
  const target = specifier.startsWith('#') ? specifier.slice(1) : join(dirname(path), specifier);
  const found = relative(dirname(path), target);
  return `${found.startsWith('.') ? found : `./${found}`}.js`;
}

function withCompiledSpecifiers(path: string, text: string): string {
  return text.replaceAll(
    specifierPattern,
    (_, before: string, specifier: string) => `${before}'${compiledSpecifier(path, specifier)}'`,
  );
}

function files(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !leftOut.test(path));
}

function write(path: string, content: string): void {
  const target = join(dist, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, content);
}

function compile(): void {
  for (const path of [...files('pkg'), ...files('cmd')]) {
    if (path.endsWith('.ts')) {
      const code = stripTypeScriptTypes(readFileSync(join(root, path), 'utf8'));
      // What the types took stays as blanks, so that lines and columns are those of the sources; at the ends of lines it serves nobody.
      write(path.replace(/\.ts$/, '.js'), withCompiledSpecifiers(path, code.replaceAll(/[ \t]+$/gm, '')));
    } else if (/\.(?:js(?:on)?|elf)$/.test(path)) {
      mkdirSync(dirname(join(dist, path)), { recursive: true });
      cpSync(join(root, path), join(dist, path));
    }
  }
}

/** The bundle, and the entries of the package as parts of it: one module that several of them have is one for all who import it. */
async function bundle(): Promise<void> {
  await writeBundle({ folder: join(dist, 'bundle'), placeOf: (path) => `../${path.replace(/\.ts$/, '.js')}` });
  for (const entry of packageEntries) write(`pkg/entry/${entry}.js`, `export * from '../../bundle/${entry}.js';\n`);
}

/** Declarations of what the exports map names, and of all that those need. */
function declare(): void {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [compiler, '-p', join(import.meta.dirname, 'tsconfig.json')], { stdio: 'inherit' });
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.d.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    writeFileSync(path, withCompiledSpecifiers(relative(dist, path), readFileSync(path, 'utf8')));
  }
}

rmSync(dist, { recursive: true, force: true });
compile();
await bundle();
await writePage(join(dist, 'dashboard'));
declare();
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>;
write('package.json', `${JSON.stringify({ name, version, type: 'module' }, undefined, 2)}\n`);
