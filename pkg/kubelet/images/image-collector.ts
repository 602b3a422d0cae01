/**
 * Takes away images that nothing uses where their disk is nearly full, those first that were used longest ago, until it is as empty as it should be; and those that nothing
 * has used for a long time, if so set. Looks every five minutes. When images were used is known as long as the kubelet lives.
 *
 * Laws:
 * 1. An image that a container, or a volume, is made of is never taken, whether that runs or has ended, and whichever node of the machine has it.
 * 2. For the sake of the disk, none is taken before it was seen for the least age.
 * 3. What cannot be taken is passed over, and said in the event of the node.
 * 4. What counts as freed is what the disk has got back, as far as the runtime says: layers that other images have too give nothing.
 * 5. Each disk that images are on is looked at for itself.
 *
 * Upstream counterpart: kubelet `images/image_gc_manager.go`.
 */
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Observation } from '../eviction/thresholds.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import type { ImageService } from '../runtime/runtime.ts';

/** Source: kubelet `ImageGCPeriod`. */
const lookMs = 300_000;

/** When images go. */
export interface ImageCollectionSettings {
  /** How much of the disk may be used before images are taken away, in percent; 100 for all of it. */
  readonly highPercent: number;
  /** How much of it may be used then. */
  readonly lowPercent: number;
  /** How long an image is left alone after it was first seen. */
  readonly ageMsMin: number;
  /** How long nothing may have used an image before it goes although there is room; 0 for ever. */
  readonly ageMsMax: number;
}

/** What it looks at and acts on. */
export interface ImageCollectorDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: ImageCollectionSettings;
  /** The disk of a folder, or that of the node's own images, in bytes; undefined where that is not known. */
  observe(folder?: string): Promise<Observation | undefined>;
  /** Of the node's runtimes. Those whose images cannot be taken away are left out of account. */
  readonly services: readonly ImageService[];
  /** Records a warning about the node. */
  record(event: { readonly reason: string; readonly message: string }): void;
}

interface SeenImage {
  readonly service: ImageService;
  readonly id: string;
  /** Folder of its disk; undefined for that of the node's own images. */
  readonly disk: string | undefined;
  readonly firstSeenMs: number;
  usedAtMs: number | undefined;
}

/** The collection of images of one node. */
export class ImageCollector {
  readonly #deps: ImageCollectorDeps;
  readonly #seen = new Map<string, SeenImage>();
  /** Folders of the disks that images were seen on at the last look. */
  #disks: ReadonlySet<string | undefined> = new Set();
  /** The last look failed too. */
  #hasFailed = false;

  constructor(deps: ImageCollectorDeps) {
    this.#deps = deps;
  }

  /** Looks until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, record } = this.#deps;
    await repeat(clock, { periodMs: () => lookMs, signal }, async () => {
      try {
        await this.look();
        this.#hasFailed = false;
      } catch (error) {
        if (error instanceof KubeletStoppingError) return;
        log.warn('Images were not looked at, will try again', { error });
        // Once may be chance. Source: `Kubelet.StartGarbageCollection`.
        if (this.#hasFailed) record({ reason: 'ImageGCFailed', message: errorText(error) });
        this.#hasFailed = true;
      }
    });
  }

  /** Looks once. Rejects where what it should have freed could not be freed. */
  async look(): Promise<void> {
    const { clock, settings } = this.#deps;
    const nowMs = clock.monotonicMs();
    const unused = await this.#unused(nowMs);
    const isOld = (image: SeenImage): boolean =>
      settings.ageMsMax > 0 && nowMs - (image.usedAtMs ?? image.firstSeenMs) > settings.ageMsMax;
    const refusals: string[] = [];
    await this.#free(unused.filter(isOld), { bytes: Number.POSITIVE_INFINITY, refusals });
    if (settings.highPercent >= 100) return;
    const eligible = unused.filter((image) => !isOld(image) && nowMs - image.firstSeenMs >= settings.ageMsMin);
    const problems: string[] = [];
    for (const disk of this.#disks) {
      const own = eligible.filter((image) => image.disk === disk);
      const problem = await this.#freeDisk(disk, own, refusals);
      if (problem !== undefined) problems.push(problem);
    }
    if (problems.length > 0) throw new Error(problems.join('; '));
  }

  /** Frees what is to be freed on one disk; says what could not be. */
  async #freeDisk(
    folder: string | undefined,
    eligible: readonly SeenImage[],
    refusals: string[],
  ): Promise<string | undefined> {
    const { settings, observe, record } = this.#deps;
    const disk = await observe(folder);
    if (disk === undefined || disk.capacity === 0) return undefined;
    const usedPercent = 100 - Math.floor((disk.available * 100) / disk.capacity);
    if (usedPercent < settings.highPercent) return undefined;
    const bytes = Math.floor((disk.capacity * (100 - settings.lowPercent)) / 100) - disk.available;
    const freed = await this.#free(eligible, { bytes, refusals });
    if (freed >= bytes) return undefined;
    const refused = refusals.length === 0 ? '' : ` ${refusals.join('; ')}`;
    const message =
      `Failed to garbage collect required amount of images. Attempted to free ${bytes} bytes, ` +
      `but only found ${freed} bytes eligible to free.${refused}`;
    record({ reason: 'FreeDiskSpaceFailed', message });
    return message;
  }

  /** Those that nothing uses now, used longest ago first; notes which are there. */
  async #unused(nowMs: number): Promise<readonly SeenImage[]> {
    const there = new Set<string>();
    const unused: SeenImage[] = [];
    const disks = new Set<string | undefined>();
    for (const [index, service] of this.#deps.services.entries()) {
      if (service.removal === undefined) continue;
      const images = await service.list();
      const used = await service.removal.inUse();
      const disk = await service.removal.disk?.();
      disks.add(disk);
      for (const { id } of images) {
        const key = `${index}/${id}`;
        there.add(key);
        const seen = this.#seen.get(key) ?? { service, id, disk, firstSeenMs: nowMs, usedAtMs: undefined };
        if (used.has(id)) seen.usedAtMs = nowMs;
        else unused.push(seen);
        this.#seen.set(key, seen);
      }
    }
    this.#disks = disks;
    for (const key of this.#seen.keys()) if (!there.has(key)) this.#seen.delete(key);
    return unused.sort((a, b) => (a.usedAtMs ?? -1) - (b.usedAtMs ?? -1) || a.firstSeenMs - b.firstSeenMs);
  }

  /** Takes images away until so many bytes are free; resolves with how many are. */
  async #free(
    images: readonly SeenImage[],
    { bytes, refusals }: { readonly bytes: number; readonly refusals: string[] },
  ): Promise<number> {
    let freed = 0;
    for (const { service, id } of images) {
      if (freed >= bytes) break;
      try {
        freed += (await service.removal?.remove(id)) ?? 0;
      } catch (error) {
        if (error instanceof KubeletStoppingError) throw error;
        refusals.push(errorText(error));
      }
    }
    return freed;
  }
}
