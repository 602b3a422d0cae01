/** Fields by their paths, through every item of the lists on the way. Source: kustomize `api/filters/fieldspec`. */
import { isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** How far a change goes. */
export interface PathOptions {
  /** Makes what is missing on the way, but for items of lists. */
  readonly creates: boolean;
}

/** Changes what is at a path (`spec/template/spec/containers/image`); what `change` returns undefined for stays as it is. */
export function changeAt(
  value: JsonObject,
  path: string,
  { creates }: PathOptions,
  change: (old: unknown) => unknown,
): void {
  // A slash within a name is escaped.
  const steps = path.split(/(?<!\\)\//).map((step) => step.replaceAll('\\/', '/').replace(/\[\]$/, ''));
  changeStep(value, steps, creates, change);
}

function changeStep(
  value: JsonObject,
  [name = '', ...rest]: readonly string[],
  creates: boolean,
  change: (old: unknown) => unknown,
): void {
  const held = Object.hasOwn(value, name) ? value[name] : undefined;
  if (rest.length === 0) {
    if (!creates && (held === undefined || held === null)) return;
    const changed = change(held ?? undefined);
    if (changed !== undefined) setOwn(value, name, changed);
    return;
  }
  if (held === undefined || held === null) {
    if (!creates) return;
    const made: JsonObject = {};
    changeStep(made, rest, creates, change);
    if (Object.keys(made).length > 0) setOwn(value, name, made);
  } else if (isObject(held)) changeStep(held, rest, creates, change);
  else if (Array.isArray(held)) for (const item of held) if (isObject(item)) changeStep(item, rest, creates, change);
}
