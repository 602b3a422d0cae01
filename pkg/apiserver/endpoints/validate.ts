/** Whether a draft may be stored: metadata, required fields, the resource's own rules. */
import { validateRequired } from '#pkg/api/validation/required.ts';
import { at, type FieldError, invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject, ObjectMeta } from '#pkg/apimachinery/object.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '#pkg/apimachinery/object-meta-validation.ts';
import type { StrategyContext } from '../strategy.ts';
import type { Scope } from './scope.ts';

/**
 * Throws Invalid with everything that is wrong. `old` is undefined on create. What the rules warn of, which is all after the first `warned`
 * warnings, is told only of objects that pass, as upstream asks for warnings after validation (`registry/rest/create.go` `BeforeCreate`).
 */
export function checkObject(
  scope: Scope,
  draft: JsonObject,
  old: KubeObject | undefined,
  { context, subresource, warned }: { context: StrategyContext; subresource: string; warned: number },
): void {
  const { strategy, info, schema } = scope.served;
  const metadata = draft.metadata as ObjectMeta;
  const errors: FieldError[] = metadataErrors(scope, metadata, old);
  append(errors, scope.served.checkValues?.(draft, old, context.warn));
  if (subresource === '') {
    if (context.isSpecGood !== true && !isSpecKept(scope, draft, old)) {
      errors.push(...validateRequired(draft, schema));
      append(errors, strategy.validate?.(draft, context));
      if (old === undefined) append(errors, strategy.validateCreate?.(draft, context));
    }
    if (old !== undefined) append(errors, strategy.validateUpdate?.(draft, old, context));
  } else if (old !== undefined) {
    append(errors, strategy.subresources?.[subresource]?.validateUpdate?.(draft, old, context));
  }
  if (errors.length === 0) return;
  scope.warnings.length = warned;
  throw invalidObject(info, metadata.name ?? '', distinct(errors));
}

/** Whether all that the rules look at is as it was when it was stored, and so passes. */
function isSpecKept({ served }: Scope, draft: JsonObject, old: KubeObject | undefined): boolean {
  const { specRules } = served.strategy;
  if (specRules === undefined || old === undefined || !('spec' in old) || old.spec === undefined) return false;
  return draft.spec === old.spec && !specRules.standsApart(draft);
}

function metadataErrors(scope: Scope, metadata: ObjectMeta, old: KubeObject | undefined): FieldError[] {
  const { strategy, info, checkValues } = scope.served;
  const rules = { namespaced: info.namespaced, nameRule: strategy.nameRule };
  const errors =
    old === undefined
      ? validateObjectMeta(metadata, rules)
      : validateObjectMetaUpdate(metadata, old.metadata ?? {}, rules);
  // Custom resources have checks of values; their finalizers may have any name, as upstream's do.
  if (checkValues === undefined && !anyFinalizerGroups.has(info.group))
    append(errors, finalizerErrors(metadata.finalizers ?? []));
  return errors;
}

const standardFinalizers: ReadonlySet<string> = new Set(['foregroundDeletion', 'kubernetes', 'orphan']);

/** Groups whose objects may have finalizers with any name. */
const anyFinalizerGroups: ReadonlySet<string> = new Set([
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'coordination.k8s.io',
]);

const finalizersField = pathsOf<KubeObject>()('metadata.finalizers');

/** Source: `pkg/apis/core/validation` `validateKubeFinalizerName`. */
function finalizerErrors(finalizers: readonly string[]): FieldError[] {
  const why = 'name is neither a standard finalizer name nor is it fully qualified';
  return finalizers.flatMap((name, i) =>
    name.includes('/') || standardFinalizers.has(name) ? [] : [invalid(at(finalizersField, i), name, why)],
  );
}

function append(errors: FieldError[], more: readonly FieldError[] | undefined): void {
  if (more !== undefined && more.length > 0) errors.push(...more);
}

/**
 * A missing field may be found by the schema and by the resource's own rules: it is reported once, in the words of those that say more
 * about it.
 */
function distinct(errors: readonly FieldError[]): readonly FieldError[] {
  const seen = new Set<string>();
  const explained = new Set<string>();
  for (const { field, message } of errors) if (message.startsWith('Required value: ')) explained.add(field);
  return errors.filter(({ field, message }) => {
    if (message === 'Required value' && explained.has(field)) return false;
    const key = `${field}\n${message}`;
    return !seen.has(key) && seen.add(key);
  });
}
