/**
 * Keeps the objects of priority and fairness as they should be: those that every cluster has are made again when they are gone, and given their own spec
 * back where their annotation allows it (always those that are mandatory); each flow schema's status says whether its level is there.
 *
 * Nothing happens while nothing changes. What people do to the first is undone within a minute, the second follows at once. Several servers on one store may
 * do this at once: they come to the same, and none changes a status more than six times a minute.
 * Upstream counterpart: `pkg/registry/flowcontrol/{rest,ensurer}`; `digestConfigObjects` of apiserver `util/flowcontrol/apf_controller.go`.
 */
import type { FlowSchema, PriorityLevelConfiguration } from '#pkg/api/types/flowcontrol-v1.ts';
import { flowSchemas, priorityLevelConfigurations } from '#pkg/api/types/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type Clock, formatTimestamp } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { semanticallySame } from '../draft.ts';
import { bootstrapFlowSchemas, bootstrapPriorityLevels, danglingCondition, mandatoryNames } from './bootstrap.ts';
import type { Fairness } from './fairness.ts';
import { levelSpecOf } from './priority-level.ts';

/** Where the objects are, and how they are changed. */
export interface KeepConfigurationOptions {
  readonly fairness: Fairness;
  /** As the server itself. */
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const annotation = 'apf.kubernetes.io/autoupdate-spec';
/** Source: upstream `ConfigConsumerAsFieldManager`. */
const statusManager = 'api-priority-and-fairness-config-consumer-v1';
const objectManager = 'api-priority-and-fairness-config-producer-v1';
/** How long what was changed stays so. Source: upstream looks each minute. */
const undoMs = 60_000;
const statusChangesMax = 6;
const minuteMs = 60_000;

type Configuration = FlowSchema | PriorityLevelConfiguration;

/** Makes the component. It looks once when it begins, and then when something has changed. */
export function keepFlowControl(options: KeepConfigurationOptions): Component {
  const keeper = new Keeper(options);
  return { run: (signal) => keeper.run(signal) };
}

class Keeper {
  readonly #options: KeepConfigurationOptions;
  /** When the status of a schema was last changed, by its name. */
  readonly #changes = new Map<string, number[]>();

  constructor(options: KeepConfigurationOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { fairness, clock, log } = this.#options;
    const queue = createWorkQueue({ name: 'priority-and-fairness', clock });
    queue.add('objects');
    queue.add('statuses');
    fairness.onChange(() => {
      queue.add('statuses');
      queue.addAfter('objects', undoMs);
    });
    const reconcile = (key: string): Promise<ReconcileResult> =>
      key === 'objects' ? this.#keepObjects() : this.#keepStatuses();
    await runReconcileLoop({ name: 'priority-and-fairness', queue, reconcile, workers: 1, log, clock }, signal);
  }

  async #keepObjects(): Promise<ReconcileResult> {
    const { fairness, client } = this.#options;
    const levels = { objects: fairness.levelObjects, resource: client.resource(priorityLevelConfigurations) };
    const schemas = { objects: fairness.schemaObjects, resource: client.resource(flowSchemas) };
    for (const isMandatory of [false, true]) {
      const isMeant = ({ metadata }: Configuration): boolean =>
        mandatoryNames.has(metadata?.name ?? '') === isMandatory;
      for (const level of bootstrapPriorityLevels.filter(isMeant)) await keepObject(levels, level, sameLevel);
      for (const schema of bootstrapFlowSchemas.filter(isMeant)) await keepObject(schemas, schema, sameSchema);
    }
    await removeOthers(schemas, bootstrapFlowSchemas);
    await removeOthers(levels, bootstrapPriorityLevels);
    return undefined;
  }

