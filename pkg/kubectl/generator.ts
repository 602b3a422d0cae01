/**
 * Commands that make one object of their flags: `create configmap` and the like. A generator says what the object is; printing, dry runs and sending
 * are the same for all. Source: kubectl `cmd/create/create.go`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { FlagTable } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import {
  beforeDash,
  dryRunFlag,
  type KubectlContext,
  managerFlag,
  printFlags,
  saveConfigFlag,
  validateFlag,
} from './context.ts';
import type { Mapping } from './discovery.ts';
import { UsageError } from './errors.ts';
import { withLastApplied } from './last-applied.ts';
import { postObject } from './post-object.ts';
import { checkDryRun, drySuffix, type PrintValues, ResultPrinter } from './printing.ts';
import type { Subcommand } from './subcommand.ts';

/** The flags that every generator has, with the name of its manager. */
export function generatorFlags(manager: string) {
  return {
    ...printFlags,
    'dry-run': dryRunFlag,
    'field-manager': managerFlag(manager),
    'save-config': saveConfigFlag,
    validate: validateFlag,
  } satisfies FlagTable;
}

/** The values of those flags. */
export interface GeneratorValues extends PrintValues {
  readonly 'dry-run': string;
  readonly 'field-manager': string;
  readonly 'save-config': boolean;
  readonly validate?: string;
  readonly namespace: string;
}

/** What a generator is given beside its flags. */
export interface Wish {
  readonly name: string;
  readonly context: KubectlContext;
  /** The command of a container: the words after the name. */
  readonly words: readonly string[];
}

/** How one kind of object is made. */
export interface Generator<V> {
  readonly summary: string;
  readonly usage: string;
  /** Plural name of the resource, with its group. */
  readonly resource: string;
  /** What errors of the server begin with after `failed to create`; absent where they are shown as they are. */
  readonly failure?: string;
  /** Whether words may follow the name. */
  readonly takesWords?: boolean;
  readonly aliases?: readonly string[];
  readonly flags: FlagTable;
  /** Names of flags that must be given. */
  readonly required?: readonly string[];
  build(values: V, wish: Wish): JsonObject | Promise<JsonObject>;
}

/** The command of a generator. */
export function generatorCommand<V>(generator: Generator<V>): Subcommand {
  const { summary, usage, aliases, required = [] } = generator;
  return {
    summary,
    usage,
    flags: { ...generatorFlags('kubectl-create'), ...generator.flags },
    ...(aliases === undefined ? {} : { aliases }),
    run: async (context, values: V & GeneratorValues, args: readonly string[]) => {
      requireFlags(context, required);
      const names = generator.takesWords ? nameAndWords(context, args) : { name: onlyName(args), words: [] };
      const object = await generator.build(values, { ...names, context });
      const [mapping] = await context.discovery.resolve(generator.resource);
      return makeObject(context, values, { mapping, object, failure: generator.failure });
    },
  };
}

/** Refuses a command line without flags that it must have. Source: spf13/cobra `ValidateRequiredFlags`. */
export function requireFlags(context: KubectlContext, names: readonly string[]): void {
  const missing = names.filter((name) => !context.given.has(name)).map((name) => JSON.stringify(name));
  if (missing.length > 0) throw new UserError(`error: required flag(s) ${missing.join(', ')} not set`);
}

function onlyName(args: readonly string[]): string {
  const [name = '', ...more] = args;
  if (args.length !== 1 || more.length > 0)
    throw new UsageError(`error: exactly one NAME is required, got ${args.length}`);
  return name;
}

function nameAndWords(
  context: KubectlContext,
  args: readonly string[],
): { readonly name: string; readonly words: readonly string[] } {
  const before = beforeDash(context, args);
  return { name: onlyName(before), words: context.afterDash ?? [] };
}

/** An object to make, and how its resource is called. */
export interface Made {
  readonly mapping: Mapping;
  readonly object: JsonObject;
  /** What errors of the server begin with after `failed to create`. */
  readonly failure?: string | undefined;
  /** What is said was done; default `created`. */
  readonly done?: string;
}

/** Creates the object, or only says so, and prints it; resolves to the exit code. */
export async function makeObject(
  context: KubectlContext,
  values: GeneratorValues,
  made: Made,
  printer: ResultPrinter = new ResultPrinter(context, values),
): Promise<number> {
  const { mapping } = made;
  checkDryRun(values['dry-run']);
  const namespace = mapping.namespaced ? values.namespace || context.api.namespace : undefined;
  const plain = placed(made.object, values.namespace === '' ? undefined : namespace);
  const body = values['save-config'] ? withLastApplied(plain) : plain;
  const target = { mapping, ...(namespace === undefined ? {} : { namespace }) };
  const done = `${made.done ?? 'created'}${drySuffix(values['dry-run'])}`;
  try {
    printer.print(target, await postObject(context, values, { mapping, namespace, body }), done);
    return 0;
  } catch (error) {
    if (!(error instanceof StatusError) || made.failure === undefined) throw error;
    throw new UserError(`error: failed to create ${made.failure} ${error.message}`, error);
  }
}

function placed(object: JsonObject, namespace: string | undefined): JsonObject {
  if (namespace === undefined) return object;
  const { metadata } = object;
  return { ...object, metadata: { ...(typeof metadata === 'object' ? metadata : {}), namespace } };
}
