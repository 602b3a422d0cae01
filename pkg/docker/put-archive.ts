/** An archive as files of a container: what `docker cp` does. Nothing outside of the container is written. */
import { constants } from 'node:fs';
import { type FileHandle, lchown, mkdir, open, symlink, unlink } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import { decompressed } from '#pkg/images/layers/decompress.ts';
import { ByteSource } from '#pkg/images/tar/byte-source.ts';
import { type OpenRoot, placePath, readText } from '#pkg/images/tar/open-root.ts';
import type { TarEntry } from '#pkg/images/tar/tar-entry.ts';
import { type OpenTarEntry, readTar } from '#pkg/images/tar/tar-reader.ts';
import { DockerError } from './docker-error.ts';

/** Whose the files are that are put. */
export interface PutOptions {
  /** In place of what the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/** Unpacks an archive below a folder of a root. Rejects with 400 for what cannot be put where it is to be. */
export async function putArchive(
  root: OpenRoot,
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  { owner }: PutOptions,
): Promise<void> {
  const source = new ByteSource(decompressed(archive));
  try {
    for await (const one of readTar(source)) await put(root, folder, one, owner);
    await source.drain();
  } finally {
    await source.close();
  }
}

async function put(root: OpenRoot, folder: string, { entry, body }: OpenTarEntry, owner: PutOptions['owner']) {
  const path = Buffer.from(entry.path, 'latin1').toString();
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new DockerError(400, `archive has a path with "..": ${path.slice(0, 200)}`);
  const name = parts.pop();
  if (name === undefined) return;
  const parent = await root.at(`${folder}/${parts.join('/')}`, { followsLast: true, makes: true });
  if (parent === undefined) throw new DockerError(400, `cannot make the folder of ${path.slice(0, 200)}`);
  const own = { ...entry, ...owner };
  try {
    if (entry.kind === 'directory') await putFolder(parent, name, own);
    else await putOther({ root, folder, parent, name, entry: own, body });
  } finally {
    await parent.close();
  }
}

async function putFolder(parent: FileHandle, name: string, { mode, uid, gid, modified }: TarEntry): Promise<void> {
  const path = `${placePath(parent)}/${name}`;
  await mkdir(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  // A link to a folder stays one, and is left as it is.
  const made = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW).catch(
    () => undefined,
  );
  try {
    await made?.chown(uid, gid);
    await made?.chmod(mode);
    await made?.utimes(modified, modified);
  } finally {
    await made?.close();
  }
}

interface PutPlace {
  readonly root: OpenRoot;
  readonly folder: string;
  readonly parent: FileHandle;
  readonly name: string;
  readonly entry: TarEntry;
  body(): AsyncIterable<Buffer>;
}

async function putOther({ root, folder, parent, name, entry, body }: PutPlace): Promise<void> {
  const path = `${placePath(parent)}/${name}`;
  await unlink(path).catch((error: unknown) => {
    if (errorCode(error) === 'EISDIR' || errorCode(error) === 'EPERM')
      throw new DockerError(400, `cannot overwrite directory "${name}" with non-directory`);
    if (errorCode(error) !== 'ENOENT') throw error;
  });
  const target = Buffer.from(entry.target, 'latin1').toString();
  if (entry.kind === 'file') return writeFileAt(path, entry, body());
  if (entry.kind === 'symlink') {
    await symlink(target, path);
    await lchown(path, entry.uid, entry.gid);
    return;
  }
  if (entry.kind !== 'link')
    throw new DockerError(501, `archive has an entry of the kind ${entry.kind}, which is not supported`);
  const linked = await root.at(`${folder}/${target}`, { followsLast: false, makes: false });
  try {
    const stats = await linked?.stat();
    if (linked === undefined || stats?.isFile() !== true)
      throw new DockerError(400, `archive has a link to ${target.slice(0, 200)}, which is no file`);
    await writeFileAt(path, entry, await readText(linked, stats));
  } finally {
    await linked?.close();
  }
}

async function writeFileAt(
  path: string,
  { mode, uid, gid, modified }: TarEntry,
  contents: AsyncIterable<Buffer>,
): Promise<void> {
  const file = await open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    for await (const piece of contents) await file.writeFile(piece);
    await file.chown(uid, gid);
    await file.chmod(mode);
    await file.utimes(modified, modified);
  } finally {
    await file.close();
  }
}
