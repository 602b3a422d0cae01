/** How many requests the API server of a cluster works on at once: by priority and fairness, or in two lanes. */
import { readsMaxDefault, writesMaxDefault } from '#pkg/apiserver/flow/in-flight.ts';
import type { ApiServer, ApiServerOptions } from '#pkg/apiserver/server.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Component } from '#pkg/component/component.ts';
import { Fairness } from '#pkg/registry/flowcontrol/fairness.ts';
import { fairnessPages } from '#pkg/registry/flowcontrol/fairness-pages.ts';
import { type KeepConfigurationOptions, keepFlowControl } from '#pkg/registry/flowcontrol/keep-configuration.ts';

/** How many requests that read, and how many others, are worked on at once; with priority and fairness their sum counts. */
export interface RequestSettings {
  readonly readsMax: number;
  readonly writesMax: number;
  readonly isFair: boolean;
}

/** What a server is given for it. */
export interface RequestRoom {
  readonly options: Pick<ApiServerOptions, 'flowControl' | 'limits' | 'texts'>;
  /** Resolves once the objects that it goes by are known. */
  connect(server: Pick<ApiServer, 'follow'>): Promise<void>;
  /** What keeps those objects. */
  keepers(options: Omit<KeepConfigurationOptions, 'fairness'>): readonly Component[];
}

const asUpstream: RequestSettings = { readsMax: readsMaxDefault, writesMax: writesMaxDefault, isFair: true };

/** Default: as upstream. */
export function requestRoom(clock: Clock, { readsMax, writesMax, isFair }: RequestSettings = asUpstream): RequestRoom {
  const limits = { readInFlightMax: readsMax, writeInFlightMax: writesMax };
  if (!isFair) return { options: { limits }, connect: () => Promise.resolve(), keepers: () => [] };
  const fairness = new Fairness(clock, readsMax + writesMax);
  return {
    options: { flowControl: fairness, texts: fairnessPages(fairness) },
    connect: (server) => fairness.connect(server),
    keepers: (options) => [keepFlowControl({ ...options, fairness })],
  };
}
