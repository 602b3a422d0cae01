/**
 * `apply --server-side`: the server merges, and fields of other managers are theirs. What an earlier `apply` of kubectl's own owned becomes this
 * manager's, and its note of what was last applied is kept up. Source: kubectl `cmd/apply/apply.go`, client-go `util/csaupgrade`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { dig, digList, digText } from './api.ts';
import { type ApplyRun, clientSideManager } from './apply-flags.ts';
import { pathOf } from './discovery.ts';
import { lastAppliedKey, lastAppliedText } from './last-applied.ts';
import { withNamespace } from './live-object.ts';
import { dryRunQuery, drySuffix, fieldValidation } from './printing.ts';
import { sortedJson } from './sorted-json.ts';
import type { Target } from './targets.ts';

/** Who owns the fields where the command line does not say. */
const serverSideManager = 'kubectl';
/** Who owns the note. */
const noteManager = 'kubectl-last-applied';

/** Applies the document of a target; resolves to what the server makes of it. */
export async function serverSideApply(run: ApplyRun, target: Target): Promise<JsonObject> {
  const { context, values, printer } = run;
  const manager = managerOf(values['field-manager']);
  const dryRun = values['dry-run'];
  const document = withNamespace(target.document ?? {}, target);
  const send = async (body: JsonObject, query: { readonly fieldManager: string; readonly force: string }) => {
    const answer = await context.api.call({
      method: 'PATCH',
      path: pathOf(target.mapping, target.namespace, target.name, values.subresource || undefined),
      query: { ...query, fieldValidation: fieldValidation(values.validate), dryRun: dryRunQuery(dryRun) },
      body,
      contentType: 'application/apply-patch+yaml',
    });
    return answer.object;
  };
  const own = { fieldManager: manager, force: String(values['force-conflicts']) };
  let object = await send(document, own);
  if (dryRun === 'none' && lastAppliedText(object) !== '') {
    if (await takeOver(run, target, object)) object = await send(document, own);
    const { apiVersion, kind } = document;
    const metadata = {
      name: target.name,
      ...(target.namespace === undefined ? {} : { namespace: target.namespace }),
      annotations: { [lastAppliedKey]: `${sortedJson(document)}\n` },
    };
    object = await send({ apiVersion, kind, metadata }, { fieldManager: noteManager, force: 'true' });
  }
  printer.add(target, object, `serverside-applied${drySuffix(dryRun)}`);
  return object;
}

function managerOf(given: string): string {
  return given === clientSideManager ? serverSideManager : given;
}

/** Gives what kubectl's own apply owned to the manager of this one; whether there was any. */
async function takeOver({ context, values }: ApplyRun, target: Target, object: JsonObject): Promise<boolean> {
  const entries = digList(object, 'metadata', 'managedFields');
  const old = entries.find((entry) => entry.operation === 'Update' && entry.manager === clientSideManager);
  if (old === undefined) return false;
  const manager = managerOf(values['field-manager']);
  const own = entries.find((entry) => entry.operation === 'Apply' && entry.manager === manager);
  const { time: _, ...base } = own ?? { ...old, manager, operation: 'Apply' };
  const joined = { ...base, fieldsV1: union(own?.fieldsV1, withoutNote(old.fieldsV1)) };
  const rest = entries.filter((entry) => entry !== old && entry !== own);
  await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name),
    query: { fieldManager: manager },
    body: [
      { op: 'replace', path: '/metadata/managedFields', value: [joined, ...rest] },
      { op: 'replace', path: '/metadata/resourceVersion', value: digText(object, 'metadata', 'resourceVersion') },
    ],
    contentType: 'application/json-patch+json',
  });
  return true;
}

/** Sets of fields are maps of maps, of which the union is that of all levels. */
function union(a: unknown, b: unknown): JsonObject {
  const joined: JsonObject = isObject(a) ? { ...a } : {};
  for (const [key, value] of Object.entries(isObject(b) ? b : {})) joined[key] = union(joined[key], value);
  return joined;
}

function withoutNote(fields: unknown): unknown {
  if (dig(fields, 'f:metadata', 'f:annotations', `f:${lastAppliedKey}`) === undefined || !isObject(fields))
    return fields;
  const { 'f:metadata': metadata, ...rest } = fields;
  const { 'f:annotations': annotations, ...others } = isObject(metadata) ? metadata : {};
  const { [`f:${lastAppliedKey}`]: _, '.': _self, ...left } = isObject(annotations) ? annotations : {};
  const kept = { ...others, ...(Object.keys(left).length === 0 ? {} : { 'f:annotations': left }) };
  return { ...rest, ...(Object.keys(kept).length === 0 ? {} : { 'f:metadata': kept }) };
}
