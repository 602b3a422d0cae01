/**
 * Checks a document that people write, such as a policy file, against a JSON Schema, with ajv, which is loaded by whoever has such a document. What is wrong is
 * told with the path of its field; fields that the schema does not know are told apart, as some readers only warn of them.
 */
import { Ajv, type ErrorObject } from 'ajv';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** What was found, each with its path (`rules[1].level: must be …`). */
export interface DocumentProblems {
  readonly errors: readonly string[];
  /** `unknown field "rules[0].levle"`. */
  readonly unknown: readonly string[];
}

/** Looks at all of a document. A schema must say `additionalProperties: false` where further fields are none. */
export function documentProblems(schema: JsonObject, document: unknown): DocumentProblems {
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true, strict: false }).compile(schema);
  if (validate(document)) return { errors: [], unknown: [] };
  const found = validate.errors ?? [];
  const unknown = found.filter(({ keyword }) => keyword === 'additionalProperties').map(unknownOf);
  const errors = found.filter(({ keyword }) => keyword !== 'additionalProperties').map(problemOf);
  return { errors: [...new Set(errors)], unknown: [...new Set(unknown)] };
}

function unknownOf({ instancePath, params }: ErrorObject): string {
  const path = pathOf(instancePath);
  return `unknown field ${JSON.stringify(`${path === '' ? '' : `${path}.`}${params.additionalProperty}`)}`;
}

function problemOf({ instancePath, keyword, params, message = 'is wrong' }: ErrorObject): string {
  const path = pathOf(instancePath);
  if (keyword === 'required') return `${path === '' ? '' : `${path}.`}${params.missingProperty}: Required value`;
  const what = keyword === 'enum' ? `must be one of ${params.allowedValues.join(', ')}` : message;
  return path === '' ? what : `${path}: ${what}`;
}

/** `a.b[1]` of the JSON pointer `/a/b/1`. */
function pathOf(pointer: string): string {
  const [, ...steps] = pointer.split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps.map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`)).join('');
}
