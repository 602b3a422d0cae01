/** `certificate approve` and `deny`: the answer to certificate signing requests. Source: kubectl `cmd/certificates/certificates.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { type FlagTable, type FlagValues, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList } from './api.ts';
import { fileFlags, type KubectlContext, printFlags } from './context.ts';
import { pathOf } from './discovery.ts';
import { ResultPrinter } from './printing.ts';
import { group } from './subcommand.ts';
import { getObject, parseTargets, type Target, targetOptions } from './targets.ts';

const flags = {
  ...fileFlags,
  ...printFlags,
  force: toggle({ help: 'Also where the answer is given already.' }),
} satisfies FlagTable;

type Values = FlagValues<typeof flags> & { readonly namespace: string };

/** The two commands. */
export const certificateCommand = group('certificate', 'Modify certificate resources.', {
  approve: {
    summary: 'Approve a certificate signing request.',
    usage: 'approve NAME',
    flags,
    run: answer('Approved', 'approved', 'KubectlApprove', 'This CSR was approved by kubectl certificate approve.'),
  },
  deny: {
    summary: 'Deny a certificate signing request.',
    usage: 'deny NAME',
    flags,
    run: answer('Denied', 'denied', 'KubectlDeny', 'This CSR was denied by kubectl certificate deny.'),
  },
});

function answer(...words: readonly [type: string, done: string, reason: string, message: string]) {
  return async (context: KubectlContext, values: Values, args: readonly string[]): Promise<number> => {
    const [type, done] = words;
    if (args.length === 0 && values.filename.length === 0 && values.kustomize === '')
      throw new UserError('error: one or more CSRs must be specified as <name> or -f <filename>');
    const printer = new ResultPrinter(context, values);
    const named = args.map((name) => (name.includes('/') ? name : `certificatesigningrequests/${name}`));
    for (const target of await parseTargets(context, named, targetOptions(values))) {
      const object = await getObject(context, target);
      const conditions = digList(object, 'status', 'conditions');
      const other = type === 'Approved' ? 'Denied' : 'Approved';
      if (conditions.some((condition) => condition.type === other))
        throw new UserError(`error: certificate signing request ${JSON.stringify(target.name)} is already ${other}`);
      const isDone = conditions.some((condition) => condition.type === type);
      const after = isDone && !values.force ? object : await send(context, { target, object, words });
      printer.print(target, after, done);
    }
    return 0;
  };
}

async function send(
  context: KubectlContext,
  {
    target,
    object,
    words,
  }: {
    readonly target: Target;
    readonly object: JsonObject;
    readonly words: readonly [string, string, string, string];
  },
): Promise<JsonObject> {
  const [type, , reason, message] = words;
  const condition = { type, status: 'True', reason, message, lastUpdateTime: formatTimestamp(context.clock.nowMs()) };
  const others = digList(object, 'status', 'conditions').filter((one) => one.type !== type);
  const { status } = object;
  const body = {
    ...object,
    status: { ...(typeof status === 'object' ? status : {}), conditions: [...others, condition] },
  };
  const path = pathOf(target.mapping, undefined, target.name, 'approval');
  return (await context.api.call({ method: 'PUT', path, body })).object;
}
