/**
 * All that a report of a fault in a cluster needs, in one archive: logs of its processes and pods, objects, events, versions, its state, its cluster file and what
 * `coxswain doctor` finds. Secrets are left out; what else is confidential, such as variables in the environment of a pod, is for who sends it to look through.
 */
import { open } from 'node:fs/promises';
import { arch, availableParallelism, platform, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { connectionOf } from '#cmd/common/connection.ts';
import type { ProcessRecord } from '#cmd/common/process-files.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { bodyObject } from '#pkg/client/body-object.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import { isPaused } from './cluster-processes.ts';
import { config } from './config.ts';
import { doctor } from './doctor.ts';
import type { ClusterFolder, ClusterRecord } from './folder.ts';
import { logNames } from './log-names.ts';
import { type ReportArchive, writeReport } from './report-archive.ts';
import { status } from './status.ts';
import { versionLine } from './version-line.js';
import type { World } from './world.ts';

/** Objects that are asked for at a time. */
const listLimit = 500;
/** Not exported: what is secret, and events of a second group, which are those of the first. */
const leftOut: ReadonlySet<string> = new Set(['events.events.k8s.io', 'secrets']);
/** No objects that are kept: nodes measure them when they are asked. */
const measuredGroup = 'metrics.k8s.io';
/** Bytes at the end of the log of a process that are exported. */
const logBytesMax = 64 << 20;
/** Longest wait for one answer. */
const answerMsMax = 60_000;

/** Whose report, and where it goes. */
export interface ClusterExport {
  readonly folder: ClusterFolder;
  readonly record: ClusterRecord;
  readonly running: readonly ProcessRecord[];
  /** The file of the archive, which is not there. Default: `coxswain-NAME.tar.gz`. */
  readonly into?: string;
}

/** Writes it and says where; resolves to the exit code. Throws `UserError` for a file that is there, and where none can be written. */
export async function exportCluster(world: World, { folder, record, running, into }: ClusterExport): Promise<number> {
  const { name } = record.settings;
  const path = resolve(into ?? `coxswain-${name}.tar.gz`);
  const { problems } = await writeReport(path, { folder: `coxswain-${name}`, clock: world.clock }, async (report) => {
    await exportSaid(world, folder, report);
    const why = running.length === 0 ? 'does not run' : isPaused(running) ? 'is paused' : undefined;
    if (why !== undefined) {
      report.note(`The cluster ${why}: its objects and the logs of its pods are not here`);
      return;
    }
    const transport = await connectionOf(folder.kubeconfig);
    try {
      await report.try('objects', () => exportObjects(new ServerReader(transport), report));
    } finally {
      await transport.close();
    }
  });
  const more = problems.length === 0 ? '' : `; problems.txt in it says what is missing (${problems.length})`;
  world.write(`Exported the cluster "${name}" to ${path}${more}\n`);
  return 0;
}

/** What can be said of a cluster that does not run, too. */
async function exportSaid(world: World, folder: ClusterFolder, report: ReportArchive): Promise<void> {
  const place = ['--data-dir', folder.path];
  await report.write('versions.json', `${JSON.stringify(versions(), undefined, 2)}\n`);
  const commands: readonly (readonly [string, Command, readonly string[]])[] = [
    ['status.json', status, [...place, '-o', 'json']],
    ['cluster.yaml', config, place],
    ['doctor.txt', doctor, place],
  ];
  for (const [name, command, args] of commands)
    await report.try(name, async () => report.write(name, await said(world, command, args)));
  await report.try('logs', async () => {
    for (const name of await logNames(folder)) await exportLog(folder.logFile(name), `logs/${name}.log`, report);
  });
}

/** The end of it, where it is longer than anybody reads. */
async function exportLog(path: string, name: string, report: ReportArchive): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - logBytesMax);
    if (from > 0) report.note(`${name}: the first ${from} bytes of it are left out`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    await report.write(name, buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

type Command = (world: World, args: readonly string[]) => Promise<number>;

function versions(): JsonObject {
  const machine = { platform: platform(), release: release(), architecture: arch() };
  return { version: versionLine().trim(), ...machine, processors: availableParallelism(), memoryBytes: totalmem() };
}

/** What a command prints. */
async function said(world: World, command: Command, args: readonly string[]): Promise<string> {
  let text = '';
  const write = (more: string): void => {
    text += more;
  };
  await command({ ...world, write }, args);
  return text;
}

/** Reads from an API server, in an administrator's name. */
class ServerReader {
  readonly #transport: NetworkTransport;

  constructor(transport: NetworkTransport) {
    this.#transport = transport;
  }

  /** Throws for any other answer than 200. */
  async #ask(path: string, query: Readonly<Record<string, string>>): Promise<ApiResponse> {
    const response = await this.#transport.request({
      method: 'GET',
      path,
      query: new URLSearchParams(query).toString(),
      headers: { accept: 'application/json' },
      peer: { address: '' },
      signal: AbortSignal.timeout(answerMsMax),
    });
    if (response.status === 200) return response;
    const body = await bodyObject(response).catch(() => undefined);
    const message = isObject(body) && typeof body.message === 'string' ? body.message : '';
    throw new Error(`${path} was answered with ${response.status}${message === '' ? '' : `: ${message}`}`);
  }

  async object(path: string, query: Readonly<Record<string, string>> = {}): Promise<JsonObject> {
    const found = await bodyObject(await this.#ask(path, query));
    return isObject(found) ? found : {};
  }

  async bytes(path: string, query: Readonly<Record<string, string>>): Promise<Uint8Array> {
    const { body } = await this.#ask(path, query);
    if (body.kind === 'bytes') return body.bytes;
    const chunks: Uint8Array[] = [];
    if (body.kind === 'stream') for await (const chunk of body.chunks) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** All objects of a collection, page by page. */
  async list(path: string): Promise<readonly JsonObject[]> {
    const items: JsonObject[] = [];
    let from = '';
    do {
      const page = await this.object(path, { limit: String(listLimit), ...(from === '' ? {} : { continue: from }) });
      items.push(...objectsIn(page.items));
      from = textIn(page.metadata, 'continue');
    } while (from !== '');
    return items;
  }
}

/** A resource as discovery tells of it. */
interface Listed {
  readonly groupVersion: string;
  readonly group: string;
  readonly name: string;
  readonly kind: string;
}

async function exportObjects(server: ServerReader, report: ReportArchive): Promise<void> {
  for (const { groupVersion, group, name, kind } of await listedResources(server)) {
    const full = group === '' ? name : `${name}.${group}`;
    if (leftOut.has(full) || group === measuredGroup) continue;
    await report.try(full, async () => {
      const root = group === '' ? '/api' : '/apis';
      const found = await server.list(`${root}/${groupVersion}/${name}`);
      const items = found.map((item) => ({ apiVersion: groupVersion, kind, ...item }));
      const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, undefined, 2);
      await report.write(`objects/${full}.json`, `${text}\n`);
      if (full === 'pods') for (const pod of items) await exportPodLogs(server, report, pod);
    });
  }
}

