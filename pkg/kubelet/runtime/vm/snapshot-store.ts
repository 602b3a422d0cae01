/**
 * Snapshots of machines on the disk of their node: a file for each, by the namespace and uid of its object. Invariants: a file is there whole or not at all; what is read is what was written, or
 * it is refused; a name from outside leads to no other place. Layout: a line of JSON that says what follows, the machine's image, the disk's bytes, packed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { isObject } from '#pkg/apimachinery/json.ts';
import { guestAddress } from '#pkg/vmm/host/user-network.ts';
import { RuntimeError } from '../runtime.ts';

const format = 'coxswain machine snapshot 1';
const uidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const namespacePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const newLine = 10;

/** Which snapshot. */
export interface SnapshotName {
  readonly namespace: string;
  readonly uid: string;
}

/** A machine as it was. */
export interface SavedMachine {
  /** SHA-256 of the kernel that it booted. */
  readonly kernel: string;
  readonly memoryBytes: number;
  /** The hardware address that its guest knows as its own. */
  readonly mac: Uint8Array;
  /** The address that it knows as its own. */
  readonly address: string;
  /** What `saveImage` made. */
  readonly image: Uint8Array;
  readonly disk?: Uint8Array;
}

/** The snapshots of one node. */
export class SnapshotStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Keeps a machine; resolves with the size of its file. */
  async write(name: SnapshotName, { image, disk, mac, ...rest }: SavedMachine): Promise<number> {
    const path = this.#path(name);
    const packed = disk === undefined ? undefined : await promisify(zstdCompress)(disk);
    const body = Buffer.concat([image, packed ?? Buffer.alloc(0)]);
    const head = {
      format,
      ...rest,
      mac: Buffer.from(mac).toString('hex'),
      imageBytes: image.length,
      hasDisk: packed !== undefined,
      sha256: createHash('sha256').update(body).digest('hex'),
    };
    const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
    await mkdir(join(this.#folder, name.namespace), { recursive: true, mode: 0o700 });
    await writeFile(halfOf(path), bytes, { mode: 0o600 });
    await rename(halfOf(path), path);
    return bytes.length;
  }

  /** A machine that was kept. Rejects with `failed` where there is none of that name, or its file is not what was written. */
  async read(name: SnapshotName): Promise<SavedMachine> {
    const bytes = await readFile(this.#path(name)).catch(() => undefined);
    if (bytes === undefined) throw new RuntimeError('failed', `there is no snapshot ${name.uid} on this node`);
    const saved = await unpacked(bytes);
    if (saved === undefined) throw new RuntimeError('failed', `the snapshot ${name.uid} is not what was written`);
    return saved;
  }

  /** Takes one away; does nothing where there is none. */
  async remove(name: SnapshotName): Promise<void> {
    const path = this.#path(name);
    await Promise.all([rm(path, { force: true }), rm(halfOf(path), { force: true })]);
  }

  /** All that there are. */
  async list(): Promise<readonly SnapshotName[]> {
    const namespaces = await readdir(this.#folder).catch(() => []);
    const all = namespaces.map(async (namespace) => {
      const files = await readdir(join(this.#folder, namespace));
      return files.filter((file) => uidPattern.test(file)).map((uid) => ({ namespace, uid }));
    });
    return (await Promise.all(all)).flat();
  }

  #path({ namespace, uid }: SnapshotName): string {
    if (!uidPattern.test(uid) || !namespacePattern.test(namespace))
      throw new RuntimeError('failed', `${JSON.stringify(uid)} names no snapshot`);
    return join(this.#folder, namespace, uid);
  }
}

/** What is written first, so that the file itself is whole. */
function halfOf(path: string): string {
  return `${path}.new`;
}

async function unpacked(bytes: Buffer): Promise<SavedMachine | undefined> {
  const end = bytes.indexOf(newLine);
  const head = headOf(bytes.subarray(0, Math.max(0, end)).toString());
  const body = bytes.subarray(end + 1);
  if (head === undefined || createHash('sha256').update(body).digest('hex') !== head.sha256) return undefined;
  const { kernel, memoryBytes, mac, address, imageBytes, hasDisk } = head;
  return {
    kernel,
    memoryBytes,
    mac: new Uint8Array(Buffer.from(mac, 'hex')),
    address,
    image: Uint8Array.from(body.subarray(0, imageBytes)),
    ...(hasDisk ? { disk: Uint8Array.from(await promisify(zstdDecompress)(body.subarray(imageBytes))) } : {}),
  };
}

interface Head {
  readonly kernel: string;
  readonly memoryBytes: number;
  readonly mac: string;
  readonly address: string;
  readonly imageBytes: number;
  readonly hasDisk: boolean;
  readonly sha256: string;
}

function headOf(text: string): Head | undefined {
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(head) || head.format !== format) return undefined;
  // Of those that were kept before machines could have another.
  const { kernel, memoryBytes, mac, address = guestAddress, imageBytes, hasDisk, sha256 } = head;
  const isWhole =
    typeof kernel === 'string' &&
    typeof memoryBytes === 'number' &&
    typeof mac === 'string' &&
    typeof address === 'string' &&
    typeof imageBytes === 'number' &&
    typeof hasDisk === 'boolean' &&
    typeof sha256 === 'string';
  return isWhole ? { kernel, memoryBytes, mac, address, imageBytes, hasDisk, sha256 } : undefined;
}