  async #keepStatuses(): Promise<ReconcileResult> {
    const { fairness, clock, random } = this.#options;
    const nowMs = clock.nowMs();
    const there = new Set(
      [...fairness.levelObjects.values()].flatMap((level) => {
        const spec = levelSpecOf(level);
        return spec === undefined ? [] : [spec.name];
      }),
    );
    let delayMs: number | undefined;
    for (const schema of fairness.schemaObjects.values()) {
      const level = schema.spec?.priorityLevelConfiguration?.name ?? '';
      const wanted = danglingCondition(level, !there.has(level));
      const is = schema.status?.conditions?.find(({ type }) => type === 'Dangling');
      if (is?.status === wanted.status && is.reason === wanted.reason && is.message === wanted.message) continue;
      const name = schema.metadata?.name ?? '';
      const changes = (this.#changes.get(name) ?? []).filter((atMs) => atMs > nowMs - minuteMs);
      if (changes.length >= statusChangesMax) {
        delayMs ??= (30 + randomInt(random, 45)) * 1_000;
        continue;
      }
      this.#changes.set(name, [...changes, nowMs]);
      await this.#writeStatus(name, { ...wanted, lastTransitionTime: formatTimestamp(nowMs) });
    }
    for (const name of this.#changes.keys()) if (!fairness.schemaObjects.has(name)) this.#changes.delete(name);
    return delayMs === undefined ? undefined : { requeueAfterMs: delayMs };
  }

  async #writeStatus(name: string, condition: object): Promise<void> {
    const object = {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'FlowSchema',
      metadata: { name },
      status: { conditions: [condition] },
    };
    try {
      await this.#options.client
        .resource(flowSchemas)
        .patch(name, object, { type: 'apply', subresource: 'status', fieldManager: statusManager, force: true });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** The objects of one kind that there are. */
interface Kept<T extends Configuration> {
  readonly objects: ReadonlyMap<string, T>;
  readonly resource: ResourceClient<T>;
}

/** Makes an object, or gives it its spec back. */
async function keepObject<T extends Configuration>(
  { objects, resource }: Kept<T>,
  wanted: T,
  isSame: (wanted: T, there: T) => boolean,
): Promise<void> {
  const name = wanted.metadata?.name ?? '';
  const there = objects.get(name);
  try {
    if (there === undefined) {
      await resource.create(wanted, { fieldManager: objectManager });
      return;
    }
    const updates = mandatoryNames.has(name) || isUpdated(there);
    const isSpecOff = updates && !isSame(wanted, there);
    if (!isSpecOff && there.metadata?.annotations?.[annotation] === String(updates)) return;
    const annotations = { ...there.metadata?.annotations, [annotation]: String(updates) };
    const revised = { ...there, metadata: { ...there.metadata, annotations } };
    await resource.update(isSpecOff ? { ...revised, spec: wanted.spec } : revised, { fieldManager: objectManager });
  } catch (error) {
    // Somebody else was at it: they, or the next look, make it good.
    if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
  }
}

/** Objects of earlier versions that nobody has made their own. */
async function removeOthers<T extends Configuration>(
  { objects, resource }: Kept<T>,
  wanted: readonly T[],
): Promise<void> {
  const names = new Set(wanted.map(({ metadata }) => metadata?.name ?? ''));
  for (const [name, { metadata }] of objects) {
    if (names.has(name) || metadata?.annotations?.[annotation] !== 'true') continue;
    try {
      await resource.delete(name);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

/** Whether a suggested object follows the server: as its annotation says, and without one until its spec is changed. */
function isUpdated({ metadata }: Configuration): boolean {
  const said = metadata?.annotations?.[annotation] ?? '';
  if (/^(1|t|T|true|TRUE|True)$/.test(said)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(said)) return false;
  return metadata?.generation === 1;
}

function sameSchema({ spec }: FlowSchema, there: FlowSchema): boolean {
  return semanticallySame(spec, there.spec);
}

/** What may be changed of the exempt level is not looked at. Those of every cluster leave nothing to defaults. */
function sameLevel(wanted: PriorityLevelConfiguration, there: PriorityLevelConfiguration): boolean {
  if (wanted.metadata?.name !== 'exempt') return semanticallySame(wanted.spec, there.spec);
  return there.spec?.exempt !== undefined && there.spec.type === 'Exempt';
}
