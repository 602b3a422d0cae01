/**
 * The strategy of a resource as it serves a version whose fields differ from those of the stored one. Strategies are written for the
 * stored version: what they are given is converted to it, and what they change in a draft is converted back.
 * Upstream counterpart: the internal version of a kind, which strategies and printers are written for.
 */
import { deepClone, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy, SubresourceStrategy, TablePrinter } from '../strategy.ts';
import type { Converter } from './converter.ts';

/** `strategy`, which knows the stored version only, for objects of the version that `converter` converts. */
export function convertedStrategy(strategy: Strategy, converter: Converter): Strategy {
  const through = new Through(converter);
  return {
    ...strategy,
    ...through.hooks(strategy, hooks),
    ...(strategy.subresources && { subresources: through.subresources(strategy.subresources) }),
    ...(strategy.table && { table: convertedTable(strategy.table, converter) }),
  };
}

/** A printer of the stored version, for objects of the version that `converter` converts. */
export function convertedTable(table: TablePrinter, converter: Converter): TablePrinter {
  return { ...table, ...new Through(converter).hooks(table, tableHooks) };
}

/** A function for each function of `T`, so that one without a place here does not compile. */
type Hooks<T> = {
  readonly [K in keyof T as NonNullable<T[K]> extends (...args: never) => unknown ? K : never]-?: (
    through: Through,
    hook: NonNullable<T[K]>,
  ) => NonNullable<T[K]>;
};

const subresourceHooks: Hooks<SubresourceStrategy> = {
  prepareForUpdate: (through, hook) => (draft, old, context) =>
    through.change(draft, (stored) => hook(stored, through.stored(old), context)),
  validateUpdate: (through, hook) => (draft, old, context) => hook(through.draft(draft), through.stored(old), context),
};

const hooks: Hooks<Strategy> = {
  ...subresourceHooks,
  setDefaults: (through, hook) => (draft) => through.change(draft, hook),
  prepareForCreate: (through, hook) => (draft, context) => through.change(draft, (stored) => hook(stored, context)),
  prepareForDelete: (through, hook) => (draft) => through.change(draft, hook),
  validate: (through, hook) => (draft, context) => hook(through.draft(draft), context),
  validateCreate: (through, hook) => (draft, context) => hook(through.draft(draft), context),
  begin: (through, hook) => async (draft, old, context, reader) => {
    const stored = draft && through.draft(draft);
    const reservation = await hook(stored, old && through.stored(old), context, reader);
    if (draft !== undefined && stored !== undefined) through.replace(draft, stored);
    return reservation;
  },
  selectableFields: (through, hook) => (object) => hook(through.stored(object)),
  selectableField: (through, hook) => (object, field) => hook(through.stored(object), field),
  pendingFinalizers: (through, hook) => (object) => hook(through.stored(object)),
  // A handler reads the request itself and converts what it decodes.
  answer: (_through, hook) => hook,
  // What exists from the start is made in the stored version.
  reconcileBootstrap: (_through, hook) => hook,
  completeBootstrap: (_through, hook) => hook,
  gracefulDeletion: (through, hook) => (object, requested) => hook(through.stored(object), requested),
};

const tableHooks: Hooks<TablePrinter> = {
  cells: (through, hook) => (object, nowMs) => hook(through.stored(object), nowMs),
  conditions: (through, hook) => (object) => hook(through.stored(object)),
};

function refill(target: JsonObject, content: JsonObject): void {
  for (const name of Object.keys(target)) delete target[name];
  Object.assign(target, content);
}

/** Takes objects to the stored version and back. */
class Through {
  readonly #converter: Converter;

  constructor(converter: Converter) {
    this.#converter = converter;
  }

  /** A shared object as one that is only read. */
  stored(object: KubeObject): KubeObject {
    return this.#converter.toStored(object);
  }

  /** A draft as one that belongs to the caller. */
  draft(draft: JsonObject): JsonObject {
    return this.#converter.toStored(deepClone(draft));
  }

  /** Makes a change of the stored form in a draft of the served one. */
  change(draft: JsonObject, edit: (stored: JsonObject) => void): void {
    const stored = this.draft(draft);
    edit(stored);
    this.replace(draft, stored);
  }

  /**
   * Gives a draft the content that its stored form has now. Its metadata stay the same object throughout: the server holds on to them and
   * writes uid, times and names into them between hooks.
   */
  replace(draft: JsonObject, stored: JsonObject): void {
    const { metadata } = draft;
    const content = this.#converter.fromStored(stored) as JsonObject;
    refill(draft, content);
    if (!isObject(metadata) || !isObject(content.metadata)) return;
    refill(metadata, { ...content.metadata });
    draft.metadata = metadata;
  }

  /** The functions that `owner` has, each as its hook wraps it. */
  hooks<T extends object>(owner: T, wrappers: Hooks<T>): Partial<T> {
    const wrapped: Partial<T> = {};
    for (const name of Object.keys(wrappers) as (keyof T & keyof Hooks<T>)[]) {
      const hook = owner[name];
      const wrap = wrappers[name] as (through: Through, hook: unknown) => T[typeof name];
      if (hook !== undefined) wrapped[name] = wrap(this, hook);
    }
    return wrapped;
  }

  subresources(strategies: NonNullable<Strategy['subresources']>): NonNullable<Strategy['subresources']> {
    return Object.fromEntries(
      Object.entries(strategies).map(([name, one]) => [name, { ...one, ...this.hooks(one, subresourceHooks) }]),
    );
  }
}
