/**
 * The Lease by which an API server says that it is there, in `kube-system`, and the removal of those whose server has been gone for long. Upstream counterpart:
 * apiserver `controlplane/controller/{leaderelection,apiserverleasegc}`, KEP-1965.
 */
import { createHash } from 'node:crypto';
import { serverLeaseLabel } from '#pkg/api/storage-version.ts';
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import { leases } from '#pkg/api/types/refs.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { repeat } from '#pkg/base/async.ts';
import { type Clock, formatMicroTime } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

/** Source: `IdentityLeaseDurationSeconds`, `IdentityLeaseRenewIntervalPeriod`. */
const leaseSeconds = 3_600;
const renewMs = 10_000;
/** Source: `IdentityLeaseGCPeriod`. */
const collectMs = 3_600_000;
const namespace = 'kube-system';
/** Whose lease it is. */
export interface IdentityLeaseOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `127.0.0.1:6443`: the same name after each start of the server there. */
  readonly server: string;
}

/** Makes the component: it renews every ten seconds. What is refused is logged and tried again. */
export function createIdentityLease(options: IdentityLeaseOptions): Component {
  const { client, clock, random, log, server } = options;
  const name = serverIdentity(server);
  const holderIdentity = `${name}_${random.uuid()}`;
  const resource = client.resource(leases);
  let collectedMs = Number.NEGATIVE_INFINITY;
  const renew = async (): Promise<void> => {
    const now = formatMicroTime(clock.nowMs());
    const spec = { holderIdentity, leaseDurationSeconds: leaseSeconds, renewTime: now };
    const labels = {
      [serverLeaseLabel.key]: serverLeaseLabel.value,
      'kubernetes.io/hostname': server.replace(/[^\w.-]/g, '-'),
    };
    try {
      const current = await resource.get(name, { namespace });
      const metadata = { ...current.metadata, labels: { ...current.metadata?.labels, ...labels } };
      await resource.update({ ...current, metadata, spec });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await resource.create({ metadata: { name, namespace, labels }, spec });
    }
  };
  const collect = async (): Promise<void> => {
    const { items } = await resource.list({
      namespace,
      labelSelector: `${serverLeaseLabel.key}=${serverLeaseLabel.value}`,
    });
    for (const lease of items.filter((each) => isOver(each, clock.nowMs())))
      await resource.delete(lease.metadata?.name ?? '', { namespace });
    collectedMs = clock.monotonicMs();
  };
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => renewMs, signal }, async () => {
        try {
          await renew();
          if (clock.monotonicMs() - collectedMs >= collectMs) await collect();
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn('Cannot renew the lease of the API server', { lease: name, error });
        }
      }),
  };
}

/** The name of the Lease of the server at an address. */
export function serverIdentity(server: string): string {
  return `apiserver-${createHash('sha256').update(server).digest('hex').slice(0, 26)}`;
}

function isOver({ spec }: Lease, nowMs: number): boolean {
  const renewedMs = Date.parse(spec?.renewTime ?? '');
  return !(renewedMs + (spec?.leaseDurationSeconds ?? 0) * 1_000 > nowMs);
}
