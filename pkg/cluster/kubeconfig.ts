/**
 * Kubeconfig files: one of its own for every identity of a cluster, and a context merged into the file that the person's kubectl
 * reads. Whatever else is in that file stays, in its place; the file is replaced whole or not at all. Comments are lost, as they are
 * with kubectl's own `config` command. Source: client-go `tools/clientcmd/api/v1`.
 */

import { randomBytes } from 'node:crypto';
import { readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';

/** One cluster, user and context, which have one name. */
export interface KubeconfigEntry {
  /** Name of the cluster, the context and the user alike. */
  readonly name: string;
  /** `https://127.0.0.1:6443`. */
  readonly server: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string;
  readonly client: CertificatePair;
  /** What else the context says, such as the namespace that the person set. */
  readonly context?: JsonObject;
}

/** A kubeconfig with one context, which is the current one. */
export function kubeconfigOf(entry: KubeconfigEntry): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [clusterOf(entry)],
    contexts: [contextOf(entry)],
    'current-context': entry.name,
    preferences: {},
    users: [userOf(entry)],
  };
}

/**
 * Writes a kubeconfig of its own, for its owner alone, replacing what is there: a link too, as who put it there may be somebody else. JSON is
 * YAML, so no library is needed on the way up.
 */
export async function writeKubeconfig(path: string, config: JsonObject): Promise<void> {
  await replaceFile(path, yamlText(config), { own: true });
}

/**
 * Adds or replaces the entry's cluster, user and context in the file at `path` and makes the context current. What else a context of the same
 * cluster says there stays.
 */
export async function mergeKubeconfig(path: string, entry: KubeconfigEntry): Promise<void> {
  const config = (await readKubeconfig(path)) ?? {};
  const own = entryIn(config, entry.name)?.authority === entry.authority ? contextFields(config, entry.name) : {};
  const merged: JsonObject = {
    ...config,
    apiVersion: config.apiVersion ?? 'v1',
    kind: config.kind ?? 'Config',
    clusters: withNamed(config.clusters, clusterOf(entry)),
    contexts: withNamed(config.contexts, contextOf({ ...entry, context: { ...entry.context, ...own } })),
    'current-context': entry.name,
    users: withNamed(config.users, userOf(entry)),
  };
  await replaceFile(path, yamlText(merged));
}

/** When a context is removed, and what with it. */
export interface RemoveOptions {
  /** Removes the context only when it is that of the cluster with this authority: another of the same name stays. */
  readonly authority?: string;
  /** Removes the file too when nothing else is in it. */
  readonly removeEmpty?: boolean;
}

/** Takes the context `name`, its cluster and its user out of the file again; false when it was not there. */
export async function removeFromKubeconfig(path: string, name: string, options: RemoveOptions = {}): Promise<boolean> {
  const config = await readKubeconfig(path);
  if (config === undefined) return false;
  const holds = [config.clusters, config.contexts, config.users].some((list) =>
    named(list).some((item) => item.name === name),
  );
  if (!holds) return false;
  const authority = entryIn(config, name)?.authority;
  if (options.authority !== undefined && authority !== undefined && authority !== options.authority) return false;
  const rest: JsonObject = { ...config };
  for (const field of ['clusters', 'contexts', 'users'])
    rest[field] = named(config[field]).filter((item) => item.name !== name);
  if (config['current-context'] === name) rest['current-context'] = '';
  if (options.removeEmpty === true && isEmpty(rest)) {
    await rm(path, { force: true });
    return true;
  }
  await replaceFile(path, yamlText(rest));
  return true;
}

/** Server and authority of the cluster called `name` in a kubeconfig; undefined when there is none. */
export function entryIn(
  config: JsonObject,
  name: string,
): { readonly server: string; readonly authority: string } | undefined {
  const cluster = named(config.clusters).find((item) => item.name === name)?.cluster;
  if (!isObject(cluster)) return undefined;
  const { server, 'certificate-authority-data': data } = cluster;
  if (typeof server !== 'string' || typeof data !== 'string') return undefined;
  return { server, authority: Buffer.from(data, 'base64').toString('utf8') };
}

/** What the context called `name` says besides its cluster and its user, such as the namespace; `{}` when there is none. */
export function contextFields(config: JsonObject, name: string): JsonObject {
  const context = named(config.contexts).find((item) => item.name === name)?.context;
  if (!isObject(context)) return {};
  const { cluster: _cluster, user: _user, ...rest } = context;
  return rest;
}

/** Whether a kubeconfig says nothing. */
function isEmpty(config: JsonObject): boolean {
  const { apiVersion: _version, kind: _kind, preferences, 'current-context': current, ...rest } = config;
  const says = (value: unknown): boolean =>
    typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : (value ?? '') !== '';
  return ![preferences, current, ...Object.values(rest)].some(says);
}

/** Makes `name` the current context, if the file has it. */
export async function useContext(path: string, name: string): Promise<void> {
  const config = await readKubeconfig(path);
  if (config === undefined || !named(config.contexts).some((context) => context.name === name)) return;
  await replaceFile(path, yamlText({ ...config, 'current-context': name }));
}

