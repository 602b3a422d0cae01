/** What a CRI runtime answers, as far as it is needed. Pure; each throws `WireError` for what is no such message. Source: `k8s.io/cri-api` `runtime/v1` `api.proto`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { Fields } from '#pkg/grpc/message.ts';
import type { ContainerRunState, ContainerStats, ExecResult, ImageInfo } from '../runtime.ts';

/** A sandbox, as it is listed. */
export interface ListedSandbox {
  readonly id: string;
  readonly isReady: boolean;
  readonly createdAtMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A container, as it is listed. */
export interface ListedContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly state: CriContainerState;
  readonly annotations: Readonly<Record<string, string>>;
}

/** `unknown`: the runtime has lost sight of it. */
export type CriContainerState = ContainerRunState | 'unknown';

/** What is known of one container. */
export interface CriContainerStatus {
  readonly id: string;
  readonly name: string;
  readonly attempt: number;
  readonly state: CriContainerState;
  readonly createdAtMs: number;
  /** 0: not yet. */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const states: readonly CriContainerState[] = ['created', 'running', 'exited'];

/** `Version`. */
export function versionOf(bytes: Uint8Array): { readonly name: string; readonly version: string } {
  const fields = new Fields(bytes);
  return { name: fields.string(2), version: fields.string(3) };
}

/** A condition of the runtime that does not hold. */
export interface UnmetCondition {
  readonly type: string;
  readonly message: string;
}

/**
 * `Status`: the conditions that do not hold, and the handlers that a RuntimeClass may name: a list since Kubernetes 1.30, and before that the runtimes of containerd's
 * configuration, which it shows to who asks for more than usual. The nameless handler, which is the default, is not among them.
 */
export function runtimeStatusOf(bytes: Uint8Array): {
  readonly unmet: readonly UnmetCondition[];
  readonly handlers: readonly string[];
  /** Of its sandboxes' first process, where the runtime says so. */
  readonly sandboxImage: string | undefined;
} {
  const fields = new Fields(bytes);
  const conditions = fields.message(1).messages(1);
  const unmet = conditions
    .filter((condition) => !condition.flag(2))
    .map((condition) => ({ type: condition.string(1), message: condition.string(4) || condition.string(3) }));
  const listed = fields.messages(3).map((handler) => handler.string(1));
  const { containerd, sandboxImage } = documentOf(textMap(fields, 2)['config']);
  const runtimes = isObject(containerd) && isObject(containerd['runtimes']) ? Object.keys(containerd['runtimes']) : [];
  const handlers = [...new Set([...listed, ...runtimes])].filter((name) => name !== '').toSorted();
  return { unmet, handlers, sandboxImage: typeof sandboxImage === 'string' ? sandboxImage : undefined };
}

/** What is one string: an identity, an address. */
export function stringOf(bytes: Uint8Array): string {
  return new Fields(bytes).string(1);
}

/** `ListPodSandbox`. */
export function sandboxesOf(bytes: Uint8Array): readonly ListedSandbox[] {
  return new Fields(bytes).messages(1).map((fields) => ({
    id: fields.string(1),
    isReady: fields.number(3) === 0,
    createdAtMs: milliseconds(fields.integer(4)),
    labels: textMap(fields, 5),
    annotations: textMap(fields, 6),
  }));
}

/** `PodSandboxStatus`, as far as the runtime tells. */
export interface SandboxStatus {
  readonly addresses: readonly string[];
  /** The process that holds its namespaces. */
  readonly pid?: number;
  /** Path of its network namespace, where it has one of its own. */
  readonly networkNamespace?: string;
}

/** `PodSandboxStatus`. Source: containerd and CRI-O put a document with `pid` and `runtimeSpec`, the OCI runtime's configuration, under `info`. */
export function sandboxStatusOf(bytes: Uint8Array): SandboxStatus {
  const fields = new Fields(bytes);
  const network = fields.message(1).message(5);
  const addresses = [network.string(1), ...network.messages(2).map((one) => one.string(1))];
  const { pid, runtimeSpec } = documentOf(textMap(fields, 2)['info']);
  const path = networkPathOf(runtimeSpec);
  return {
    addresses: addresses.filter((address) => address !== ''),
    ...(typeof pid === 'number' && pid > 0 ? { pid } : {}),
    ...(path === undefined ? {} : { networkNamespace: path }),
  };
}

/** Of the namespaces of a configuration: the network's, where it is kept under a path. */
function networkPathOf(spec: unknown): string | undefined {
  const linux = isObject(spec) && isObject(spec['linux']) ? spec['linux'] : {};
  const { namespaces } = linux;
  if (!Array.isArray(namespaces)) return undefined;
  const network: unknown = namespaces.find((one) => isObject(one) && one['type'] === 'network');
  const path = isObject(network) ? network['path'] : undefined;
  return typeof path === 'string' && path.startsWith('/') ? path : undefined;
}

/** An object of JSON; an empty one for what is none. */
function documentOf(text = '{}'): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(text);
    return isObject(document) ? document : {};
  } catch {
    return {};
  }
}

