/**
 * Makes the page of the dashboard: its sources and the libraries that it is made of as scripts for browsers, of which editor and terminal are loaded when they are first asked for. A
 * checkout makes it when `coxswain dashboard` starts, the package carries it: `node deploy/package/page.ts FOLDER`.
 */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(import.meta.dirname, '..', '..');
const source = join(root, 'pkg', 'dashboard', 'page');
/** Another process can come between removing and renaming; not again and again. */
const attemptsMax = 20;

/** Writes the page to `folder`, which it replaces in one step. */
export async function writePage(folder: string): Promise<void> {
  const made = `${folder}.${process.pid}.tmp`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made, { recursive: true });
  const build = await rolldown({
    cwd: root,
    input: { page: join(source, 'main.tsx') },
    platform: 'browser',
    tsconfig: join(source, 'tsconfig.json'),
    transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  });
  try {
    await build.write({
      dir: made,
      format: 'esm',
      minify: true,
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
    });
  } finally {
    await build.close();
  }
  cpSync(join(source, 'index.html'), join(made, 'index.html'));
  const terminal = fileURLToPath(import.meta.resolve('@xterm/xterm/css/xterm.css'));
  const styles = [join(source, 'page.css'), terminal].map((path) => readFileSync(path, 'utf8'));
  writeFileSync(join(made, 'page.css'), styles.join('\n'));
  mkdirSync(dirname(folder), { recursive: true });
  replaceBy(made, folder);
}

/** Puts a folder in the place of another. Two dashboards that start at once make the same page: whoever is last has replaced the other's. */
function replaceBy(made: string, folder: string): void {
  for (let left = attemptsMax; ; left--) {
    rmSync(folder, { recursive: true, force: true });
    try {
      renameSync(made, folder);
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

if (process.argv[1] === import.meta.filename) {
  const [, , folder] = process.argv;
  if (folder === undefined) throw new Error('name the folder');
  await writePage(folder);
}
