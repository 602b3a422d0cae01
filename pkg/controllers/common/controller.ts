/** What every controller is made of and given: one reconcile loop over one queue, fed by event handlers that only add keys. */
import type { Clock } from '#pkg/base/clock.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import type { RateLimiterOptions } from '#pkg/client/rate-limiter.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { Reconcile, WorkQueue } from '#pkg/client/work-queue.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { Features } from '#pkg/component/feature-gates.ts';
import type { FlagTable, FlagValues } from '#pkg/component/flags.ts';

/** What follows from the cluster that controllers are part of. What else one of them can be told is its own flags (`withFlags`). */
export interface ControllerOptions {
  /** PEM of the cluster's authority, for the `kube-root-ca.crt` ConfigMaps. Without it they are not published. */
  readonly rootCa?: string;
  /** The authority that certificates are issued with, and its key, both PEM. Without them requests wait for another signer. */
  readonly clusterSigning?: { readonly certificate: string; readonly key: string };
  /** By which they are issued, where others check them by another time than that of the controllers. Default: theirs. */
  readonly signingClock?: Clock;
  /** PEM of the private key that signs tokens of service accounts, for Secrets that hold such. Without it they stay empty. */
  readonly serviceAccountKey?: string;
  /** Range of pod addresses, such as `127.128.0.0/9`. */
  readonly clusterCidr?: string;
}

/** What a controller is made with. */
export interface ControllerContext extends ComponentDeps {
  readonly options: ControllerOptions;
  readonly features: Pick<Features, 'isOn'>;
  /** The recorder of one controller: events name it as their source. */
  recorder(component: string): EventRecorder;
}

/** Makes a controller: asks for informers and adds handlers; nothing runs before `run`, when all informers have synced. */
export type ControllerFactory = (context: ControllerContext) => Component;

/** A controller that has flags of its own. */
export interface FlaggedController {
  /** Flags of the process that runs it; no two controllers have one of the same name. */
  readonly flags: FlagTable;
  /** What its service account may do, where upstream has no role for it: lines such as `create,get core configmaps`. */
  readonly rights?: readonly string[];
  /** Whether it runs only where `--controllers` names it: `*` leaves it out. Default false. */
  readonly isOnDemand?: boolean;
  /** As a factory does; `values` has every one of the flags. */
  create(context: ControllerContext, values: Readonly<Record<string, unknown>>): Component;
}

/** Controllers by the names under which they are switched on and off. */
export type ControllerTable = Readonly<Record<string, ControllerFactory | FlaggedController>>;

/** A line of the table for a controller with flags: they are those of its process, of `up --config` and of `up --extra-config` from then on. */
export function withFlags<T extends FlagTable>(
  flags: T,
  create: (context: ControllerContext, values: FlagValues<T>) => Component,
  { rights }: Pick<FlaggedController, 'rights'> = {},
): FlaggedController {
  const entry = {
    flags,
    create: (context: ControllerContext, values: unknown) => create(context, values as FlagValues<T>),
  };
  return rights === undefined ? entry : { ...entry, rights };
}

/** A line of the table for a controller that runs only where it is named, as what it follows is not served by default. */
export function onDemand(create: ControllerFactory): FlaggedController {
  return { flags: {}, isOnDemand: true, create };
}

/** The name of the loop, and what it does with a key. */
export interface LoopOptions {
  readonly name: string;
  /** Keys worked on at the same time. */
  readonly workers: number;
  readonly reconcile: Reconcile;
  /** Delays of keys that failed. Default: from 5 ms, doubling. */
  readonly retry?: RateLimiterOptions;
}

/** A queue and the workers on it. */
export interface Loop extends Component {
  readonly queue: WorkQueue;
}

/** What a loop is given: without `metrics` its turns are not counted. */
type LoopDeps = Pick<ComponentDeps, 'clock' | 'log'> & Partial<Pick<ComponentDeps, 'metrics'>>;

/** The loop of one controller. */
export function createLoop(context: LoopDeps, options: LoopOptions): Loop {
  const { clock, metrics } = context;
  const log = context.log.with({ controller: options.name });
  const counted = metrics === undefined ? {} : { metrics };
  const queue = createWorkQueue({ name: options.name, clock, ...counted, ...options.retry });
  return { queue, run: (signal) => runReconcileLoop({ ...options, queue, log, clock, ...counted }, signal) };
}

/** What is done over and over, and how long after its end it is done again. */
export interface PeriodicOptions extends Pick<LoopOptions, 'name'> {
  readonly periodMs: number;
  work(): Promise<void>;
}

/** The loop of a controller that looks at everything now and then, by the contract of all others: what fails is counted and said, and tried again with back-off, at most a period later. */
export function createPeriodicLoop(context: LoopDeps, { name, periodMs, work }: PeriodicOptions): Component {
  const reconcile = async () => {
    await work();
    return { requeueAfterMs: periodMs };
  };
  const loop = createLoop(context, { name, workers: 1, reconcile, retry: { maxDelayMs: periodMs } });
  loop.queue.add('everything');
  return loop;
}
