/**
 * kube-proxy: keeps the rules from Services and endpoint slices and gives them to a backend whenever they changed. Several changes that
 * come together are one sync. Upstream counterpart: kube-proxy `config`, `Proxier.syncProxyRules`.
 */
import type { Node, Service } from '#pkg/api/types/core-v1.ts';
import { endpointSlices, nodes, services } from '#pkg/api/types/refs.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { mirrorObjects } from '#pkg/client/mirror.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { Backend, RuleFailure } from './backend.ts';
import type { HealthCheckFailure, HealthCheckServer } from './health/health-check-server.ts';
import { RuleTracker } from './model/rule-tracker.ts';

/** After a sync changes within this time become one: a rollout changes many slices at once. */
const gatherMs = 10;

/** A change that comes alone waits no longer: what comes with it is there by then. */
const gatherMsMin = 1;

/** Names the zone of a node. */
const zoneLabel = 'topology.kubernetes.io/zone';

/** What failed is tried again after this time, such as a port that another program holds. */
const retryMs = 5_000;

/** The connection, the backend, and whose proxy it is. */
export interface ProxyOptions {
  readonly deps: ComponentDeps;
  /** Closed when the component stops. */
  readonly backend: Backend;
  /** Answers at health check node ports; absent where nothing listens. Closed when the component stops. */
  readonly healthChecks?: HealthCheckServer;
  /** Of which node: decides what is local. Absent where one proxy stands for all nodes of a host: every endpoint is local then. */
  readonly nodeName?: string | undefined;
}

/** The proxy of one node. Its informers are those of `deps`, which the composition runs. */
export function createProxy(options: ProxyOptions): Component {
  return { run: (signal) => run(options, signal) };
}

async function run({ deps, backend, healthChecks, nodeName }: ProxyOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, random, log, informers } = deps;
  const component = 'kube-proxy';
  const recorder = createEventRecorder({
    client,
    clock,
    random,
    log,
    component,
    ...(nodeName === undefined ? {} : { instance: nodeName }),
    signal,
  });
  const tracker = new RuleTracker({ nodeName });
  const troubleLog = new TroubleLog(recorder, log);
  let changed = new Deferred();
  const onChange = (): void => changed.resolve();
  mirrorObjects(informers, {
    ref: services,
    mirror: { set: (service) => tracker.setService(service), remove: (service) => tracker.removeService(service) },
    onChange,
  });
  mirrorObjects(informers, {
    ref: endpointSlices,
    mirror: { set: (slice) => tracker.setSlice(slice), remove: (slice) => tracker.removeSlice(slice) },
    onChange,
  });
  if (nodeName !== undefined) followZone(informers, { nodeName, tracker, onChange });
  try {
    if (!(await informers.synced(signal))) return;
    while (!signal.aborted) {
      changed = new Deferred();
      const rules = await backend.sync(tracker.rules());
      const syncedMs = clock.monotonicMs();
      const checks = (await healthChecks?.sync(tracker.healthChecks())) ?? [];
      const failures = [...rules.map(ruleTrouble), ...checks.map(healthCheckTrouble)];
      troubleLog.note(failures);
      await waitForWork({ clock, signal, changed, syncedMs, isRetryDue: failures.length > 0 });
    }
  } finally {
    await Promise.all([backend.close(), healthChecks?.close()]);
    await recorder.flush();
  }
}

/** The zone of a node decides which endpoints are meant for it. */
function followZone(
  informers: ComponentDeps['informers'],
  {
    nodeName,
    tracker,
    onChange,
  }: { readonly nodeName: string; readonly tracker: RuleTracker; readonly onChange: () => void },
): void {
  const setZone = (node: Node | undefined): void => {
    if (tracker.setZone(node?.metadata?.labels?.[zoneLabel])) onChange();
  };
  informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` }).addHandler({
    added: setZone,
    updated: (_, node) => setZone(node),
    deleted: () => setZone(undefined),
  });
}

/** Resolves a moment after something changed or a retry is due, or when aborted. */
async function waitForWork(options: {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly changed: Deferred;
  /** When the last sync was done. */
  readonly syncedMs: number;
  readonly isRetryDue: boolean;
}): Promise<void> {
  const { clock, signal, changed } = options;
  const onAbort = (): void => changed.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) changed.resolve();
  const retry = options.isRetryDue ? clock.setTimeout(() => changed.resolve(), retryMs) : undefined;
  await changed.promise;
  retry?.cancel();
  signal.removeEventListener('abort', onAbort);
  const since = clock.monotonicMs() - options.syncedMs;
  await sleep(clock, Math.max(gatherMsMin, gatherMs - since), signal);
}

/** Something that a Service asks for and does not get. */
interface Trouble {
  readonly namespace: string;
  readonly serviceName: string;
  readonly serviceUid: string;
  readonly reason: 'FailedToServePort' | 'FailedToStartServiceHealthcheck';
  /** What tells it from other troubles of the Service. */
  readonly about: string;
  readonly message: string;
}

function ruleTrouble({ rule, address = '', message }: RuleFailure): Trouble {
  const { namespace, serviceName, serviceUid, key } = rule;
  return { namespace, serviceName, serviceUid, reason: 'FailedToServePort', about: `${key} ${address}`, message };
}

function healthCheckTrouble({ check, address, message }: HealthCheckFailure): Trouble {
  const { namespace, serviceName, serviceUid } = check;
  const reason = 'FailedToStartServiceHealthcheck';
  return { namespace, serviceName, serviceUid, reason, about: address, message };
}

/** Says each trouble once: when it was not there at the last sync. */
class TroubleLog {
  readonly #recorder: EventRecorder;
  readonly #log: Logger;
  #known: ReadonlySet<string> = new Set();

  constructor(recorder: EventRecorder, log: Logger) {
    this.#recorder = recorder;
    this.#log = log;
  }

  note(troubles: readonly Trouble[]): void {
    const keyOf = ({ namespace, serviceName, about, message }: Trouble): string =>
      `${namespace}/${serviceName} ${about} ${message}`;
    for (const trouble of troubles) {
      if (this.#known.has(keyOf(trouble))) continue;
      const { namespace, serviceName, serviceUid, reason, message } = trouble;
      const metadata = { name: serviceName, namespace, uid: serviceUid };
      const service: Service = { apiVersion: 'v1', kind: 'Service', metadata };
      this.#recorder.record(service, { type: 'Warning', reason, message });
      // Nobody asked for the API server's own Service, which is there on every machine; programs find the server without it.
      const level = namespace === 'default' && serviceName === 'kubernetes' ? 'info' : 'warn';
      this.#log[level]('Cannot serve a Service', { service: `${namespace}/${serviceName}`, reason, message });
    }
    this.#known = new Set(troubles.map(keyOf));
  }
}
