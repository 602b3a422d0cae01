/**
 * Pods that files of the node describe, whether the API knows of them or not: begun when their file is there, ended when it goes, made anew when it says something else.
 *
 * Laws:
 * 1. Of one name one pod runs: another begins once nothing is left of the one before.
 * 2. What a file says decides which pod it is, so a kubelet that starts again goes on with what runs.
 * 3. A file that cannot be read as a pod changes nothing of what runs, and is said once for each way in which it is wrong.
 *
 * Upstream counterpart: kubelet `config/file.go`, which ends the pod of a file that is not right.
 */
import { staticPodAnnotations } from '#pkg/api/core/static-pods.ts';
import type { Pod, PodStatus } from '#pkg/api/types/core-v1.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';

/** What is at a place: a pod, complete, with a uid that what it says decides; or why there is none. */
export type StaticPodFile =
  | { readonly place: string; readonly pod: Pod }
  | { readonly place: string; readonly problem: string };

/** Where they are. */
export interface StaticPodSettings {
  /** In the order of their places. Rejects where nothing can be read. */
  read(): Promise<readonly StaticPodFile[]>;
  /** Calls `onChange` when there may be something else, until `signal` is aborted. */
  watch(onChange: () => void, signal: AbortSignal): void;
  /** They are looked at so often in any case, in milliseconds. */
  readonly periodMs: number;
}

/** What runs them. */
export interface StaticPodsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  start(pod: Pod): void;
  end(pod: Pod): void;
  /** What the API says of a pod, from before. */
  statusOf(pod: Pod): PodStatus | undefined;
  /** The pods that there are now, those that end among them. */
  onPods(all: Iterable<Pod>): void;
}

/** The static pods of one kubelet. */
export class StaticPods {
  readonly #deps: StaticPodsDeps;
  readonly #settings: StaticPodSettings;
  /** What each place said last that was right. */
  readonly #places = new Map<string, Pod>();
  readonly #problems = new Map<string, string>();
  /** By namespace and name. */
  readonly #running = new Map<string, { readonly pod: Pod; isEnding: boolean }>();
  #changed = Promise.withResolvers<void>();

  constructor(deps: StaticPodsDeps, settings: StaticPodSettings) {
    this.#deps = deps;
    this.#settings = settings;
  }

  /** Looks at the files once, and does what they say. */
  async look(): Promise<void> {
    const { log } = this.#deps;
    let files: readonly StaticPodFile[];
    try {
      files = await this.#settings.read();
    } catch (error) {
      log.error('Static pods cannot be read', { error });
      files = [...this.#places].map(([place, pod]) => ({ place, pod }));
    }
    const places = new Set(files.map(({ place }) => place));
    for (const place of this.#places.keys()) if (!places.has(place)) this.#places.delete(place);
    for (const place of this.#problems.keys()) if (!places.has(place)) this.#problems.delete(place);
    for (const file of files) {
      if ('pod' in file) {
        this.#places.set(file.place, file.pod);
        this.#problems.delete(file.place);
      } else this.#say(file.place, file.problem);
    }
    this.#settle();
  }

  /** Nothing is left of a pod. */
  forgotten(pod: Pod): void {
    const key = objectKey(pod);
    if (this.#running.get(key)?.pod.metadata?.uid !== pod.metadata?.uid) return;
    this.#running.delete(key);
    this.#settle();
  }

  /** Follows the files until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#settings.watch(() => this.#changed.resolve(), signal);
    while (!signal.aborted) {
      await Promise.race([this.#changed.promise, sleep(this.#deps.clock, this.#settings.periodMs, signal)]);
      if (signal.aborted) return;
      this.#changed = Promise.withResolvers();
      await this.look();
    }
  }

  #say(place: string, problem: string): void {
    if (this.#problems.get(place) === problem) return;
    this.#problems.set(place, problem);
    this.#deps.log.error('A file is no static pod', { file: place, problem });
  }

  #settle(): void {
    const wanted = new Map<string, Pod>();
    for (const [place, pod] of this.#places) {
      const key = objectKey(pod);
      if (wanted.has(key)) this.#say(place, `another file has the pod ${key}`);
      else wanted.set(key, pod);
    }
    for (const [key, one] of this.#running) {
      if (one.isEnding || wanted.get(key)?.metadata?.uid === one.pod.metadata?.uid) continue;
      one.isEnding = true;
      this.#deps.end(one.pod);
    }
    const news = [...wanted].flatMap(([key, pod]) => (this.#running.has(key) ? [] : [this.#begun(pod)]));
    for (const pod of news) this.#running.set(objectKey(pod), { pod, isEnding: false });
    this.#deps.onPods([...this.#running.values()].map(({ pod }) => pod));
    for (const pod of news) this.#deps.start(pod);
  }

  #begun(pod: Pod): Pod {
    const { metadata } = pod;
    const seen = new Date(this.#deps.clock.nowMs()).toISOString();
    const status = this.#deps.statusOf(pod) ?? pod.status;
    return {
      ...pod,
      metadata: { ...metadata, annotations: { ...metadata?.annotations, [staticPodAnnotations.seen]: seen } },
      ...(status === undefined ? {} : { status }),
    };
  }
}
