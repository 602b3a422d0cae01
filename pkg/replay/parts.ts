/** The parts of a cluster that a replay runs itself, as they come and go with what is replayed. */
import { silentLogger } from '#pkg/base/logger.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { PartContext } from '#pkg/cluster/parts.ts';
import { identitySubject } from '#pkg/cluster/pki.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import type { Component } from '#pkg/component/component.ts';
import type { TestCluster } from '#pkg/testing/cluster.ts';

/** A part that runs until `stop` is aborted. */
export interface RunningPart {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Lets a part run. */
export function start(part: Component): RunningPart {
  const stop = new AbortController();
  return { stop, ended: part.run(stop.signal) };
}

/** What a part of that identity is given. */
export function contextOf({ handle, clock, random, metrics }: TestCluster, identity: string): PartContext {
  const { commonName, organizations = [] } = identitySubject(identity, clusterTables.components);
  return {
    transport: inProcessTransport(handle, { commonName, organizations }),
    clock,
    random,
    log: silentLogger,
    metrics,
  };
}
