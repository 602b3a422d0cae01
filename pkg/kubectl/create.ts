/** `create`: objects of files, or one object made of flags (`create-*.ts`). Source: kubectl `cmd/create/create.go`. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, text } from '#pkg/component/flags.ts';
import { fileFlags, type KubectlContext, selectorFlag } from './context.ts';
import { configGenerators } from './create-config.ts';
import { policyGenerators } from './create-policy.ts';
import { roleGenerators } from './create-roles.ts';
import { serviceGenerators } from './create-services.ts';
import { createToken, tokenFlags } from './create-token.ts';
import { workloadGenerators } from './create-workloads.ts';
import type { UnknownKindError } from './discovery.ts';
import { serverError, UsageError } from './errors.ts';
import { type GeneratorValues, generatorFlags } from './generator.ts';
import { withLastApplied } from './last-applied.ts';
import { withNamespace } from './live-object.ts';
import { postObject } from './post-object.ts';
import { checkDryRun, drySuffix, ResultPrinter } from './printing.ts';
import { postRaw } from './raw.ts';
import type { Subcommand } from './subcommand.ts';
import { parseTargets, type Target, targetOptions } from './targets.ts';

const createFlags = {
  ...fileFlags,
  ...generatorFlags('kubectl-create'),
  selector: selectorFlag,
  raw: text({ help: 'Send the file to this path of the server as it is.', placeholder: 'path' }),
} satisfies FlagTable;

type Values = FlagValues<typeof createFlags> & GeneratorValues;

/** The command and all commands within it. */
export const createCommand: Subcommand = {
  summary: 'Create objects from files or of flags.',
  usage: 'create -f FILE',
  flags: createFlags,
  run: create,
  commands: {
    ...roleGenerators,
    ...configGenerators,
    ...workloadGenerators,
    ...policyGenerators,
    ...serviceGenerators,
    token: {
      summary: 'Request a service account token.',
      usage: 'token SERVICE_ACCOUNT_NAME',
      flags: tokenFlags,
      run: createToken,
    },
  },
};

async function create(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  if (values.filename.length === 0 && values.kustomize === '') {
    context.complain('error: must specify one of -f and -k\n');
    if (args.length === 0) return 1;
  }
  if (args.length > 0) throw new UsageError(`error: Unexpected args: [${args.join(' ')}]`);
  if (values.raw !== '') return postRaw(context, { path: values.raw, files: values.filename, method: 'POST' });
  const unknown: UnknownKindError[] = [];
  const onUnknownKind = (error: UnknownKindError) => void unknown.push(error);
  const targets = await parseTargets(context, args, { ...targetOptions(values), onUnknownKind });
  let code = 0;
  for (const target of targets) code = Math.max(code, await createOne(context, values, { target, printer }));
  for (const { message } of unknown) context.complain(message);
  return unknown.length > 0 ? 1 : code;
}

async function createOne(
  context: KubectlContext,
  values: Values,
  { target, printer }: { readonly target: Target; readonly printer: ResultPrinter },
): Promise<number> {
  const plain = withNamespace(target.document ?? {}, target);
  const body = values['save-config'] ? withLastApplied(plain) : plain;
  const { mapping, namespace } = target;
  try {
    const object = await postObject(context, values, { mapping, namespace, body });
    printer.print(target, object, `created${drySuffix(values['dry-run'])}`);
    return 0;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const doing = target.source === undefined ? undefined : `error when creating "${target.source}"`;
    context.complain(serverError(error, doing));
    return 1;
  }
}
