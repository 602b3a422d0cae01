/** Starting one container: image, configuration, create, start, postStart, with upstream's events and reasons. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { buildEnvironment, ConfigError } from '../env/environment.ts';
import { expand } from '../env/expand.ts';
import type { FieldContext } from '../env/field-ref.ts';
import { quantityValue } from '../model/amounts.ts';
import { containerFieldPath, specHashOf } from '../model/pod-view.ts';
import type { ContainerConfig, ImageInfo, Mount, Runtime } from '../runtime/runtime.ts';
import type { PodContext } from './pod-context.ts';

/** Time to the next try after a failure that has no back-off of its own. Source: kubelet `backOffPeriod`. */
const retryMs = 10_000;

const defaultMessagePath = '/dev/termination-log';

export type StartOutcome =
  | { readonly ok: true; readonly id: string }
  | { readonly ok: false; readonly reason: string; readonly message: string; readonly retryAtMs: number };

export interface StartOptions {
  readonly context: PodContext;
  readonly pod: Pod;
  readonly container: Container;
  readonly attempt: number;
  readonly runtime: Runtime;
  readonly sandbox: { readonly id: string; readonly ip: string };
  readonly fields: FieldContext;
  /** Host path of each volume by name. */
  readonly volumePaths: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** Starts a container. Rejects only for bugs; an aborted signal is a failure like others. */
export async function startContainer(options: StartOptions): Promise<StartOutcome> {
  const { context, runtime } = options;
  const image = await context.images.ensure({ ...options, event: (...event) => record(options, ...event) });
  if (!image.ok) {
    record(options, 'Warning', 'Failed', `Error: ${image.reason}`);
    return image;
  }
  if (options.signal.aborted) return failure(options, 'ContainerCreating', '');
  let config: ContainerConfig;
  try {
    config = await containerConfig(options, image.image);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    record(options, 'Warning', 'Failed', `Error: ${error.message}`);
    return failure(options, 'CreateContainerConfigError', error.message);
  }
  let id: string;
  try {
    id = await runtime.containers.create(options.sandbox.id, config);
  } catch (error) {
    const message = errorText(error);
    record(options, 'Warning', 'Failed', `Error: ${message}`);
    return failure(options, 'CreateContainerError', message);
  }
  record(options, 'Normal', 'Created', 'Container created');
  try {
    await runtime.containers.start(id);
  } catch (error) {
    const message = errorText(error);
    record(options, 'Warning', 'Failed', `Error: ${message}`);
    await runtime.containers.remove(id);
    return failure(options, 'RunContainerError', message);
  }
  record(options, 'Normal', 'Started', 'Container started');
  return { ok: true, id };
}

function record(options: StartOptions, type: 'Normal' | 'Warning', reason: string, message: string): void {
  const { context, pod, container } = options;
  context.recorder.record(pod, { type, reason, message, fieldPath: containerFieldPath(pod, container.name) });
}

function failure(options: StartOptions, reason: string, message: string): StartOutcome {
  return { ok: false, reason, message, retryAtMs: options.context.clock.nowMs() + retryMs };
}

async function containerConfig(options: StartOptions, image: ImageInfo): Promise<ContainerConfig> {
  const { context, container, fields } = options;
  const env = await buildEnvironment({
    container,
    fields,
    services: context.services(),
    reader: context.reader,
  });
  const expanded = (text: string): string => expand(text, (name) => env[name]);
  const memory = quantityValue(container.resources?.limits?.memory);
  return {
    name: container.name,
    attempt: options.attempt,
    image: container.image ?? '',
    imageRef: image.id,
    command: (container.command ?? []).map(expanded),
    args: (container.args ?? []).map(expanded),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    env: { HOSTNAME: hostnameOf(options.pod), ...env },
    mounts: await mountsOf(options, env),
    ...(memory > 0 ? { memoryLimitBytes: memory } : {}),
    terminationMessagePath: container.terminationMessagePath || defaultMessagePath,
    specHash: specHashOf(container),
  };
}

/** The host name of a pod: its name, as long as a name may be. */
export function hostnameOf(pod: Pod): string {
  const { hostnameOverride, hostname } = pod.spec ?? {};
  return (hostnameOverride || hostname || (pod.metadata?.name ?? '')).slice(0, 63).replace(/[-.]+$/, '');
}

async function mountsOf(options: StartOptions, env: Readonly<Record<string, string>>): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of options.container.volumeMounts ?? []) {
    const root = options.volumePaths.get(mount.name);
    if (root === undefined) throw new ConfigError(`cannot find volume "${mount.name}" to mount into container`);
    const subPath = mount.subPathExpr ? expandStrictly(mount.subPathExpr, env) : (mount.subPath ?? '');
    const hostPath = subPath === '' ? root : await subPathOf(options, { root, subPath, volume: mount.name });
    mounts.push({ containerPath: mount.mountPath, hostPath, readOnly: mount.readOnly === true });
  }
  return mounts;
}

/** Unlike in commands and arguments, a name without a value is an error here. Source: kubelet `ExpandContainerVolumeMounts`. */
function expandStrictly(text: string, env: Readonly<Record<string, string>>): string {
  const missing: string[] = [];
  const expanded = expand(text, (name) => {
    if (!Object.hasOwn(env, name)) missing.push(name);
    return env[name];
  });
  if (missing.length > 0)
    throw new ConfigError(`missing value for ${missing.map((one) => JSON.stringify(one)).join(', ')}`);
  return expanded;
}

/** Source: kubelet `makeMounts`. */
async function subPathOf(
  { context, container }: StartOptions,
  { root, subPath, volume }: { readonly root: string; readonly subPath: string; readonly volume: string },
): Promise<string> {
  if (subPath.startsWith('/')) throw new ConfigError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..')) {
    throw new ConfigError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  }
  try {
    return await context.volumes.within(root, subPath);
  } catch (cause) {
    const message = `failed to prepare subPath for volumeMount "${volume}" of container "${container.name}"`;
    throw Object.assign(new ConfigError(message), { cause });
  }
}
