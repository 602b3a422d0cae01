/** The objects of a cluster for commands that reckon with them: from a dump of kubectl, from a snapshot, or from the cluster itself. */
import { readFile } from 'node:fs/promises';
import { connectionOf } from '#cmd/common/connection.ts';
import { namespaces, nodes, pods } from '#pkg/api/types/refs.ts';
import { textOf } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type JsonObject, type KubeObject, parseApiVersion, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { isForbidden, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { decodeStored } from '#pkg/apiserver/storage/object-codec.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Client } from '#pkg/client/client.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { openSnapshot } from '#pkg/cluster/snapshot.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { parseDocuments } from '#pkg/kubectl/files.ts';
import type { ObjectSet } from '#pkg/scheduler/offline/object-set.ts';
import { snapshotMagic } from '#pkg/storage/snapshot/snapshot-format.ts';
import { ClusterFolder } from './folder.ts';
import { dataFolder, type World } from './world.ts';

/** Objects that are asked for at a time: large clusters come in several answers. */
const listLimit = 500;

/** Which cluster. */
export interface ClusterChoice {
  readonly name: string;
  readonly dataDir: string;
  /** In place of the cluster's own. */
  readonly kubeconfig: string;
}

/** Calls `use` with a client of the cluster in the name of its kubeconfig. Throws `UserError` where there is none. */
export async function withClient<T>(
  world: World,
  choice: ClusterChoice,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const { name, dataDir, kubeconfig } = choice;
  const folder = new ClusterFolder(dataFolder(world, { name, dataDir }));
  const transport = await connectionOf(kubeconfig === '' ? folder.kubeconfig : kubeconfig);
  try {
    return await use(createClient({ transport, userAgent: 'coxswain', clock: world.clock }));
  } finally {
    await transport.close();
  }
}

/** The surroundings in which `coxswain kubectl` speaks to the cluster. */
export function ofCluster(world: World, { name, dataDir, kubeconfig }: ClusterChoice): World {
  const KUBECONFIG =
    kubeconfig === '' ? new ClusterFolder(dataFolder(world, { name, dataDir })).kubeconfig : kubeconfig;
  return { ...world, environment: { ...world.environment, KUBECONFIG } };
}

/** Puts into `objects` all that was asked for of it, and nodes, pods and namespaces. What the caller may not read, or the server does not have, is left out. */
export async function readCluster(objects: ObjectSet, client: Client): Promise<void> {
  for (const ref of [nodes, pods, namespaces]) objects.lister<KubeObject>(ref);
  for (const ref of objects.asked()) {
    try {
      await readAll(objects, client, ref);
    } catch (error) {
      if (!isForbidden(error) && !isNotFound(error)) throw error;
      if (ref.resource === 'nodes' || ref.resource === 'pods') throw error;
    }
  }
}

async function readAll(objects: ObjectSet, client: Client, ref: ResourceRef): Promise<void> {
  let from: string | undefined;
  do {
    const options = { limit: listLimit, ...(from === undefined ? {} : { continue: from }) };
    const { items, metadata } = await client.resource(ref).list(options);
    for (const object of items) objects.add(ref, object);
    from = metadata.continue || undefined;
  } while (from !== undefined);
}

/** Puts what a file holds into `objects`: a snapshot, or JSON or YAML as `kubectl get -o` writes it. Returns how many objects that were. */
export async function readDump(objects: ObjectSet, path: string): Promise<number> {
  const bytes = await readBytes(path);
  if (bytes.subarray(0, snapshotMagic.length).equals(snapshotMagic)) return readSnapshot(objects, path);
  const found = objectsOf(textOf(bytes), path);
  for (const object of found) addTo(objects, object);
  return found.length;
}

/** The pods of a file, in its order. Throws `UserError` for one that has something else in it. */
export async function readObjects(path: string): Promise<readonly JsonObject[]> {
  return objectsOf(textOf(await readBytes(path)), path);
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UserError(`Cannot read ${path} (${errorCode(error)})`, error);
  }
}

/** One JSON document is read at once; a large dump is one. */
function objectsOf(text: string, path: string): readonly JsonObject[] {
  if (text.trimStart().startsWith('{')) {
    try {
      const whole: unknown = JSON.parse(text);
      if (isObject(whole) && Array.isArray(whole.items)) return whole.items.filter(isObject);
      if (isObject(whole)) return [whole];
    } catch {
      // Several documents one behind the other, or no JSON: who reads them says what is wrong.
    }
  }
  return parseDocuments(text, path).map(({ document }) => document);
}

async function readSnapshot(objects: ObjectSet, path: string): Promise<number> {
  const file = await openSnapshot(path);
  let count = 0;
  try {
    for await (const { key, value } of file.items()) {
      // Secrets may be encrypted, and matter to nobody here.
      if (!key.startsWith('/registry/') || value[0] !== 0x7b) continue;
      addTo(objects, decodeStored(value));
      count++;
    }
  } finally {
    await file.close();
  }
  return count;
}

function addTo(objects: ObjectSet, object: JsonObject): void {
  const { apiVersion, kind } = object;
  const groupVersion = typeof apiVersion === 'string' ? parseApiVersion(apiVersion) : undefined;
  if (groupVersion === undefined || typeof kind !== 'string') return;
  objects.add({ ...groupVersion, kind }, object);
}
