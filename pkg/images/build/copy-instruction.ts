/** `COPY`, `ADD` and the folder of `WORKDIR`: which files a layer gets, where, and whose they are. Source: Docker's "Dockerfile reference", COPY and ADD. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Digester } from '../digest.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { addedArchive, isArchive } from './added-archive.ts';
import type { BuildStore, BuiltLayer } from './build-parts.ts';
import { type CopiedFile, type CopyDress, CopySource, copiedLayer, digestOfCopied } from './copied-files.ts';
import { type Instruction, wrong } from './dockerfile.ts';
import { type StageState, textOf } from './stage.ts';

/** What copying needs besides. */
export interface CopyContext {
  readonly store: BuildStore;
  readonly calls: SystemCalls;
  /** Seconds since the epoch, of all files. */
  readonly modified: number;
}

/** What is to be copied. */
export interface CopyRequest {
  readonly instruction: Instruction;
  readonly from: CopySource;
  readonly sources: readonly string[];
  /** As it is written. */
  readonly target: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
}

const nothingIgnored = (): boolean => false;

/** The layer that has the files. Throws for what is not there. */
export async function copyFiles(stage: StageState, request: CopyRequest, context: CopyContext): Promise<BuiltLayer> {
  const { instruction, from, sources } = request;
  const found = sources.flatMap((pattern) => {
    const paths = from.find(Buffer.from(pattern).toString('latin1'));
    if (paths.length === 0)
      throw wrong(instruction.line, `${pattern} is not there, or left out by .dockerignore`, 'failed');
    return paths;
  });
  return withRoot(stage, context, async (root) => {
    const path = resolved(targetPath(stage, request.target), root.source);
    const isFolder =
      found.length > 1 || /(?:^|\/)\.?$/.test(request.target) || root.source?.stats(path)?.isDirectory() === true;
    const archive = instruction.name === 'ADD' ? await archiveOf(from, found) : undefined;
    if (archive !== undefined) {
      const bytes = (): AsyncIterable<Uint8Array> => addedArchive(archive, path, context.modified);
      return storeOnce(await digestOfAll(bytes()), bytes, context.store);
    }
    const files = found.flatMap((one) => {
      const isSourceFolder = from.stats(one)?.isDirectory() === true;
      const own = isFolder && !isSourceFolder ? joined(path, one.slice(one.lastIndexOf('/') + 1)) : path;
      return [...foldersTo(isSourceFolder ? own : parentOf(own), root.source), ...from.copied(one, own)];
    });
    const dress = dressOf(request, root, context.modified);
    return storeOnce(
      await digestOfCopied(unique(files), dress),
      () => copiedLayer(unique(files), dress),
      context.store,
    );
  });
}

/** The layer with a folder, as `WORKDIR` makes it; undefined where it is there already. */
export async function makeFolder(
  stage: StageState,
  path: string,
  context: CopyContext,
): Promise<BuiltLayer | undefined> {
  return withRoot(stage, context, async ({ source }) => {
    const folders = foldersTo(resolved(Buffer.from(path.replace(/^\//, '')).toString('latin1'), source), source);
    if (folders.length === 0) return undefined;
    const dress = { uid: 0, gid: 0, mode: undefined, modified: context.modified };
    return storeOnce(await digestOfCopied(folders, dress), () => copiedLayer(folders, dress), context.store);
  });
}

interface StageRoot {
  /** Undefined where a stage has no layers yet. */
  readonly source: CopySource | undefined;
}

/** Looks into a stage as it is so far. */
async function withRoot<T>(
  stage: StageState,
  { store, calls }: CopyContext,
  look: (root: StageRoot) => Promise<T>,
): Promise<T> {
  if (stage.layers.length === 0) return look({ source: undefined });
  await using root = await store.prepare(stage.layers);
  return await look({ source: new CopySource(root.path, { calls, isIgnored: nothingIgnored }) });
}

/** A layer that the store may have already: its digest says all of it. */
async function storeOnce(
  diffId: string,
  bytes: () => AsyncIterable<Uint8Array>,
  store: BuildStore,
): Promise<BuiltLayer> {
  const cached = await store.cached(diffId);
  if (cached !== undefined) return cached;
  const layer = await store.addLayer(bytes());
  await store.remember(layer.diffId, layer);
  return layer;
}

/** Where files go, from the root, without a slash at either end. */
function targetPath(stage: StageState, target: string): string {
  const folder = textOf(stage.config.WorkingDir) || '/';
  const path = join('/', target.startsWith('/') ? target : `${folder}/${target}`);
  return Buffer.from(path.replace(/^\/+|\/+$/g, '')).toString('latin1');
}

/** A path without the links on its way, as far as it is there: other engines do not follow those of lower layers. */
function resolved(path: string, root: CopySource | undefined): string {
  const parts = path.split('/').filter((part) => part !== '');
  for (let count = parts.length; count > 0; count--) {
    const real = root?.real(parts.slice(0, count).join('/'));
    if (real !== undefined && root?.stats(real) !== undefined) return [real, ...parts.slice(count)].join('/');
  }
  return parts.join('/');
}

/** Folders on the way to a path, and it, that are not there. */
function foldersTo(path: string, root: CopySource | undefined): readonly CopiedFile[] {
  const parts = path.split('/').filter((part) => part !== '');
  return parts.flatMap((_, index) => {
    const folder = parts.slice(0, index + 1).join('/');
    return root?.stats(folder) === undefined ? [{ path: folder, source: undefined, stats: undefined }] : [];
  });
}

async function archiveOf(from: CopySource, found: readonly string[]): Promise<Buffer | undefined> {
  const [first] = found;
  if (first === undefined || found.length > 1 || from.stats(first)?.isFile() !== true) return undefined;
  const path = from.pathOf(first);
  return path !== undefined && (await isArchive(path)) ? path : undefined;
}

function dressOf(
  { chown, chmod, instruction: { line } }: CopyRequest,
  { source }: StageRoot,
  modified: number,
): CopyDress {
  if (chmod !== undefined && !/^[0-7]{3,4}$/.test(chmod)) throw wrong(line, `--chmod=${chmod} is not an octal number`);
  const mode = chmod === undefined ? undefined : Number.parseInt(chmod, 8);
  const [user = '0', group] = (chown ?? '0:0').split(':');
  const uid = idOf(user, { file: 'passwd', root: source, line });
  return { uid, gid: group === undefined ? uid : idOf(group, { file: 'group', root: source, line }), mode, modified };
}

/** A number, or the one that a file of the image has for a name. */
function idOf(
  name: string,
  { file, root, line }: { readonly file: string; readonly root: CopySource | undefined; readonly line: number },
): number {
  if (/^\d+$/.test(name)) return Number(name);
  const path = root?.pathOf(`etc/${file}`);
  const lines = path === undefined ? [] : linesOf(path);
  const found = lines.map((one) => one.split(':')).find(([own]) => own === name)?.[2];
  if (found === undefined || !/^\d+$/.test(found))
    throw wrong(line, `the image does not know ${name} in /etc/${file}`, 'failed');
  return Number(found);
}

function linesOf(path: Buffer): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** Several sources may make the same folders; the last file of a path counts. */
function unique(files: readonly CopiedFile[]): readonly CopiedFile[] {
  return [...new Map(files.map((file) => [file.path, file])).values()];
}

async function digestOfAll(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const digester = new Digester();
  for await (const chunk of bytes) digester.update(chunk);
  return digester.digest();
}

function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}
