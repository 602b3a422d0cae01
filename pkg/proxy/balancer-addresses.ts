/**
 * Gives Services of type LoadBalancer addresses of a range that the machine reaches, and takes them back of those that are none any more. Which
 * are given is in the Services alone: what it knows it has from them, so that a restart changes nothing. The oldest Service comes first.
 * Services of another load balancer's class are left alone. Upstream counterpart: `service-lb-controller` with a cloud's load balancers.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import { formatIpv4, parseIpv4, parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import { mirrorObjects } from '#pkg/client/mirror.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';

/** Changes within this time are looked at together. */
const gatherMs = 50;
/** What the server refused is tried again after this time. */
const retryMs = 5_000;

/** What it works with. */
export interface BalancerAddressesOptions {
  readonly deps: ComponentDeps;
  /** A range of IPv4. */
  readonly range: string;
}

/** The component. Its informers are those of `deps`, which the composition runs. */
export function createBalancerAddresses(options: BalancerAddressesOptions): Component {
  return { run: (signal) => run(options, signal) };
}

async function run({ deps, range }: BalancerAddressesOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, informers, log } = deps;
  const all = new Map<string, Service>();
  let changed = new Deferred();
  const onChange = (): void => changed.resolve();
  const keyOf = ({ metadata }: Service): string => `${metadata?.namespace}/${metadata?.name}`;
  const mirror = {
    set: (service: Service): void => void all.set(keyOf(service), service),
    remove: (service: Service): void => void all.delete(keyOf(service)),
  };
  mirrorObjects(informers, { ref: services, mirror, onChange });
  signal.addEventListener('abort', onChange, { once: true });
  if (!(await informers.synced(signal))) return;
  while (!signal.aborted) {
    changed = new Deferred();
    let retry: { cancel(): void } | undefined;
    for (const { service, address } of addressesToWrite([...all.values()], range)) {
      const { name = '', namespace = '', resourceVersion = '' } = service.metadata ?? {};
      const ingress = address === undefined ? [] : [{ ip: address, ipMode: 'VIP' }];
      const patch = { metadata: { resourceVersion }, status: { loadBalancer: { ingress } } };
      try {
        const options = { type: 'merge', namespace, subresource: 'status', signal } as const;
        await client.resource(services).patch(name, patch, options);
      } catch (error) {
        if (signal.aborted) break;
        // The newer state comes by itself.
        if (isConflict(error) || isNotFound(error)) continue;
        log.warn('Cannot give a Service its load balancer address', { service: `${namespace}/${name}`, error });
        retry ??= clock.setTimeout(onChange, retryMs);
      }
    }
    if (!signal.aborted) await changed.promise;
    retry?.cancel();
    await sleep(clock, gatherMs, signal);
  }
}

/** Services whose address is to be another, and which: none for those that are to have none. What a Service asks for it gets where it is free. */
export function addressesToWrite(
  all: readonly Service[],
  range: string,
): readonly { readonly service: Service; readonly address?: string }[] {
  const block = parseIpv4Range(range);
  if (block === undefined) return [];
  const offsetOf = (address: string | undefined): number | undefined => {
    const offset = (parseIpv4(address ?? '') ?? -1) - block.base;
    return offset >= 1 && offset < block.size - 1 ? offset : undefined;
  };
  const givenOf = ({ status }: Service): number | undefined => offsetOf(status?.loadBalancer?.ingress?.[0]?.ip);
  const isOurs = ({ spec, metadata }: Service): boolean =>
    spec?.type === 'LoadBalancer' && spec.loadBalancerClass === undefined && metadata?.deletionTimestamp === undefined;
  const used = new Set(all.filter(isOurs).flatMap((service) => givenOf(service) ?? []));
  const writes: { service: Service; address?: string }[] = [];
  for (const service of all.toSorted(byAge)) {
    const given = givenOf(service);
    if (!isOurs(service)) {
      // Only what was given here is taken back.
      const isGone = service.metadata?.deletionTimestamp !== undefined || service.spec?.loadBalancerClass !== undefined;
      if (given !== undefined && !isGone) writes.push({ service });
      continue;
    }
    if (given !== undefined || (service.status?.loadBalancer?.ingress?.length ?? 0) > 0) continue;
    const wanted = offsetOf(service.spec?.loadBalancerIP);
    const offset = wanted !== undefined && !used.has(wanted) ? wanted : firstFree(used, block.size - 1);
    if (offset === undefined) continue;
    used.add(offset);
    writes.push({ service, address: formatIpv4(block.base + offset) });
  }
  return writes;
}

function firstFree(used: ReadonlySet<number>, end: number): number | undefined {
  for (let offset = 1; offset < end; offset++) if (!used.has(offset)) return offset;
  return undefined;
}

function byAge(a: Service, b: Service): number {
  const key = ({ metadata }: Service): string =>
    `${metadata?.creationTimestamp ?? ''} ${metadata?.namespace}/${metadata?.name}`;
  return key(a) < key(b) ? -1 : 1;
}
