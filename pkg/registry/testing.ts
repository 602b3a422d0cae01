/** What tests of strategies share: a context, a reader over a list, and drafts taken through the steps of a create or an update. */
import type { FieldError } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { RegistryReader, Strategy, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { strategies } from './table.ts';

/** A context with a seed and a clock of its own. */
export function testContext(): StrategyContext {
  return {
    user: { name: 'admin', groups: ['system:masters'] },
    clock: new VirtualClock(),
    networkClock: new VirtualClock(),
    random: new SeededRandom(1),
    dryRun: false,
    warn: () => undefined,
  };
}

/** Reads from a list of objects, each with the resource it belongs to. */
export function readerOf(objects: Readonly<Record<string, readonly object[]>>): RegistryReader {
  const all = (resource: string): readonly KubeObject[] => (objects[resource] ?? []) as readonly KubeObject[];
  return {
    get: ({ resource }, namespace, name) =>
      all(resource).find(({ metadata }) => metadata?.name === name && (metadata?.namespace ?? '') === namespace),
    list: ({ resource }) => all(resource),
    ofKind: () => undefined,
    equivalents: () => [],
    inVersion: (object) => object,
    remade: (_, object) => object,
    merged: (_, object, configuration) => ({ ...object, ...configuration }),
  };
}

/** The strategy of a resource. Throws when there is none. */
export function strategyOf(resource: string): Strategy {
  const found = strategies.find((strategy) => strategy.resource === resource);
  if (found === undefined) throw new Error(`no strategy for ${resource}`);
  return found;
}

/** A draft after defaults and `prepareForCreate`. */
export function created(strategy: Strategy, object: object): JsonObject {
  const draft = structuredClone(object) as JsonObject;
  strategy.setDefaults?.(draft);
  strategy.prepareForCreate?.(draft, testContext());
  return draft;
}

/** Errors as `field: message`. */
export function texts(errors: readonly FieldError[] | undefined): readonly string[] {
  return (errors ?? []).map((error) => `${error.field}: ${error.message}`);
}

/** What is wrong with a new object. */
export function createErrors(strategy: Strategy, object: object): readonly string[] {
  const draft = created(strategy, object);
  const errors = strategy.validate?.(draft, testContext()) ?? [];
  return texts([...errors, ...(strategy.validateCreate?.(draft, testContext()) ?? [])]);
}

/** Edits a draft in place. Tests edit objects of every shape, some of which no type allows. */
// biome-ignore lint/suspicious/noExplicitAny: what is edited may be of any shape, or of none.
export type Change = (draft: any) => void;

/** What is wrong with the change of an object by `change`, which edits a copy of it, and with what came out. The object keeps its status. */
export function updateErrors(strategy: Strategy, object: object, change: Change): readonly string[] {
  const old = { ...created(strategy, object), ...('status' in object ? { status: object.status } : {}) };
  const draft: JsonObject = structuredClone(old);
  change(draft);
  strategy.setDefaults?.(draft);
  strategy.prepareForUpdate?.(draft, old as KubeObject, testContext());
  const errors = strategy.validate?.(draft, testContext()) ?? [];
  const changes = strategy.validateUpdate?.(draft, old as KubeObject, testContext()) ?? [];
  return texts([...errors, ...changes]);
}

/** What is wrong with a change that comes by a subresource. */
export function subresourceErrors(
  strategy: Strategy,
  { object, subresource }: { readonly object: object; readonly subresource: string },
  change: Change,
): readonly string[] {
  const rules = strategy.subresources?.[subresource];
  const old = structuredClone(object) as JsonObject;
  strategy.setDefaults?.(old);
  const draft = structuredClone(old);
  change(draft);
  strategy.setDefaults?.(draft);
  rules?.prepareForUpdate?.(draft, old as KubeObject, testContext());
  return texts(rules?.validateUpdate?.(draft, old as KubeObject, testContext()));
}
