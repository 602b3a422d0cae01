/**
 * An APIService for each group in a version that this server itself answers for: the built-in ones and those of custom resources. What people have made under such a name stays;
 * those that were made here go when what they are of is no longer served.
 * Upstream counterpart: kube-aggregator `pkg/controllers/autoregister`, kubernetes `pkg/controlplane/apiserver/aggregator.go`.
 */
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { ServedDefinitions } from '#pkg/apiserver/server.ts';
import { repeat, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';
import { type APIService, apiServices } from './api-service.ts';

/** What is served, and by whom it is said. */
export interface RegistrationOptions {
  /** As the server itself. */
  readonly client: Client;
  readonly served: Pick<ServedDefinitions, 'expected' | 'generation' | 'list'>;
  readonly clock: Clock;
  /** By which it puts off its beginning. */
  readonly networkClock: Clock;
  readonly log: Logger;
}

/** It begins this much later than the server: thirty objects that nobody waits for would keep those waiting who wait for a start. */
const beginMs = 250;

/** One commit has so many; others are answered between them. */
const madeTogether = 8;

const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';
const periodMs = 1_000;

/** The order of discovery. Source: kubernetes `pkg/controlplane/apiserver/aggregator.go` `DefaultGenericAPIServicePriorities`. */
const groupPriorities: Readonly<Record<string, number>> = {
  '': 18_000,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  'autoscaling.k8s.io': 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  apps: 17_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'internal.apiserver.k8s.io': 16_000,
  // As the metrics server's own APIService has it.
  'metrics.k8s.io': 100,
  'resource.k8s.io': 16_200,
  'storagemigration.k8s.io': 16_200,
};

/** Those of custom resources. Source: `pkg/controlplane/controller/crdregistration`. */
const customPriorities = { groupPriorityMinimum: 1_000, versionPriority: 100 };

const stablePriority = 15;

/** Makes the component: it looks every second whether what is served has changed, which is a comparison of two numbers. */
export function createRegistration({ client, served, clock, networkClock, log }: RegistrationOptions): Component {
  let done: number | undefined;
  const resource = client.resource(apiServices);
  return {
    async run(signal) {
      await sleep(networkClock, beginMs, signal);
      await repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        const { generation } = served;
        // What is not read yet was registered when it was made.
        if (done === generation || !served.expected.isEmpty) return;
        try {
          const [{ items }, { items: crds }] = await Promise.all([
            resource.list(),
            client.resource(customResourceDefinitions).list(),
          ]);
          const wanted = wantedServices(served, new Set(crds.map(({ spec }) => spec.group)));
          const there = new Set(items.map(({ metadata }) => metadata?.name ?? ''));
          const missing = [...wanted.values()].filter(({ metadata }) => !there.has(metadata?.name ?? ''));
          for (let from = 0; from < missing.length; from += madeTogether)
            await Promise.all(missing.slice(from, from + madeTogether).map((one) => make(resource, one)));
          for (const { metadata } of items) {
            const name = metadata?.name ?? '';
            if (metadata?.labels?.[managedLabel] === 'true' && !wanted.has(name)) await remove(resource, name);
          }
          done = generation;
        } catch (error) {
          if (!signal.aborted) log.warn('Cannot register what is served', { error });
        }
      });
    },
  };
}

type Resource = ResourceClient<APIService>;

async function make(resource: Resource, service: APIService): Promise<void> {
  try {
    await resource.create(service);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

async function remove(resource: Resource, name: string): Promise<void> {
  try {
    await resource.delete(name);
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

function wantedServices(
  served: Pick<ServedDefinitions, 'list'>,
  customGroups: ReadonlySet<string>,
): ReadonlyMap<string, APIService> {
  const wanted = new Map<string, APIService>();
  for (const { group, version } of served.list()) {
    const name = `${version}.${group}`;
    // What says who answers for what is answered for by itself.
    if (group === apiServices.group || wanted.has(name)) continue;
    const isCustom = customGroups.has(group);
    const own = {
      groupPriorityMinimum: groupPriorities[group] ?? 17_000,
      versionPriority: group === '' ? 1 : priorityOf(version),
    };
    wanted.set(name, {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name, labels: { [managedLabel]: isCustom ? 'true' : 'onstart' } },
      spec: { ...(group === '' ? {} : { group }), version, ...(isCustom ? customPriorities : own) },
    });
  }
  return wanted;
}

/** Stable ones first. Source: as above: 15 or more for stable ones, 9 and less for others. */
function priorityOf(version: string): number {
  const [, number = '1', rest = ''] = /^v(\d+)(.*)$/.exec(version) ?? [];
  if (rest === '') return Math.min(stablePriority + Number(number) - 1, 1_000);
  return rest.startsWith('beta') ? 9 : 1;
}
