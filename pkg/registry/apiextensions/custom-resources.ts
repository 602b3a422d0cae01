/**
 * Serves what custom resource definitions define: follows the definitions, gives each its names and conditions, and has the server serve those
 * that are established. A definition that is deleted takes its objects with it before it goes.
 *
 * What was established before a server began is known to it by name alone, and read when somebody asks for it, or a while after the start.
 *
 * Invariants: what a definition's status calls established is served; of two that want one name the one that has it keeps it, and the other gets
 * it when it is free. Several servers on one store may do this at once: they come to the same.
 * Upstream counterpart: apiextensions-apiserver `controller/{status,establish,finalizer}` and `apiserver/customresource_handler.go`.
 */
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '#pkg/api/types/apiextensions-v1.ts';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { ResourceName } from '#pkg/apiserver/expected-resources.ts';
import type { ApiServer, ServedDefinitions } from '#pkg/apiserver/server.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import type { ReconcileResult, WorkQueue } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type Condition, cleanupFinalizer, conditionOf, isTerminating, withConditions } from './conditions.ts';
import type { ConversionDeps } from './conversion-webhook.ts';
import { type DefinitionDeps, definitionOf } from './definition-of.ts';
import { nonStructuralCondition, nonStructuralSchema } from './non-structural.ts';

/** Where definitions come from and go to. */
export interface CustomResourcesOptions {
  /** As the server itself. */
  readonly client: Client;
  readonly server: Pick<ApiServer, 'peek' | 'resources'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** How conversion webhooks are asked, and by which clock they are waited for. */
  readonly webhooks: Pick<ConversionDeps, 'call' | 'clock' | 'reader'>;
}

/** The component that keeps what is served as the definitions say. */
export interface CustomResources extends Component {
  /** Serves the definitions that are established already; to be called once, before clients are answered. */
  start(): Promise<void>;
}

/** How long until it is looked again whether the objects of a definition are gone. Source: none; upstream polls each five seconds. */
const goneAgainMs = 1_000;

/** So long after the start, or with the first change of one of them, definitions are read that nobody has asked for: a start needs none. */
const laterMs = 2_000;
/** So many at once: some milliseconds. */
const readTogether = 20;

/** What is said of a definition beside its conditions. */
interface StatusChange {
  /** Default: those that it has. */
  readonly acceptedNames?: CustomResourceDefinitionNames | undefined;
  /** Type of a condition that it has no more. */
  readonly without?: string;
}

/** What is served of one definition. */
interface Served {
  readonly uid: string;
  readonly generation: number;
  readonly isTerminating: boolean;
  readonly group: string;
  readonly resource: string;
}

/** Nothing is followed before `run`. */
export function createCustomResources(options: CustomResourcesOptions): CustomResources {
  return new Controller(options);
}

