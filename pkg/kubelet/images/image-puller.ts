/**
 * Makes sure that a container's image is there before the container is made, as its pull policy says, with back-off between
 * failed pulls and upstream's events. Source: kubelet `images/image_manager.go`.
 */

import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { formatDuration } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { ObjectReader } from '../env/environment.ts';
import { BackOff } from '../model/back-off.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import { type ImageInfo, type RegistryCredentials, type Runtime, RuntimeError } from '../runtime/runtime.ts';
import type { CredentialProviders } from './credential-providers.ts';
import { pullLogins } from './pull-secrets.ts';

/** The image, or why it is not there. */
export type ImageOutcome =
  | { readonly ok: true; readonly image: ImageInfo }
  /** `retryAtMs` is when another try makes sense. */
  | { readonly ok: false; readonly reason: ImageFailure; readonly message: string; readonly retryAtMs: number };

/** Reasons of a container that waits for its image, as the kubelet writes them. */
export type ImageFailure =
  | 'ErrImageNeverPull'
  | 'ErrImagePull'
  | 'ImageInspectError'
  | 'ImagePullBackOff'
  | 'InvalidImageName';

/** Records an event on the container. */
export type ImageEvent = (type: 'Normal' | 'Warning', reason: string, message: string) => void;

/** What it works with. */
export interface ImagePullerDeps {
  readonly clock: Clock;
  /** Pull secrets of pods. */
  readonly readSecret: ObjectReader['secret'];
  /** Programs that have logins. */
  readonly providers: CredentialProviders;
}

/** For which container, and who hears of it. */
export interface EnsureImageOptions {
  readonly pod: Pod;
  readonly container: Container;
  readonly runtime: Runtime;
  readonly event: ImageEvent;
  readonly signal: AbortSignal;
}

/** Time to the next try where there is no back-off: what is wrong with the name changes only with the pod. */
const retryMs = 10_000;

/** How long a failed pull shows as such before it shows as waiting for the next one. */
const noticeMs = 1_000;

/** The pulls of one node, and how often those of each container have failed. */
export class ImagePuller {
  readonly #clock: Clock;
  readonly #readSecret: ObjectReader['secret'];
  readonly #providers: CredentialProviders;
  readonly #backOff = new BackOff();
  /** When the last pull failed and why, by pod and image. */
  readonly #failures = new Map<string, { readonly atMs: number; readonly message: string; announced: boolean }>();

  constructor({ clock, readSecret, providers }: ImagePullerDeps) {
    this.#clock = clock;
    this.#readSecret = readSecret;
    this.#providers = providers;
  }

  /** Forgets the failures of a pod that has gone. */
  forget(podUid: string): void {
    for (const key of this.#failures.keys()) {
      if (!key.startsWith(`${podUid}/`)) continue;
      this.#failures.delete(key);
      this.#backOff.reset(key);
    }
  }

  /** Checks, pulls if needed, and tells the outcome; never rejects for what the runtime refuses. */
  async ensure(options: EnsureImageOptions): Promise<ImageOutcome> {
    const { container, runtime, event } = options;
    const image = container.image ?? '';
    let present: ImageInfo | undefined;
    try {
      present = await runtime.images.status(image);
    } catch (error) {
      if (error instanceof KubeletStoppingError) throw error;
      const message = errorText(error);
      const invalid = error instanceof RuntimeError && error.reason === 'invalidImage';
      event('Warning', 'InspectFailed', message);
      return this.#fail(invalid ? 'InvalidImageName' : 'ImageInspectError', message, retryMs);
    }
    const policy = container.imagePullPolicy ?? 'IfNotPresent';
    if (present !== undefined && policy !== 'Always') {
      event('Normal', 'Pulled', `Container image "${image}" already present on machine and can be accessed by the pod`);
      return { ok: true, image: present };
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      event('Warning', 'ErrImageNeverPull', message);
      return this.#fail('ErrImageNeverPull', message, retryMs);
    }
    return this.#pull(options, image);
  }

  async #pull(options: EnsureImageOptions, image: string): Promise<ImageOutcome> {
    const { pod, runtime, event, signal } = options;
    const key = `${pod.metadata?.uid}/${image}`;
    const failure = this.#failures.get(key);
    if (failure !== undefined) {
      const { leftMs } = this.#backOff.remaining(key, failure.atMs, this.#clock.nowMs());
      if (leftMs > 0) {
        const message = `Back-off pulling image "${image}"`;
        if (!failure.announced) event('Normal', 'BackOff', message);
        failure.announced = true;
        return this.#fail('ImagePullBackOff', `${message}: ErrImagePull: ${failure.message}`, leftMs);
      }
    }
    event('Normal', 'Pulling', `Pulling image "${image}"`);
    const startMs = this.#clock.nowMs();
    try {
      const credentials = await this.#logins(options, image);
      const annotations = pod.metadata?.annotations ?? {};
      const pulled = await runtime.images.pull(image, { annotations, credentials, signal });
      const took = formatDuration(Math.round(this.#clock.nowMs() - startMs) * 1e6);
      event(
        'Normal',
        'Pulled',
        `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${pulled.sizeBytes} bytes.`,
      );
      this.#failures.delete(key);
      this.#backOff.reset(key);
      return { ok: true, image: pulled };
    } catch (error) {
      if (error instanceof KubeletStoppingError) throw error;
      const message = errorText(error);
      const nowMs = this.#clock.nowMs();
      event('Warning', 'Failed', `Failed to pull image "${image}": ${message}`);
      this.#backOff.next(key, nowMs);
      this.#failures.set(key, { atMs: nowMs, message, announced: false });
      return this.#fail('ErrImagePull', message, noticeMs);
    }
  }

  /** Of the pod's pull secrets, and then of the node's programs. */
  async #logins(options: EnsureImageOptions, image: string): Promise<readonly RegistryCredentials[]> {
    // A file of the node is in no registry.
    if (image.startsWith('file:')) return [];
    const ofSecrets = await this.#loginsOfSecrets(options, image);
    return [...ofSecrets, ...(await this.#providers.logins(image))];
  }

  /** An event says which of them cannot be had. */
  async #loginsOfSecrets({ pod, event }: EnsureImageOptions, image: string): Promise<readonly RegistryCredentials[]> {
    if (pod.spec?.imagePullSecrets === undefined) return [];
    const { credentials, missing } = await pullLogins(pod, image, this.#readSecret);
    if (missing.length > 0) {
      const what = `Unable to retrieve some image pull secrets (${missing.join(', ')})`;
      event('Warning', 'FailedToRetrieveImagePullSecret', `${what}; attempting to pull the image may not succeed.`);
    }
    return credentials;
  }

  #fail(reason: ImageFailure, message: string, delayMs: number): ImageOutcome {
    return { ok: false, reason, message, retryAtMs: this.#clock.nowMs() + delayMs };
  }
}