/** Fails with a `UserError` when the file at `path` could not be merged into and replaced; changes nothing that stays. */
export async function checkKubeconfig(path: string): Promise<void> {
  await readKubeconfig(path);
  let made: string | undefined;
  try {
    made = await makeFolder(dirname(path));
    // A link's own folder need not be writable, that of the file it leads to must be.
    const target = await realpath(path).catch(() => path);
    const probe = `${target}.${randomBytes(4).toString('hex')}`;
    await writeFile(probe, '', { mode: 0o600, flag: 'wx' });
    await rm(probe, { force: true });
  } catch (error) {
    throw unwritable(path, error);
  } finally {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  }
}

/** The parsed file, or undefined when there is none. One that holds nothing but comments is `{}`. */
export async function readKubeconfig(path: string): Promise<JsonObject | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = errorCode(error);
    // Where no folder can be, no file is either; writing it says so.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UserError(
      `Cannot read the kubeconfig ${path} (${code}): check its permissions, or name another with --kubeconfig`,
      error,
    );
  }
  const refuse = (why: string, cause?: unknown): never => {
    throw new UserError(
      `Cannot read the kubeconfig ${path} as ${why}: repair it, or name another with --kubeconfig`,
      cause,
    );
  };
  const documents = (await readDocuments(bytes, refuse)).filter((value) => value !== null);
  // kubectl reads the first and would lose the others when it writes the file.
  if (documents.length > 1) refuse('it holds several documents');
  const [value = {}] = documents;
  if (!isObject(value)) return refuse('it holds no mapping');
  checkShape(value, refuse);
  return value;
}

/** The documents of a file; the reader of YAML is loaded only when there is something to read. */
async function readDocuments(
  bytes: Uint8Array,
  refuse: (why: string, cause: unknown) => never,
): Promise<readonly unknown[]> {
  if (bytes.length === 0) return [];
  const [{ textOf }, { readYaml }] = await Promise.all([
    import('#pkg/apimachinery/decode.ts'),
    import('#pkg/apimachinery/yaml.ts'),
  ]);
  try {
    return readYaml(textOf(bytes)).map(({ value }) => value);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return refuse(message.startsWith('yaml: ') ? 'it is not valid YAML' : `of what it holds (${message})`, error);
  }
}

/** Refuses what a context cannot be merged into without losing something. */
function checkShape(value: JsonObject, refuse: (why: string) => never): void {
  if (value.kind !== undefined && value.kind !== null && value.kind !== 'Config')
    refuse(`it is a ${String(value.kind)}`);
  for (const field of ['clusters', 'contexts', 'users']) {
    const list = value[field];
    if (list === undefined || list === null) continue;
    if (!Array.isArray(list)) refuse(`its ${field} are no list`);
    if (!(list as unknown[]).every((item) => item === null || isObject(item)))
      refuse(`its ${field} are no list of mappings`);
  }
}

interface Named extends JsonObject {
  name?: unknown;
}

/** The items of a list; an empty item, which kubectl reads as one without a name, is left out. */
function named(list: unknown): readonly Named[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function withNamed(list: unknown, entry: Named): readonly Named[] {
  const items = named(list);
  const index = items.findIndex((item) => item.name === entry.name);
  return index < 0 ? [...items, entry] : items.with(index, entry);
}

function clusterOf(entry: KubeconfigEntry): Named {
  const data = Buffer.from(entry.authority).toString('base64');
  return { cluster: { 'certificate-authority-data': data, server: entry.server }, name: entry.name };
}

function contextOf(entry: KubeconfigEntry): Named {
  return { context: { cluster: entry.name, ...entry.context, user: entry.name }, name: entry.name };
}

function userOf(entry: KubeconfigEntry): Named {
  return {
    name: entry.name,
    user: {
      'client-certificate-data': Buffer.from(entry.client.certificate).toString('base64'),
      'client-key-data': Buffer.from(entry.client.key).toString('base64'),
    },
  };
}

/**
 * Replaces a file in one step. A person's file is replaced through a symbolic link if it is one, and keeps its mode; a cluster's own, and a new
 * one, has mode 0600.
 */
async function replaceFile(path: string, text: string, { own = false } = {}): Promise<void> {
  let target = path;
  let mode = 0o600;
  try {
    await makeFolder(dirname(path));
    try {
      if (!own) {
        target = await realpath(path);
        mode = (await stat(target)).mode & 0o777;
      }
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    const temporary = `${target}.${randomBytes(4).toString('hex')}`;
    try {
      await writeFile(temporary, text, { mode, flag: 'wx' });
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): UserError {
  const code = errorCode(error);
  const what = code === 'ENOSPC' ? 'free some disk space' : 'check its permissions';
  return new UserError(
    `Cannot write the kubeconfig ${path} (${code}): ${what}, or name another with --kubeconfig`,
    error,
  );
}