class Controller implements CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #served = new Map<string, Served>();
  /** Resolves with the first change of a definition after the start. */
  readonly #changed = new Deferred();
  /** Those that were read since the start, as the informer is about to read them too. */
  #read: KubeObject[] = [];

  /** Why the checks of a definition cannot be compiled, by its name, as long as that state of it is served. */
  readonly #failures = new Map<string, string>();
  readonly #queue: WorkQueue;

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
    this.#queue = createWorkQueue({ name: 'custom-resources', clock: options.clock });
  }

  get #resources(): ServedDefinitions {
    return this.#options.server.resources;
  }

  async start(): Promise<void> {
    const found = await this.#options.server.peek(customResourceDefinitions, () => this.#changed.resolve());
    const known = new Map(found.map((each) => [each.name, each]));
    this.#resources.expected.add([...known.keys()].map(resourceOf), ({ group, resource }) => {
      const crd = known.get(`${resource}.${group}`)?.object;
      // Each was compiled when it was established, by this server or another. One that cannot be served, as of a name that two have from a time when nobody
      // looked, is told of by the controller.
      if (!isDefinition(crd) || !isTrue(crd, 'Established')) return;
      this.#read.push(crd);
      this.#serve(crd, { compilesLate: true, onUnusable: (error) => this.#unusable(crd, error) });
    });
  }

  /** The first write of one of its objects found that what it is to be checked by cannot be compiled. */
  #unusable({ metadata }: CustomResourceDefinition, error: unknown): void {
    const name = metadata?.name ?? '';
    if (this.#failures.has(name)) return;
    this.#failures.set(name, errorText(error));
    this.#queue.add(name);
  }

  /** Reads the definitions that nobody has asked for, once there is time for it. */
  async #readRest(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { expected } = this.#resources;
    if (expected.isEmpty) return;
    await Promise.race([this.#changed.promise, sleep(clock, laterMs, signal)]);
    while (!signal.aborted && expected.meetSome(readTogether)) await clock.yield();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, log, random } = this.#options;
    const informers = createInformers({ client, clock, random, log });
    const informer = informers.informer(customResourceDefinitions);
    const queue = this.#queue;
    const add = ({ metadata }: CustomResourceDefinition): void => queue.add(metadata?.name ?? '');
    informer.addHandler({
      added: (crd) => {
        if (!this.#isSettled(crd)) add(crd);
      },
      updated: (_, crd) => add(crd),
      deleted: add,
    });
    const reconcile = (name: string): Promise<ReconcileResult> => {
      const before = this.#served.get(name);
      const crd = informer.lister.get(name);
      if (before === undefined || before.uid === crd?.metadata?.uid) return this.#reconcile(crd);
      this.#stop(name, before);
      // Its names are free.
      for (const other of informer.lister.list()) if (other.spec.group === before.group) add(other);
      return this.#reconcile(crd);
    };
    const forgetGone = async (): Promise<void> => {
      await informers.synced(signal);
      this.#read = [];
      for (const name of this.#served.keys()) if (informer.lister.get(name) === undefined) queue.add(name);
    };
    const loop = { name: 'custom-resources', queue, reconcile, workers: 1, log, clock };
    await this.#readRest(signal);
    await Promise.all([informers.run(signal), runReconcileLoop(loop, signal), forgetGone()]);
  }

  /** Whether a definition is served as it is, and its status says so: then it has its names, and there is nothing to do. */
  #isSettled(crd: CustomResourceDefinition): boolean {
    const { metadata, spec, status } = crd;
    const served = this.#served.get(metadata?.name ?? '');
    if (served?.uid !== metadata?.uid || served?.generation !== (metadata?.generation ?? 1)) return false;
    if (isTerminating(crd) || !isTrue(crd, 'Established') || !isTrue(crd, 'NamesAccepted')) return false;
    return deepEqual(status?.acceptedNames, spec.names);
  }

  async #reconcile(crd: CustomResourceDefinition | undefined): Promise<ReconcileResult> {
    if (crd === undefined) return undefined;
    if (isTerminating(crd)) return this.#terminate(crd);
    const problem = this.#namesProblem(crd);
    const conditions: Condition[] = [namesCondition(problem)];
    let established = isTrue(crd, 'Established');
    if (problem === undefined) {
      const failure = this.#serve(crd);
      if (failure === undefined) {
        established = true;
        conditions.push(
          condition('Established', 'True', 'InitialNamesAccepted', 'the initial names have been accepted'),
        );
      } else conditions.push(condition('Established', 'False', 'Failed', failure));
    } else if (!established) {
      conditions.push(condition('Established', 'False', 'NotAccepted', 'not all names are accepted'));
    }
    const nonStructural = nonStructuralCondition(crd, this.#failures.get(crd.metadata?.name ?? ''));
    if (nonStructural !== undefined) conditions.push(nonStructural);
    const acceptedNames =
      problem === undefined ? crd.spec.names : (crd.status?.acceptedNames ?? { plural: '', kind: '' });
    const stale = nonStructural === undefined ? { without: nonStructuralSchema } : {};
    await this.#tell(crd, conditions, { acceptedNames, ...stale });
    return undefined;
  }

  /** Why the names cannot be accepted; undefined when they can. Source: `controller/status/naming_controller.go`. */
  #namesProblem({ spec, metadata }: CustomResourceDefinition): { reason: string; message: string } | undefined {
    const { group, names } = spec;
    const holder = metadata?.name ?? '';
    const wanted = [
      ['PluralConflict', 'name', names.plural],
      ['SingularConflict', 'name', names.singular ?? ''],
      ...(names.shortNames ?? []).map((short) => ['ShortNamesConflict', 'name', short] as const),
      ['KindConflict', 'kind', names.kind],
      ['ListKindConflict', 'kind', names.listKind ?? ''],
    ] as const;
    for (const [reason, sort, name] of wanted) {
      const held = name === '' ? undefined : this.#resources.holderOf({ group, sort, name });
      if (held !== undefined && held !== holder)
        return { reason, message: `${JSON.stringify(name)} is already in use` };
    }
    return undefined;
  }

  /** Has the server serve the newest state; returns why that cannot be. */
  #serve(
    crd: CustomResourceDefinition,
    how: Pick<DefinitionDeps, 'compilesLate' | 'onUnusable'> = {},
  ): string | undefined {
    const { random, webhooks } = this.#options;
    const { name = '', uid = '', generation = 1 } = crd.metadata ?? {};
    this.#resources.expected.meet(resourceOf(name));
    const before = this.#served.get(name);
    const isGoing = isTerminating(crd);
    if (before?.uid === uid && before.generation === generation && before.isTerminating === isGoing) return undefined;
    try {
      const definition = definitionOf(crd, { ...webhooks, random, ...how });
      if (before === undefined) this.#resources.add(definition);
      else this.#resources.replace(definition);
    } catch (error) {
      // What validation let pass and the server cannot follow; the state before goes on.
      return errorText(error);
    }
    const { group, names } = crd.spec;
    this.#failures.delete(name);
    this.#served.set(name, { uid, generation, isTerminating: isGoing, group, resource: names.plural });
    return undefined;
  }

  #stop(name: string, { group, resource }: Served): void {
    this.#resources.remove({ group, resource });
    this.#served.delete(name);
  }

  async #terminate(crd: CustomResourceDefinition): Promise<ReconcileResult> {
    if (!(crd.metadata?.finalizers ?? []).includes(cleanupFinalizer)) return undefined;
    // From here on no object is made; those that there are can still be changed, for their finalizers.
    const isServed = this.#served.has(crd.metadata?.name ?? '') && this.#serve(crd) === undefined;
    if (isServed) {
      const left = await this.#deleteObjects(crd);
      if (left > 0) {
        const message = 'CustomResource deletion is in progress';
        await this.#tell(crd, [condition('Terminating', 'True', 'InstanceDeletionInProgress', message)]);
        return { requeueAfterMs: goneAgainMs };
      }
    }
    const definitions = this.#options.client.resource(customResourceDefinitions);
    const finalizers = (crd.metadata?.finalizers ?? []).filter((one) => one !== cleanupFinalizer);
    try {
      const current = await this.#tell(crd, [
        condition('Terminating', 'False', 'InstanceDeletionCompleted', 'removed all instances'),
      ]);
      await definitions.update({ ...current, metadata: { ...current.metadata, finalizers } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }

  /** Deletes every object of a definition; returns how many are still there. */
  async #deleteObjects({ spec }: CustomResourceDefinition): Promise<number> {
    const { client } = this.#options;
    const version =
      spec.versions.find(({ served, storage }) => served && storage) ?? spec.versions.find(({ served }) => served);
    if (version === undefined) return 0;
    const namespaced = spec.scope === 'Namespaced';
    const ref: ResourceRef = {
      group: spec.group,
      version: version.name,
      resource: spec.names.plural,
      kind: spec.names.kind,
      namespaced,
    };
    const resource = client.resource(ref);
    const { items } = await resource.list();
    const namespaces = new Set(items.map(({ metadata }) => metadata?.namespace ?? ''));
    for (const namespace of namespaces) await resource.deleteCollection(namespaced ? { namespace } : {});
    return items.length === 0 ? 0 : (await resource.list()).items.length;
  }

  /** Writes the status where it differs; returns the newest state. A lost race comes back through the informer. */
  async #tell(
    crd: CustomResourceDefinition,
    wanted: readonly Condition[],
    { acceptedNames = crd.status?.acceptedNames, without }: StatusChange = {},
  ): Promise<CustomResourceDefinition> {
    const old = crd.status?.conditions ?? [];
    const kept = old.some(({ type }) => type === without) ? old.filter(({ type }) => type !== without) : old;
    const conditions = withConditions(kept, wanted, timestamp(this.#options.clock));
    if (conditions === old && deepEqual(acceptedNames, crd.status?.acceptedNames)) return crd;
    const status = { ...crd.status, conditions, ...(acceptedNames === undefined ? {} : { acceptedNames }) };
    try {
      return await this.#options.client
        .resource(customResourceDefinitions)
        .update({ ...crd, status }, { subresource: 'status' });
    } catch (error) {
      if (isConflict(error) && isTerminating(crd) === false) return crd;
      throw error;
    }
  }
}

/** Which resource a definition is of, by its name. */
function resourceOf(name: string): ResourceName {
  const dot = name.indexOf('.');
  return { group: name.slice(dot + 1), resource: name.slice(0, dot) };
}

function isDefinition(object: KubeObject | undefined): object is CustomResourceDefinition {
  return object?.kind === customResourceDefinitions.kind;
}

function condition(type: Condition['type'], status: 'False' | 'True', reason: string, message: string): Condition {
  return { type, status, reason, message };
}

function isTrue(crd: CustomResourceDefinition, type: Condition['type']): boolean {
  return conditionOf(crd, type)?.status === 'True';
}

function namesCondition(problem: { reason: string; message: string } | undefined): Condition {
  if (problem === undefined) return condition('NamesAccepted', 'True', 'NoConflicts', 'no conflicts found');
  return condition('NamesAccepted', 'False', problem.reason, problem.message);
}
