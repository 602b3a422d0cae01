/** `diff`: what `apply` would change, shown by the machine's own tool. Source: kubectl `cmd/diff/diff.go`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, integer, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { applyPatch } from './apply.ts';
import { fileFlags, type KubectlContext, managerFlag, selectorFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { withLastApplied } from './last-applied.ts';
import { lookUp, withNamespace } from './live-object.ts';
import { renderObject, withoutManagedFields } from './output.ts';
import { runInShell, runProgram } from './run-program.ts';
import { parseTargets, type Target, targetOptions } from './targets.ts';

/** The flags of the command. */
export const diffFlags = {
  ...fileFlags,
  selector: selectorFlag,
  'field-manager': managerFlag('kubectl-client-side-apply'),
  'server-side': toggle({ help: 'As with apply --server-side.' }),
  'force-conflicts': toggle({ help: 'With --server-side, take over fields of other managers.' }),
  'show-managed-fields': toggle({ help: 'Keep managedFields.' }),
  concurrency: integer({ help: 'Taken and not used.', fallback: 1 }),
} satisfies FlagTable;

type Values = FlagValues<typeof diffFlags> & { readonly namespace: string };

/** Runs the command; resolves to 0 without differences, 1 with some. */
export async function diff(context: KubectlContext, values: Values): Promise<number> {
  if (values.filename.length === 0 && values.kustomize === '')
    throw new UserError('error: must specify one of -f and -k');
  const targets = await parseTargets(context, [], targetOptions(values));
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-diff-'));
  try {
    const [live, merged] = [join(folder, liveName(folder, 'LIVE')), join(folder, liveName(folder, 'MERGED'))];
    mkdirSync(live);
    mkdirSync(merged);
    for (const target of targets) {
      const path = pathOf(target.mapping, target.namespace, target.name);
      const before = await lookUp(context, path);
      const after = await wouldBe(context, values, { target, before });
      const file = fileName(target);
      if (before !== undefined) writeFileSync(join(live, file), shown(values, before), { mode: 0o600 });
      writeFileSync(join(merged, file), shown(values, after), { mode: 0o600 });
    }
    const tool = context.machine.environment.KUBECTL_EXTERNAL_DIFF ?? '';
    if (tool !== '') return await runInShell(context, tool, [live, merged]);
    return await runProgram(context, 'diff', ['-u', '-N', live, merged]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function liveName(folder: string, side: string): string {
  return `${side}-${basename(folder).replace('kubectl-diff-', '')}`;
}

function fileName({ mapping, namespace, name }: Target): string {
  const parts = [mapping.group, mapping.version, mapping.kind, namespace ?? '', name ?? ''];
  return parts.filter((part) => part !== '').join('.');
}

function shown(values: Values, object: JsonObject): string {
  return renderObject('yaml', values['show-managed-fields'] ? object : withoutManagedFields(object));
}

async function wouldBe(
  context: KubectlContext,
  values: Values,
  { target, before }: { readonly target: Target; readonly before: JsonObject | undefined },
): Promise<JsonObject> {
  const document = withNamespace(target.document ?? {}, target);
  const path = pathOf(target.mapping, target.namespace, target.name);
  const query = { fieldManager: values['field-manager'], dryRun: 'All' };
  if (values['server-side']) {
    const answer = await context.api.call({
      method: 'PATCH',
      path,
      query: { ...query, fieldManager: 'kubectl', force: String(values['force-conflicts']) },
      body: document,
      contentType: 'application/apply-patch+yaml',
    });
    return answer.object;
  }
  if (before === undefined) {
    const where = pathOf(target.mapping, target.namespace);
    return (await context.api.call({ method: 'POST', path: where, query, body: withLastApplied(document) })).object;
  }
  const { patch, contentType } = await applyPatch(target, before);
  return (await context.api.call({ method: 'PATCH', path, query, body: patch, contentType })).object;
}
