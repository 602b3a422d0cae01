/** `patch`: a change as JSON or YAML, of a strategic merge, a merge or a list of operations. Source: kubectl `cmd/patch/patch.go`. */
import { readFileSync } from 'node:fs';
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import { dryRunFlag, fileFlags, type KubectlContext, managerFlag, printFlags } from './context.ts';
import { pathOf } from './discovery.ts';
import { checkDryRun, dryRunQuery, drySuffix, ResultPrinter } from './printing.ts';
import { getObject, parseTargets, type Target, targetOptions } from './targets.ts';

/** The flags of the command. */
export const patchFlags = {
  ...fileFlags,
  ...printFlags,
  'dry-run': dryRunFlag,
  'field-manager': managerFlag('kubectl-patch'),
  patch: text({ help: 'The patch.', short: 'p', placeholder: 'patch' }),
  'patch-file': text({ help: 'File of the patch.', placeholder: 'file' }),
  type: text({ help: 'Kind of the patch.', fallback: 'strategic', placeholder: 'json|merge|strategic' }),
  subresource: text({ help: 'Subresource to patch.', placeholder: 'name' }),
  local: toggle({ help: 'Patch what the file holds and print it, without the server.' }),
} satisfies FlagTable;

type Values = FlagValues<typeof patchFlags> & { readonly namespace: string };

const contentTypes = new Map([
  ['json', 'application/json-patch+json'],
  ['merge', 'application/merge-patch+json'],
  ['strategic', 'application/strategic-merge-patch+json'],
]);

/** Runs the command; resolves to its exit code. */
export async function patch(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  if (values.patch !== '' && values['patch-file'] !== '')
    throw new UserError('error: cannot specify --patch and --patch-file together');
  if (values.patch === '' && values['patch-file'] === '')
    throw new UserError('error: must specify --patch or --patch-file containing the contents of the patch');
  const contentType = contentTypes.get(values.type);
  if (contentType === undefined)
    throw new UserError(`error: --type must be one of [json merge strategic], not ${JSON.stringify(values.type)}`);
  const body = readPatch(values);
  const targets = await parseTargets(context, args, targetOptions(values));
  for (const target of targets) {
    if (target.name === undefined) throw new UserError('error: resource(s) were provided, but no name was specified');
    await patchOne(context, values, { target, printer, body, contentType });
  }
  return 0;
}

interface PatchRun {
  readonly target: Target;
  readonly printer: ResultPrinter;
  readonly body: unknown;
  readonly contentType: string;
}

async function patchOne(context: KubectlContext, values: Values, run: PatchRun): Promise<void> {
  const { target, printer } = run;
  const before = await getObject(context, target);
  const dryRun = values['dry-run'];
  const { object } = await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name, values.subresource || undefined),
    query: {
      fieldManager: values['field-manager'],
      dryRun: dryRun === 'none' ? undefined : (dryRunQuery(dryRun) ?? 'All'),
    },
    body: run.body,
    contentType: run.contentType,
  });
  // What a subresource answers may be of another kind. An object that is gone by the patch has no version of its own.
  const same = values.subresource === '' ? deepEqual(before, object) : versionOf(before) === versionOf(object);
  const isSame = same && dryRun === 'none';
  const done = `patched${drySuffix(dryRun)}${isSame ? ' (no change)' : ''}`;
  printer.print(shownAs(target, object), object, done);
}

/** What a subresource answers may be of another kind, such as `Scale`. */
function shownAs(target: Target, object: JsonObject): Target {
  const kind = digText(object, 'kind');
  if (kind === '' || kind === target.mapping.kind) return target;
  const [group = ''] = digText(object, 'apiVersion').split('/');
  return { ...target, mapping: { ...target.mapping, kind, singular: kind.toLowerCase(), group } };
}

function versionOf(object: JsonObject): string {
  return digText(object, 'metadata', 'resourceVersion');
}

function readPatch(values: Values): unknown {
  const text = values.patch === '' ? readPatchFile(values['patch-file']) : values.patch;
  const decoded = decodeYaml(text, { wholeIntegers: true });
  if (decoded.ok && typeof decoded.value === 'object' && decoded.value !== null) return decoded.value;
  const why = decoded.ok ? 'it is no object' : decoded.error;
  throw new UserError(`error: unable to parse ${JSON.stringify(text)}: ${why}`);
}

function readPatchFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`error: unable to read patch file: open ${file}: no such file or directory`, error);
  }
}
