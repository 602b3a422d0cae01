/** A ConfigMap of `kube-system` that a server keeps as it should be: it looks at it from time to time, and makes or changes it where that is needed. */
import { configMaps } from '#pkg/api/types/refs.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

/** In whose name a ConfigMap is kept, and where it is said when it cannot be. */
export interface ConfigMapKeeper {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The ConfigMap. */
export interface KeptConfigMap {
  readonly name: string;
  /** Between two looks. */
  readonly periodMs: number;
  /** What its data should be, by what they are; undefined where nothing is to be done. */
  readonly wanted: (data: Readonly<Record<string, string>> | undefined) => Record<string, string> | undefined;
  /** What is logged where it is refused, which is tried again. */
  readonly complaint: string;
}

const namespace = 'kube-system';

/** Makes the component. */
export function keptConfigMap({ client, clock, log }: ConfigMapKeeper, kept: KeptConfigMap): Component {
  const { name, periodMs, wanted, complaint } = kept;
  const resource = client.resource(configMaps);
  const look = async (): Promise<void> => {
    const there = await resource.get(name, { namespace }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const data = wanted(there?.data);
    if (data === undefined) return;
    if (there === undefined) await resource.create({ metadata: { name, namespace }, data });
    else await resource.update({ ...there, data });
  };
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        try {
          await look();
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn(complaint, { error });
        }
      }),
  };
}