/** `ListContainers`. */
export function containersOf(bytes: Uint8Array): readonly ListedContainer[] {
  return new Fields(bytes).messages(1).map((fields) => ({
    id: fields.string(1),
    sandboxId: fields.string(2),
    state: states[fields.number(6)] ?? 'unknown',
    annotations: textMap(fields, 9),
  }));
}

/** `ListContainers`: what they are made of, as the runtime names it, by whatever names it has. */
export function usedImagesOf(bytes: Uint8Array): readonly string[] {
  return new Fields(bytes).messages(1).flatMap((fields) => [fields.message(4).string(1), fields.string(5)]);
}

/** `ContainerStatus`. */
export function containerStatusOf(bytes: Uint8Array): CriContainerStatus {
  const fields = new Fields(bytes).message(1);
  const metadata = fields.message(2);
  return {
    id: fields.string(1),
    name: metadata.string(1),
    attempt: metadata.number(2),
    state: states[fields.number(3)] ?? 'unknown',
    createdAtMs: milliseconds(fields.integer(4)),
    startedAtMs: milliseconds(fields.integer(5)),
    finishedAtMs: milliseconds(fields.integer(6)),
    exitCode: fields.number(7),
    reason: fields.string(10),
    message: fields.string(11),
    annotations: textMap(fields, 13),
  };
}

/** `ExecSync`, of whose output so many bytes are kept. */
export function execResultOf(bytes: Uint8Array, bytesMax: number): ExecResult {
  const fields = new Fields(bytes);
  const text = (field: number): string => fields.bytes(field).toString('utf8', 0, bytesMax);
  return { stdout: text(1), stderr: text(2), exitCode: fields.number(3) };
}

/** `ContainerStats`. */
export function statsOf(bytes: Uint8Array): ContainerStats {
  const stats = new Fields(bytes).message(1);
  const [cpu, memory, files] = [stats.message(2), stats.message(3), stats.message(4)];
  const workingSetBytes = memory.message(2).number(1);
  return {
    memoryBytes: memory.has(4) ? memory.message(4).number(1) : workingSetBytes,
    workingSetBytes,
    cpuNanoseconds: cpu.message(2).number(1),
    ...(files.has(3) ? { filesystemBytes: files.message(3).number(1) } : {}),
    ...(files.has(4) ? { filesystemInodes: files.message(4).number(1) } : {}),
  };
}

/** `ListImages`. */
export function imagesOf(bytes: Uint8Array): readonly ImageInfo[] {
  return new Fields(bytes).messages(1).map(imageOf);
}

/** `ListImages`: ids of those that are not to be taken away, as the runtime needs them. */
export function pinnedImagesOf(bytes: Uint8Array): readonly string[] {
  return new Fields(bytes).messages(1).flatMap((fields) => (fields.flag(8) ? [fields.string(1)] : []));
}

/** `ImageFsInfo`: a folder of the disk that images are on; undefined where the runtime does not say. */
export function imageDiskOf(bytes: Uint8Array): string | undefined {
  return new Fields(bytes).message(1).message(2).string(1) || undefined;
}

/** `ImageStatus`; undefined where there is none. */
export function imageStatusOf(bytes: Uint8Array): ImageInfo | undefined {
  const fields = new Fields(bytes);
  return fields.has(1) ? imageOf(fields.message(1)) : undefined;
}

function imageOf(fields: Fields): ImageInfo {
  const name = fields.string(6);
  const user = fields.has(5) ? { uid: fields.message(5).number(1) } : name === '' ? undefined : { name };
  return {
    id: fields.string(1),
    repoTags: fields.strings(2),
    repoDigests: fields.strings(3),
    sizeBytes: fields.number(4),
    ...(user === undefined ? {} : { user }),
  };
}

function textMap(fields: Fields, number: number): Readonly<Record<string, string>> {
  return Object.fromEntries([...fields.map(number)].map(([name, value]) => [name, value.toString('utf8')]));
}

function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n);
}
