/** Conditions in CEL under which an authorizer is asked: `request` is the spec of the review. Source: apiserver `pkg/authorization/cel/compile.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { environmentOf } from '#pkg/cel/environment.ts';
import { fromJson } from '#pkg/cel/json-values.ts';
import { callCostMax, compileProgram } from '#pkg/cel/program.ts';
import { boolType, listOf, mapOf, objectType, stringType, type Type, typeText } from '#pkg/cel/types.ts';

/** A condition, or why it is none. */
export interface ReviewCondition {
  readonly problem: string | undefined;
  /** Whether it holds. Throws an `Error` where it cannot be evaluated. */
  holds(request: JsonObject): boolean;
}

function named(name: string, fields: Readonly<Record<string, Type>>): Type {
  return objectType(
    `kubernetes.${name}`,
    new Map(Object.entries(fields).map(([field, type]) => [field, { name: field, type }])),
  );
}

const requirement = (name: string) =>
  named(name, { key: stringType, operator: stringType, values: listOf(stringType) });
const selector = (name: string) =>
  named(name, { rawSelector: stringType, requirements: listOf(requirement(`${name}Requirement`)) });

const requestType = named('SubjectAccessReviewSpec', {
  resourceAttributes: named('ResourceAttributes', {
    namespace: stringType,
    verb: stringType,
    group: stringType,
    version: stringType,
    resource: stringType,
    subresource: stringType,
    name: stringType,
    fieldSelector: selector('FieldSelectorAttributes'),
    labelSelector: selector('LabelSelectorAttributes'),
  }),
  nonResourceAttributes: named('NonResourceAttributes', { path: stringType, verb: stringType }),
  user: stringType,
  groups: listOf(stringType),
  extra: mapOf(stringType, listOf(stringType)),
  uid: stringType,
});

/** Compiles one. */
export function compileReviewCondition(text: string): ReviewCondition {
  const program = compileProgram(text, environmentOf({ request: requestType }));
  if ('issues' in program) return useless(`compilation failed: ${program.text}`);
  const { type } = program.checked;
  if (type.kind !== 'dyn' && typeText(type) !== typeText(boolType)) return useless('must evaluate to bool');
  return {
    problem: undefined,
    holds(request) {
      const outcome = program.run([fromJson(request)], callCostMax);
      if ('error' in outcome)
        throw new Error(`cel evaluation error: expression '${text}' resulted in error: ${outcome.error.message}`);
      return outcome.value === true;
    },
  };
}

function useless(problem: string): ReviewCondition {
  return {
    problem,
    holds() {
      throw new Error(problem);
    },
  };
}