/** What can be listed, of each group in the version that it prefers. */
async function listedResources(server: ServerReader): Promise<readonly Listed[]> {
  const groups = objectsIn((await server.object('/apis')).groups);
  const preferred = groups.map((group) => ({
    group: textIn(group, 'name'),
    groupVersion: textIn(group.preferredVersion, 'groupVersion'),
  }));
  const result: Listed[] = [];
  for (const { group, groupVersion } of [{ group: '', groupVersion: 'v1' }, ...preferred]) {
    const { resources } = await server.object(`${group === '' ? '/api' : '/apis'}/${groupVersion}`);
    for (const resource of objectsIn(resources)) {
      const name = textIn(resource, 'name');
      const verbs: unknown = resource.verbs;
      if (name.includes('/') || !Array.isArray(verbs) || !verbs.includes('list')) continue;
      result.push({ groupVersion, group, name, kind: textIn(resource, 'kind') });
    }
  }
  return result;
}

/** Of each container that has started, and of the one before it. */
async function exportPodLogs(server: ServerReader, report: ReportArchive, pod: JsonObject): Promise<void> {
  const [namespace, name] = [textIn(pod.metadata, 'namespace'), textIn(pod.metadata, 'name')];
  const status = isObject(pod.status) ? pod.status : {};
  const containers = [status.initContainerStatuses, status.containerStatuses, status.ephemeralContainerStatuses];
  for (const container of containers.flatMap(objectsIn)) {
    if (textIn(container, 'containerID') === '') continue;
    const own = textIn(container, 'name');
    const runs: readonly { readonly file: string; readonly query: Readonly<Record<string, string>> }[] = [
      { file: `${own}.log`, query: { container: own } },
      ...(Number(container.restartCount) > 0
        ? [{ file: `${own}.previous.log`, query: { container: own, previous: 'true' } }]
        : []),
    ];
    for (const { file, query } of runs)
      await report.try(`logs of ${namespace}/${name}`, async () => {
        const log = await server.bytes(`/api/v1/namespaces/${namespace}/pods/${name}/log`, query);
        await report.write(`pods/${namespace}/${name}/${file}`, log);
      });
  }
}

function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** `''` where there is none. */
function textIn(value: unknown, field: string): string {
  const found = isObject(value) ? value[field] : undefined;
  return typeof found === 'string' ? found : '';
}
