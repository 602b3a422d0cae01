/**
 * How full the volumes of a node's pods are. Nobody looks while nobody asks, but at volumes of drivers, each minute: what those say is wrong with one is an event of its pod.
 * Invariant: of one volume one look is under way, and it counts for a minute; a volume that cannot be looked at is left out. Upstream counterpart: kubelet `server/stats` `volumeStatCalculator`.
 */
import { claimNameOf } from '#pkg/api/storage/claim-name.ts';
import type { Pod, Volume } from '#pkg/api/types/core-v1.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { RecordedEvent } from '#pkg/client/event-recorder.ts';
import type { DriverVolumes } from './driver-volumes.ts';
import type { VolumeHost } from './volume-host.ts';
import type { VolumeMounted } from './volume-mounted.ts';
import type { PodVolumeUsage, VolumeMeasure, VolumeUsage } from './volume-usage.ts';

/** What they work with. */
export interface VolumeMeasuresDeps {
  readonly clock: Clock;
  readonly host: Pick<VolumeHost, 'usageOf'>;
  readonly drivers?: DriverVolumes | undefined;
  record(pod: Pod, event: RecordedEvent): void;
}

/** How long a look counts, and how often volumes of drivers are looked at. Source: `volumeStatsAggPeriod`. */
const lookMs = 60_000;

interface Known {
  readonly volume: Volume;
  readonly path: string;
  readonly measure: VolumeMeasure;
  look?: { readonly timeMs: number; readonly usage: Promise<VolumeUsage | undefined> };
}

interface KnownPod {
  readonly pod: Pod;
  readonly volumes: Map<string, Known>;
}

/** The volumes that one kubelet has mounted. */
export class VolumeMeasures {
  readonly #deps: VolumeMeasuresDeps;
  readonly #pods = new Map<string, KnownPod>();

  constructor(deps: VolumeMeasuresDeps) {
    this.#deps = deps;
  }

  /** A volume of the pod is there. */
  add(pod: Pod, volume: Volume, { path, measure }: VolumeMounted): void {
    if (measure === undefined) return;
    const uid = pod.metadata?.uid ?? '';
    const volumes = this.#pods.get(uid)?.volumes ?? new Map<string, Known>();
    const before = volumes.get(volume.name);
    if (before?.path !== path) volumes.set(volume.name, { volume, path, measure });
    this.#pods.set(uid, { pod, volumes });
  }

  /** The volumes of a pod go. */
  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  /** How full those of a pod are, by name. */
  async usageOf(podUid: string): Promise<readonly PodVolumeUsage[]> {
    const known = this.#pods.get(podUid);
    return known === undefined ? [] : this.#usages(known, () => true);
  }

  /** Looks at volumes of drivers until `signal` is aborted; at once done where there are no drivers. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#deps.drivers === undefined) return;
    while (!signal.aborted) {
      for (const known of [...this.#pods.values()]) await this.#usages(known, ({ measure }) => measure === 'driver');
      await sleep(this.#deps.clock, lookMs, signal);
    }
  }

  async #usages({ pod, volumes }: KnownPod, isAsked: (known: Known) => boolean): Promise<readonly PodVolumeUsage[]> {
    const asked = [...volumes.values()].filter(isAsked).toSorted((a, b) => (a.volume.name < b.volume.name ? -1 : 1));
    const found = await Promise.all(
      asked.map(async (known) => {
        const { timeMs, usage } = this.#look(pod, known);
        const said = await usage;
        return said === undefined
          ? []
          : [{ ...said, name: known.volume.name, timeMs, claimName: claimNameOf(pod, known.volume) }];
      }),
    );
    return found.flat();
  }

  #look(pod: Pod, known: Known) {
    const { clock } = this.#deps;
    const timeMs = clock.nowMs();
    if (known.look !== undefined && timeMs - known.look.timeMs < lookMs) return known.look;
    known.look = { timeMs, usage: this.#measured(pod, known) };
    return known.look;
  }

  async #measured(pod: Pod, { volume, path, measure }: Known): Promise<VolumeUsage | undefined> {
    const { drivers, host, record } = this.#deps;
    if (measure !== 'driver') return host.usageOf(path, measure).catch(() => undefined);
    const usage = await drivers?.usageOf(path).catch(() => undefined);
    if (usage?.condition?.isAbnormal === true) {
      const message = `Volume ${volume.name}: ${usage.condition.message}`;
      record(pod, { type: 'Warning', reason: 'VolumeConditionAbnormal', message });
    }
    return usage;
  }
}
