/** Starting one container: image, configuration, create, start, postStart, with upstream's events and reasons. */
import { errorText } from '#pkg/base/error-text.ts';
import { ConfigError } from '../env/config-error.ts';
import { containerFieldPath } from '../model/pod-view.ts';
import type { ContainerConfig } from '../runtime/container-config.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import { unenforced } from '../runtime/requirements.ts';
import { type ConfigOptions, containerConfig } from './container-config.ts';

/** Time to the next try after a failure that has no back-off of its own. Source: kubelet `backOffPeriod`. */
const retryMs = 10_000;

/** The container that runs or has ended already, or why there is none and when to try again. */
export type StartOutcome =
  | { readonly ok: true; readonly id: string }
  | { readonly ok: false; readonly reason: string; readonly message: string; readonly retryAtMs: number };

/** Which container, in which sandbox. */
export interface StartOptions extends ConfigOptions {
  readonly sandbox: ConfigOptions['sandbox'] & { readonly id: string };
}

/** Starts a container. Rejects only for bugs and with `KubeletStoppingError`; an aborted signal is a failure like others. */
export async function startContainer(options: StartOptions): Promise<StartOutcome> {
  const { context, runtime } = options;
  const image = await context.images.ensure({ ...options, event: (...event) => record(options, ...event) });
  if (!image.ok) {
    record(options, 'Warning', 'Failed', `Error: ${image.reason}`);
    return image;
  }
  const imageVolumes = await ensureImageVolumes(options);
  if (!(imageVolumes instanceof Map)) return imageVolumes;
  if (options.signal.aborted) return failure(options, 'ContainerCreating', '');
  let config: ContainerConfig;
  try {
    config = await containerConfig(options, image.image, imageVolumes);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    record(options, 'Warning', 'Failed', `Error: ${error.message}`);
    return failure(options, 'CreateContainerConfigError', error.message);
  }
  let id: string;
  try {
    id = await runtime.containers.create(options.sandbox.id, config);
  } catch (error) {
    if (error instanceof KubeletStoppingError) throw error;
    const message = errorText(error);
    record(options, 'Warning', 'Failed', `Error: ${message}`);
    return failure(options, 'CreateContainerError', message);
  }
  record(options, 'Normal', 'Created', 'Container created');
  const unkept = unenforced(config, runtime.capabilities);
  if (unkept.length > 0) {
    const message = `The ${runtime.capabilities.name} runtime does not enforce ${unkept.join(', ')}`;
    record(options, 'Warning', 'NotEnforced', message);
  }
  try {
    await runtime.containers.start(id);
  } catch (error) {
    if (error instanceof KubeletStoppingError) throw error;
    const message = errorText(error);
    record(options, 'Warning', 'Failed', `Error: ${message}`);
    // Where the program could not be run at all, that was the container's end, which counts as one.
    if ((await runtime.containers.status(id))?.state === 'exited') return { ok: true, id };
    await runtime.containers.remove(id);
    return failure(options, 'RunContainerError', message);
  }
  record(options, 'Normal', 'Started', 'Container started');
  return { ok: true, id };
}

/** Ids of the images that its volumes show, by the name of the volume; or why one of them is not there. */
async function ensureImageVolumes(
  options: StartOptions,
): Promise<Map<string, string> | Extract<StartOutcome, { ok: false }>> {
  const { context, container, pod, runtime } = options;
  const ids = new Map<string, string>();
  for (const { name, image } of pod.spec?.volumes ?? []) {
    if (image === undefined || !container.volumeMounts?.some((mount) => mount.name === name)) continue;
    // Where the runtime cannot, that is what is said, and nothing is pulled for it.
    if (!runtime.capabilities.features.has('imageVolumes')) ids.set(name, '');
    else {
      const { reference = '', pullPolicy = 'IfNotPresent' } = image;
      const found = await context.images.ensure({
        ...options,
        container: { name: container.name, image: reference, imagePullPolicy: pullPolicy },
        event: (...event) => record(options, ...event),
      });
      if (!found.ok) {
        record(options, 'Warning', 'Failed', `Error: ${found.reason}`);
        return found;
      }
      ids.set(name, found.image.id);
    }
  }
  return ids;
}

function record(options: StartOptions, type: 'Normal' | 'Warning', reason: string, message: string): void {
  const { context, pod, container } = options;
  context.recorder.record(pod, { type, reason, message, fieldPath: containerFieldPath(pod, container.name) });
}

function failure(options: StartOptions, reason: string, message: string): StartOutcome {
  return { ok: false, reason, message, retryAtMs: options.context.clock.nowMs() + retryMs };
}
