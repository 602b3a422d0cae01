/** Volumes of containers: folders, those with a name for good, others as long as their container. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { DockerError } from './docker-error.ts';
import type { MountWish } from './wish.ts';

/** A volume with a name. */
export interface Volume {
  readonly name: string;
  readonly path: string;
  readonly createdMs: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** A mount as it was made. */
export interface MadeMount {
  readonly type: 'bind' | 'volume';
  /** Of a volume. */
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

const namePattern = /^[a-zA-Z0-9][\w.-]*$/;
const noteName = 'volume.json';
const dataName = '_data';

/** Those of a folder. */
export class Volumes {
  readonly #folder: string;
  readonly #clock: Clock;
  /** Names by the containers that use them. */
  readonly #used = new Map<string, readonly string[]>();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  async list(): Promise<readonly Volume[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const found = await Promise.all(names.map((name) => this.find(name)));
    return found.filter((volume) => volume !== undefined).filter(({ name }) => namePattern.test(name));
  }

  async find(name: string): Promise<Volume | undefined> {
    if (!namePattern.test(name)) return undefined;
    const note = await readFile(join(this.#folder, name, noteName), 'utf8').catch(() => undefined);
    if (note === undefined) return undefined;
    const { createdMs, labels } = JSON.parse(note);
    return { name, path: join(this.#folder, name, dataName), createdMs, labels };
  }

  /** The volume of a name, which is made where it is not there. */
  async ensure(name: string, labels: unknown = {}): Promise<Volume> {
    if (!namePattern.test(name)) throw new DockerError(400, `"${name}" is no name of a volume`);
    const found = await this.find(name);
    if (found !== undefined) return found;
    const path = join(this.#folder, name, dataName);
    const note = { createdMs: this.#clock.nowMs(), labels: isObject(labels) ? labels : {} };
    await mkdir(path, { recursive: true, mode: 0o755 });
    await writeFile(join(this.#folder, name, noteName), JSON.stringify(note));
    return { name, path, createdMs: note.createdMs, labels: {} };
  }

  /** Takes one away. Throws 404, and 409 for one that a container has. */
  async remove(name: string): Promise<void> {
    if ((await this.find(name)) === undefined) throw new DockerError(404, `get ${name}: no such volume`);
    const holder = [...this.#used].find(([, names]) => names.includes(name));
    if (holder !== undefined) throw new DockerError(409, `remove ${name}: volume is in use - [${holder[0]}]`);
    await rm(join(this.#folder, name), { recursive: true, force: true });
  }

  /** Makes what the mounts of a container need. */
  async mountsOf(wishes: readonly MountWish[], containerId: string): Promise<readonly MadeMount[]> {
    const made: MadeMount[] = [];
    const used: string[] = [];
    this.#used.set(containerId, used);
    for (const [index, { type, source, target, readOnly, isMade }] of wishes.entries()) {
      if (type === 'bind') {
        if (!isMade && !(await isThere(source)))
          throw new DockerError(
            400,
            `invalid mount config for type "bind": bind source path does not exist: ${source}`,
          );
        made.push({ type, name: '', source, target, readOnly });
        continue;
      }
      const name = source || `${containerId}-${index}`;
      used.push(name);
      const { path } = await this.ensure(name);
      made.push({ type, name, source: path, target, readOnly });
    }
    return made;
  }

  /** A container is gone: so are the volumes that were its alone. */
  async release(containerId: string): Promise<void> {
    const names = this.#used.get(containerId) ?? [];
    this.#used.delete(containerId);
    for (const name of names)
      if (name.startsWith(`${containerId}-`)) await rm(join(this.#folder, name), { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
