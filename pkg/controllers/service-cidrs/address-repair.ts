/**
 * Brings the IPAddress objects in line with the Services: each address of a Service has the object that names it, and no object names a Service that does not
 * have it. So Services of before there were objects get theirs, and what a server that died had taken is free again.
 *
 * Invariant: an object is deleted only when it is a minute old: younger ones may be of a Service that is being made. Runs with each API server; what one of them has
 * done, the others find done. Upstream counterpart: `pkg/registry/core/service/ipallocator/controller/repairip.go`.
 */
import { addressLabels, addressManager, addressOf } from '#pkg/api/service-address.ts';
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { IPAddress, ServiceCIDR } from '#pkg/api/types/networking-v1.ts';
import { ipAddresses, serviceCIDrs, services } from '#pkg/api/types/refs.ts';
import { formatIp, parseIp } from '#pkg/apimachinery/ip.ts';
import { isNotFound, reasonOf } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component } from '#pkg/component/component.ts';
import { createPeriodicLoop } from '../common/controller.ts';
import { timeMs } from '../common/pod.ts';
import { holdsAddress } from './ranges.ts';

/** What the loop needs. */
export interface AddressRepairOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

type Repairing = Pick<AddressRepairOptions, 'client' | 'clock'> & { readonly recorder: EventRecorder };

/** Time between two looks. Source: `repairLoopInterval`. */
const periodMs = 180_000;

/** How old an object is before it counts as left over. Source: `syncIPAddress`. */
const leftOverMs = 60_000;

/** Looks at once and then every three minutes, in a loop as every controller's: a look that fails is logged and tried again with back-off. */
export function createAddressRepair(options: AddressRepairOptions): Component {
  const { client, clock } = options;
  return {
    async run(signal) {
      const recorder = createEventRecorder({ ...options, component: 'ipallocator-repair-controller', signal });
      const work = (): Promise<void> => repairAddresses({ client, clock, recorder });
      await createPeriodicLoop(options, { name: 'ipallocator-repair', periodMs, work }).run(signal);
      await recorder.flush();
    },
  };
}

/** Looks once. */
async function repairAddresses(options: Repairing): Promise<void> {
  const { client, clock } = options;
  // Objects first: what is made while this reads has no object yet here, and making it anew does nothing.
  const [objects, ranges, all] = [
    await client.resource(ipAddresses).list(),
    await client.resource(serviceCIDrs).list(),
    await client.resource(services).list(),
  ];
  const byIp = new Map(objects.items.map((object) => [object.metadata?.name ?? '', object]));
  const owners = new Map<string, Service>();
  for (const service of all.items) {
    for (const text of service.spec?.clusterIPs ?? []) {
      if (text === 'None') continue;
      await repairOne(options, { service, text, ranges: ranges.items, byIp, owners });
    }
  }
  for (const object of objects.items) {
    if (object.metadata?.labels?.[addressLabels.managedBy] !== addressManager) continue;
    const ip = object.metadata.name ?? '';
    if (owners.has(ip) || clock.nowMs() - timeMs(object.metadata.creationTimestamp) < leftOverMs) continue;
    await remove(client, ip);
  }
}

interface Claim {
  readonly service: Service;
  readonly text: string;
  readonly ranges: readonly ServiceCIDR[];
  readonly byIp: ReadonlyMap<string, IPAddress>;
  /** Who has which address, of those that were looked at. */
  readonly owners: Map<string, Service>;
}

async function repairOne(
  { client, recorder }: Repairing,
  { service, text, ranges, byIp, owners }: Claim,
): Promise<void> {
  const address = parseIp(text);
  const warn = (reason: string, message: string): void =>
    recorder.record(service, { type: 'Warning', reason, message });
  if (address === undefined) {
    warn('ClusterIPNotValid', `Cluster IP ${text} is not a valid IP; please recreate Service`);
    return;
  }
  const ip = formatIp(address);
  const family = address.length === 4 ? 'IPv4' : 'IPv6';
  if (!ranges.some((range) => holdsAddress(range, ip))) {
    owners.set(ip, service);
    const why = 'is not within any configured Service CIDR; please recreate service';
    warn('ClusterIPOutOfRange', `Cluster IP [${family}]: ${ip} ${why}`);
    return;
  }
  if (owners.has(ip)) {
    const why = 'was assigned to multiple services; please recreate service';
    warn('ClusterIPAlreadyAllocated', `Cluster IP [${family}]:${ip} ${why}`);
    return;
  }
  owners.set(ip, service);
  const { namespace = '', name = '' } = service.metadata ?? {};
  const wanted = addressOf(ip, { namespace, name });
  const object = byIp.get(ip);
  if (object === undefined) {
    if (await make(client, wanted))
      warn('ClusterIPNotAllocated', `Cluster IP [${family}]: ${ip} is not allocated; repairing`);
    return;
  }
  if (isSame(object, wanted)) return;
  const whose = `for Service ${namespace}/${name} has a wrong reference; repairing`;
  warn('ClusterIPNotAllocated', `the ClusterIP [${family}]: ${ip} ${whose}`);
  await remove(client, ip);
  await make(client, wanted);
}

function isSame(object: IPAddress, wanted: IPAddress): boolean {
  const [is, ought] = [object.spec?.parentRef, wanted.spec?.parentRef];
  const sameParent =
    (is?.group ?? '') === '' &&
    is?.resource === ought?.resource &&
    is?.namespace === ought?.namespace &&
    is?.name === ought?.name;
  const labels = object.metadata?.labels ?? {};
  return sameParent && Object.entries(wanted.metadata?.labels ?? {}).every(([name, value]) => labels[name] === value);
}

/** False where somebody else has made it. */
async function make(client: Client, object: IPAddress): Promise<boolean> {
  try {
    await client.resource(ipAddresses).create(object);
    return true;
  } catch (error) {
    if (reasonOf(error) !== 'AlreadyExists') throw error;
    return false;
  }
}

async function remove(client: Client, ip: string): Promise<void> {
  try {
    await client.resource(ipAddresses).delete(ip);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
