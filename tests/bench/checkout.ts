/**
 * Another commit of this repository, checked out beside it for as long as it is measured: a git worktree in a temporary folder. Its packages
 * are those of this checkout when both lock files say the same, and installed otherwise.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { errorText } from '#pkg/base/error-text.ts';

/** The checkout that this file is in. */
export const ownCheckout = resolve(import.meta.dirname, '../..');

const run = promisify(execFile);

/** Output of `npm ci` at most; its last lines say what went wrong. */
const outputBytesMax = 16 << 20;

/** Code of a commit on the disk. */
export interface Checkout {
  readonly folder: string;
  /** The commit, in short. */
  readonly commit: string;
  /** Takes the folder and git's entry of it away. */
  remove(): Promise<void>;
}

/** Checks a commit out; leaves nothing behind when that fails or is interrupted. */
export async function checkOut(commit: string, signal: AbortSignal): Promise<Checkout> {
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', ownCheckout, ...args])).stdout.trim();
  const short = await git('rev-parse', '--short', '--verify', '--end-of-options', `${commit}^{commit}`).catch(() => {
    throw new Error(`Cannot measure against ${commit} as it is no commit of the repository in ${ownCheckout}`);
  });
  const place = mkdtempSync(join(tmpdir(), 'coxswain-bench-commit-'));
  const folder = join(place, short);
  const remove = async (): Promise<void> => {
    // First the link, so that nothing can follow it.
    rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
    rmSync(place, { recursive: true, force: true });
    await git('worktree', 'prune').catch((error: unknown) => process.stderr.write(`bench: ${errorText(error)}\n`));
  };
  try {
    await git('worktree', 'add', '--detach', '--quiet', folder, short);
    signal.throwIfAborted();
    const lock = (checkout: string): string => readFileSync(join(checkout, 'package-lock.json'), 'utf8');
    if (lock(folder) === lock(ownCheckout))
      symlinkSync(join(ownCheckout, 'node_modules'), join(folder, 'node_modules'));
    else await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, signal, maxBuffer: outputBytesMax });
    return { folder, commit: short, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Compiles what a start needs, as an install does, so that the first start of a checkout takes no longer than the later ones. */
export async function precompile(folder: string, signal: AbortSignal): Promise<void> {
  const script = join(folder, 'cmd/coxswain/precompile.ts');
  if (existsSync(script)) await run(process.execPath, [script], { cwd: folder, signal });
}
