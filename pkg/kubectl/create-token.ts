/** `create token`: a token of a service account. Source: kubectl `cmd/create/create_token.go`. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { duration, type FlagTable, type FlagValues, list, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import { type KubectlContext, printFlags } from './context.ts';
import { pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { ResultPrinter } from './printing.ts';

/** The flags of the command. */
export const tokenFlags = {
  ...printFlags,
  audience: list({ help: 'Whom the token is for.', placeholder: 'audience' }),
  duration: duration({ help: "How long it is good for; 0s for the server's own time.", fallback: 0 }),
  'bound-object-kind': text({ help: 'Kind of the object that it dies with.', placeholder: 'Pod|Secret|Node' }),
  'bound-object-name': text({ help: 'Name of that object.', placeholder: 'name' }),
  'bound-object-uid': text({ help: 'UID of that object.', placeholder: 'uid' }),
} satisfies FlagTable;

const boundKinds = ['Node', 'Pod', 'Secret'];

/** Runs the command; resolves to its exit code. */
export async function createToken(
  context: KubectlContext,
  values: FlagValues<typeof tokenFlags> & { readonly namespace: string },
  args: readonly string[],
): Promise<number> {
  const printer = new ResultPrinter(context, values);
  const [name = ''] = args;
  if (args.length !== 1) throw new UsageError(`error: exactly one NAME is required, got ${args.length}`);
  const [kind, boundName, uid] = [values['bound-object-kind'], values['bound-object-name'], values['bound-object-uid']];
  if (kind !== '' && !boundKinds.includes(kind))
    throw new UserError(`error: supported --bound-object-kind values are ${boundKinds.join(', ')}`);
  if (kind !== '' && boundName === '')
    throw new UserError('error: --bound-object-name is required if --bound-object-kind is provided');
  if (kind === '' && boundName !== '')
    throw new UserError('error: --bound-object-name can only be set if --bound-object-kind is provided');
  const [mapping] = await context.discovery.resolve('serviceaccounts');
  const namespace = values.namespace || context.api.namespace;
  const bound = { kind, apiVersion: 'v1', name: boundName, ...(uid === '' ? {} : { uid }) };
  const spec = {
    audiences: values.audience,
    ...(values.duration > 0 ? { expirationSeconds: Math.floor(values.duration / 1000) } : {}),
    ...(kind === '' ? {} : { boundObjectRef: bound }),
  };
  try {
    const { object } = await context.api.call({
      method: 'POST',
      path: pathOf(mapping, namespace, name, 'token'),
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
    });
    if (values.output === '') context.print(`${digText(object, 'status', 'token')}\n`);
    else printer.print({ mapping, namespace }, object, 'created');
    return 0;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new UserError(`error: failed to create token: ${error.message}`, error);
  }
}
