/** What every controller is made of and given: one reconcile loop over one queue, fed by event handlers that only add keys. */
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { Reconcile, WorkQueue } from '#pkg/client/work-queue.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';

/** What the composition root may say about controllers. All are optional; a controller names its defaults. */
export interface ControllerOptions {
  /** PEM of the cluster's authority, for the `kube-root-ca.crt` ConfigMaps. Without it they are not published. */
  readonly rootCa?: string;
  /** The authority that certificates are issued with, and its key, both PEM. Without them requests wait for another signer. */
  readonly clusterSigning?: { readonly certificate: string; readonly key: string };
  /** Range of pod addresses, such as `127.128.0.0/9`. */
  readonly clusterCidr?: string;
  /** Prefix length of each node's part of it. */
  readonly nodeCidrMaskSize?: number;
  readonly nodeMonitorPeriodMs?: number;
  readonly nodeMonitorGracePeriodMs?: number;
  readonly nodeStartupGracePeriodMs?: number;
  /** Ended pods kept in the whole cluster before the oldest are removed. */
  readonly terminatedPodGcThreshold?: number;
}

export interface ControllerContext extends ComponentDeps {
  readonly options: ControllerOptions;
  /** The recorder of one controller: events name it as their source. */
  recorder(component: string): EventRecorder;
}

/** Makes a controller: asks for informers and adds handlers; nothing runs before `run`, when all informers have synced. */
export type ControllerFactory = (context: ControllerContext) => Component;

export interface LoopOptions {
  readonly name: string;
  /** Keys worked on at the same time. */
  readonly workers: number;
  readonly reconcile: Reconcile;
}

/** A queue and the workers on it. */
export interface Loop extends Component {
  readonly queue: WorkQueue;
}

/** The loop of one controller. */
export function createLoop(context: ControllerContext, options: LoopOptions): Loop {
  const { clock } = context;
  const log = context.log.with({ controller: options.name });
  const queue = createWorkQueue({ name: options.name, clock });
  return { queue, run: (signal) => runReconcileLoop({ ...options, queue, log, clock }, signal) };
}
