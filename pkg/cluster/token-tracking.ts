/**
 * Keeps the ConfigMap that says since when the servers of the cluster keep the use of tokens that Secrets hold, without which nobody takes such tokens away.
 * Upstream counterpart: `pkg/controlplane/controller/legacytokentracking`.
 */
import { dayOf, dayStartMs, tokenTrackingName } from '#pkg/api/core/legacy-tokens.ts';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

/** How soon one that was deleted is made again. Source: the limit of creations of upstream's controller. */
const periodMs = 30 * 60_000;
const namespace = 'kube-system';

/** In whose name it is written, and what day it is. */
export interface TokenTrackingOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Makes the component: a day that is there and can be read stays. What is refused is logged and tried again. */
export function createTokenTracking({ client, clock, log }: TokenTrackingOptions): Component {
  const resource = client.resource(configMaps);
  const find = async (): Promise<ConfigMap | undefined> => {
    try {
      return await resource.get(tokenTrackingName, { namespace });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        try {
          const there = await find();
          if (dayStartMs(there?.data?.since) !== undefined) return;
          const data = { ...there?.data, since: dayOf(clock.nowMs()) };
          if (there === undefined) await resource.create({ metadata: { name: tokenTrackingName, namespace }, data });
          else await resource.update({ ...there, data });
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn('Cannot write since when the use of tokens is kept', { error });
        }
      }),
  };
}
