/** `cordon`, `uncordon` and `drain`: nodes that take no new pods, and lose those they have. Source: kubectl `cmd/drain/drain.go`, `pkg/drain`. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, integer } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dig, digText } from './api.ts';
import { dryRunFlag, type KubectlContext, selectorFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { checkDryRun, dryRunQuery, drySuffix } from './printing.ts';
import { chunkSizeDefault, parseTargets, resolveObjects, type Target } from './targets.ts';

/** The flags of `cordon` and `uncordon`. */
export const cordonFlags = {
  'dry-run': dryRunFlag,
  selector: selectorFlag,
} satisfies FlagTable;

/** The flag that `drain` has beside them, for how many objects are asked for at a time. */
export const chunkSizeFlag = integer({ help: 'Objects to ask for at a time.', fallback: chunkSizeDefault });

/** The values of `cordonFlags`. */
export type CordonValues = FlagValues<typeof cordonFlags> & { readonly namespace: string };

/** Runs `cordon`; resolves to its exit code. */
export function cordon(context: KubectlContext, values: CordonValues, args: readonly string[]): Promise<number> {
  return setAll(context, values, { args, name: 'cordon', isCordoned: true });
}

/** Runs `uncordon`; resolves to its exit code. */
export function uncordon(context: KubectlContext, values: CordonValues, args: readonly string[]): Promise<number> {
  return setAll(context, values, { args, name: 'uncordon', isCordoned: false });
}

interface Wish {
  readonly args: readonly string[];
  readonly name: string;
  readonly isCordoned: boolean;
}

async function setAll(context: KubectlContext, values: CordonValues, wish: Wish): Promise<number> {
  const nodes = await nodesOf(context, values, wish);
  let code = 0;
  for (const node of nodes) {
    try {
      await setCordoned(context, values, { node, isCordoned: wish.isCordoned });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      context.complain(`error: unable to ${wish.name} node ${JSON.stringify(node.name)}: ${error.message}`);
      code = 1;
    }
  }
  return code;
}

/** The nodes that the arguments or the selector mean. Throws `UserError` where they mean none. */
export async function nodesOf(
  context: KubectlContext,
  values: CordonValues,
  { args, name }: { readonly args: readonly string[]; readonly name: string },
): Promise<readonly Target[]> {
  checkDryRun(values['dry-run']);
  if (args.length === 0 && values.selector === '') throw new UsageError(`error: USAGE: ${name} NODE [flags]`);
  if (args.length > 0 && values.selector !== '')
    throw new UserError('error: error: cannot specify both a node name and a --selector option');
  const words = args.some((word) => word.includes('/')) ? args : ['nodes', ...args];
  const targets = await parseTargets(context, words, {});
  const found = await resolveObjects(context, targets, { selector: values.selector });
  if (found.length === 0) context.complain('No resources found');
  return found.map(({ target }) => target);
}

/** Makes a node take new pods or not, and says whether it did already. */
export async function setCordoned(
  context: KubectlContext,
  values: { readonly 'dry-run': string },
  { node, isCordoned }: { readonly node: Target; readonly isCordoned: boolean },
): Promise<void> {
  const path = pathOf(node.mapping, undefined, node.name);
  const { object } = await context.api.call({ method: 'GET', path });
  const isNow = dig(object, 'spec', 'unschedulable') === true;
  const done = isCordoned ? 'cordoned' : 'uncordoned';
  const name = `node/${digText(object, 'metadata', 'name')}`;
  if (isNow === isCordoned) {
    context.print(`${name} already ${done}${drySuffix(values['dry-run'])}\n`);
    return;
  }
  if (values['dry-run'] !== 'client') {
    await context.api.call({
      method: 'PATCH',
      path,
      query: { dryRun: dryRunQuery(values['dry-run']) },
      body: { spec: { unschedulable: isCordoned ? true : null } },
      contentType: 'application/strategic-merge-patch+json',
    });
  }
  context.print(`${name} ${done}${drySuffix(values['dry-run'])}\n`);
}
