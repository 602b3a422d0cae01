/**
 * Arguments of plugins, as configuration files give them: a JSON Schema says what may stand there, and a rule what goes together. What a file leaves out
 * has its default, field by field. Upstream counterpart: kube-scheduler `apis/config/validation/validation_pluginargs.go`.
 */
import type { FieldError } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { AnyPlugin } from './plugin.ts';
import type { ArgsCheck, PluginContext, PluginEntry, Scheduling } from './plugin-context.ts';

/** A plugin that takes arguments of a type `T`. */
export interface ConfigurablePlugin<T extends object> {
  readonly name: string;
  readonly weight?: number;
  readonly scheduling?: PluginEntry['scheduling'];
  /** JSON Schema of the fields, beside `apiVersion` and `kind`. */
  readonly properties: JsonObject;
  fallback(scheduling: Scheduling): T;
  /** What the schema cannot say, each with the path of its field. */
  problems?(args: T): readonly FieldError[];
  create(context: PluginContext, args: T): AnyPlugin;
}

/** The line of the table for such a plugin. */
export function configurable<T extends object>(spec: ConfigurablePlugin<T>): PluginEntry {
  const { name, weight, scheduling, fallback, create, problems } = spec;
  const kinds = { apiVersion: { const: 'kubescheduler.config.k8s.io/v1' }, kind: { const: `${name}Args` } };
  const properties = { ...kinds, ...spec.properties };
  const schema: JsonObject = { type: 'object', properties, additionalProperties: false };
  const areArgs = (args: unknown, check: ArgsCheck): args is T => check(schema, args).length === 0;
  const complete = (given: JsonObject, way: Scheduling): unknown => ({ ...fallback(way), ...given });
  return {
    name,
    ...(weight === undefined ? {} : { weight }),
    ...(scheduling === undefined ? {} : { scheduling }),
    argsProblems(given, check) {
      const args = complete(given, 'packing');
      if (!areArgs(args, check)) return check(schema, args);
      return (problems?.(args) ?? []).map(({ field, message }) => `${field}: ${message}`);
    },
    create(context, given, check) {
      if (given === undefined) return create(context, fallback(context.scheduling));
      const args = complete(given, context.scheduling);
      if (check === undefined || !areArgs(args, check))
        throw new Error(`Cannot make the scheduler plugin ${name} as its arguments are wrong`);
      return create(context, args);
    },
  };
}
