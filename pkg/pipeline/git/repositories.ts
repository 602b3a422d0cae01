/**
 * The repositories that pipelines name, and the pushes to each, numbered in their order. A push is whatever moved a reference since it was looked at last; what
 * was pushed while nobody looked, or was not written down before a crash, is found at the next look, so each state that a reference rests in is seen.
 */
import { appendFile, mkdir, readFile, rename, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Places } from '../places.ts';
import { git } from './git.ts';

/** A reference that moved. */
export interface Push {
  /** From 1 on, one more with each push of the repository. */
  readonly sequence: number;
  /** Such as `refs/heads/main`. */
  readonly ref: string;
  /** What it names now, tags followed to their commit; empty where it was taken away. */
  readonly commit: string;
}

/** The repositories below a folder. */
export class Repositories {
  readonly #places: Places;
  /** The last look at each: looks of one repository follow each other. */
  readonly #looks = new Map<string, Promise<unknown>>();

  constructor(places: Places) {
    this.#places = places;
  }

  /** Makes an empty repository where there is none. */
  async ensure(namespace: string, name: string): Promise<void> {
    const folder = this.#places.repository(namespace, name);
    if (await this.has(namespace, name)) return;
    const made = `${folder}.new`;
    await mkdir(dirname(folder), { recursive: true });
    await git(dirname(folder), ['init', '--quiet', '--bare', '--initial-branch=main', made]);
    // What arrives is looked through before anything of it is taken, and what is taken is on the disk before that is said.
    for (const setting of [
      'http.receivepack=true',
      'receive.fsckObjects=true',
      'transfer.fsckObjects=true',
      'core.fsync=all',
      'gc.auto=0',
    ]) {
      const [key = '', value = ''] = setting.split('=');
      await git(made, ['config', key, value]);
    }
    await rename(made, folder);
  }

  async has(namespace: string, name: string): Promise<boolean> {
    try {
      return (await stat(join(this.#places.repository(namespace, name), 'HEAD'))).isFile();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Looks for pushes; resolves to the last one of each reference. */
  look(namespace: string, name: string): Promise<readonly Push[]> {
    const folder = this.#places.repository(namespace, name);
    const look = (this.#looks.get(folder) ?? Promise.resolve()).catch(() => {}).then(() => lookAt(folder));
    this.#looks.set(folder, look);
    return look;
  }

  /** Who wrote a commit, as it says itself. */
  async author(
    namespace: string,
    { repository, commit }: { readonly repository: string; readonly commit: string },
  ): Promise<string> {
    const said = await git(this.#places.repository(namespace, repository), ['log', '-1', '--format=%an <%ae>', commit]);
    return said.trim().slice(0, 256);
  }
}

/** A line for each push: its number, the commit or `-`, the reference. */
const logName = 'coxswain-pushes';

async function lookAt(folder: string): Promise<readonly Push[]> {
  const known = new Map<string, Push>();
  let last = 0;
  for (const push of await readLog(join(folder, logName))) {
    known.set(push.ref, push);
    last = Math.max(last, push.sequence);
  }
  const format = '%(refname) %(objectname) %(objecttype) %(*objectname)';
  const listed = await git(folder, ['for-each-ref', `--format=${format}`, 'refs/heads', 'refs/tags']);
  const now = new Map(listed.split('\n').filter(Boolean).map(refOf));
  const moved = [...now].filter(([ref, commit]) => known.get(ref)?.commit !== commit);
  const gone = [...known.values()].filter(({ ref, commit }) => commit !== '' && !now.has(ref));
  const pushes = [...moved, ...gone.map(({ ref }) => [ref, ''] as const)].map(([ref, commit]) => ({
    sequence: ++last,
    ref,
    commit,
  }));
  if (pushes.length > 0)
    await appendFile(
      join(folder, logName),
      pushes.map(({ sequence, ref, commit }) => `${sequence} ${commit || '-'} ${ref}\n`).join(''),
    );
  for (const push of pushes) known.set(push.ref, push);
  return [...known.values()];
}

function refOf(line: string): readonly [string, string] {
  const [ref = '', object = '', , peeled = ''] = line.split(' ');
  return [ref, peeled === '' ? object : peeled];
}

async function readLog(path: string): Promise<readonly Push[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
  // A line that was cut off by a crash was not acted on: its push is found again.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
  return whole.split('\n').flatMap((line) => {
    const match = /^(\d+) ([0-9a-f]{40,64}|-) (refs\/.+)$/.exec(line);
    if (match === null) return [];
    const [, sequence = '', commit = '', ref = ''] = match;
    return [{ sequence: Number(sequence), ref, commit: commit === '-' ? '' : commit }];
  });
}
