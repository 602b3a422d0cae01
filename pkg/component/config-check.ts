/**
 * Checks a configuration file against the table of flags that it stands for, with ajv and a schema made of that table. Loaded by those that are
 * given a file only. What a schema cannot say, flags find when they read the values. Upstream counterpart: strict decoding of component configurations.
 */
import type { Ajv as AjvInstance, ErrorObject } from 'ajv';
import { Ajv } from 'ajv';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, fieldOf, nearest } from './flags.ts';

/** Problems that one message names; of further ones it gives the number. */
const problemsMax = 5;

/** JSON Schema of the configuration file of a process: its flags in camelCase, and what says of which kind the file is. */
function configSchema(table: FlagTable): JsonObject {
  const fields = Object.entries(table).map(([name, { schema, help }]) => [
    fieldOf(name),
    { ...schema, description: help },
  ]);
  const kind = { type: 'string' };
  return {
    type: 'object',
    properties: { apiVersion: kind, kind, ...Object.fromEntries(fields) },
    additionalProperties: false,
  };
}

/**
 * What is wrong with a configuration file, or the part of one below `under`, each with the path of its field (`etcdServers[1]: must be a string`);
 * undefined when nothing is.
 */
export function configProblem(table: FlagTable, config: unknown, under = ''): string | undefined {
  const ajv: AjvInstance = new Ajv({ allErrors: true, allowUnionTypes: true });
  const validate = ajv.compile(configSchema(table));
  if (validate(config)) return undefined;
  const prefix = under === '' ? '' : `${under}.`;
  const problems = [...new Set((validate.errors ?? []).map((error) => prefix + problemOf(table, error)))];
  const more = problems.length - problemsMax;
  return `${problems.slice(0, problemsMax).join('; ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function problemOf(table: FlagTable, { instancePath, keyword, params }: ErrorObject): string {
  const path = pathOf(instancePath);
  if (keyword === 'additionalProperties') {
    const field = String(params.additionalProperty);
    const near = nearest(fieldOf(field), Object.keys(table).map(fieldOf));
    return `${path === '' ? '' : `${path}.`}${field}: unknown field${near === undefined ? '' : ` (did you mean ${near}?)`}`;
  }
  const flag = Object.entries(table).find(([name]) => fieldOf(name) === path)?.[1];
  return `${path}: ${flag?.expects ?? 'must be a string'}`;
}

/** `a.b[1]` of the JSON pointer `/a/b/1`. */
function pathOf(pointer: string): string {
  const [, ...steps] = pointer.split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps.map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`)).join('');
}
