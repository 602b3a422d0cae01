/** `edit`: an object in an editor, and the difference sent as a patch. Source: kubectl `cmd/edit/edit.go`. */
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { fileFlags, type KubectlContext, managerFlag, printFlags, saveConfigFlag, validateFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { editText, type Taken } from './editor.ts';
import { serverError } from './errors.ts';
import { patchType, schemaOf, withLastApplied } from './last-applied.ts';
import { renderObject, withoutManagedFields } from './output.ts';
import { fieldValidation } from './printing.ts';
import { parseTargets, resolveObjects, type Target, targetName, targetOptions } from './targets.ts';
import { threeWayPatch } from './three-way.ts';

/** The flags of the command. */
export const editFlags = {
  ...fileFlags,
  ...printFlags,
  'field-manager': managerFlag('kubectl-edit'),
  'save-config': saveConfigFlag,
  validate: validateFlag,
  subresource: text({ help: 'Subresource to edit.', placeholder: 'name' }),
  'output-patch': toggle({ help: 'Print the patch too.' }),
  'windows-line-endings': toggle({ help: 'Taken and not used.' }),
} satisfies FlagTable;

type Values = FlagValues<typeof editFlags> & { readonly namespace: string };

/** Runs the command; resolves to its exit code. */
export async function edit(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const targets = await parseTargets(context, args, targetOptions(values));
  const found = await resolveObjects(context, targets, {});
  if (found.length === 0) throw new UserError('error: edit cancelled, no objects found');
  const extension = values.output === 'json' ? 'json' : 'yaml';
  let code = 0;
  for (const { target, object } of found) {
    const shown = values['show-managed-fields'] ? object : withoutManagedFields(object);
    const ended = await editText(context, {
      text: renderObject(extension, shown),
      extension,
      take: (edited) => takeEdit(context, values, { target, before: shown, edited }),
    });
    code = Math.max(code, ended);
  }
  return code;
}

interface Edited {
  readonly target: Target;
  readonly before: JsonObject;
  readonly edited: string;
}

async function takeEdit(context: KubectlContext, values: Values, { target, before, edited }: Edited): Promise<Taken> {
  const decoded = decodeYaml(edited, { wholeIntegers: true });
  if (!decoded.ok) return { ok: false, problem: `The edited file had a syntax error: ${decoded.error}` };
  if (!isObject(decoded.value)) return { ok: false, problem: 'The edited file is no object' };
  const after = values['save-config'] ? withLastApplied(decoded.value) : decoded.value;
  const schema = await schemaOf(target.mapping);
  const patch = threeWayPatch({ original: before, modified: after, current: before }, schema);
  if (Object.keys(patch).length === 0) {
    context.print(`${targetName(target)} skipped\n`);
    return { ok: true };
  }
  if (values['output-patch']) context.print(`Patch: ${jsonText(patch)}\n`);
  try {
    await context.api.call({
      method: 'PATCH',
      path: pathOf(target.mapping, target.namespace, target.name, values.subresource || undefined),
      query: { fieldManager: values['field-manager'], fieldValidation: fieldValidation(values.validate) },
      body: patch,
      contentType: patchType(schema),
    });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    context.complain(serverError(error, `${target.mapping.resource} "${target.name}" could not be patched`));
    return { ok: false, problem: `${target.mapping.resource} "${target.name}" was not valid:\n* ${error.message}` };
  }
  context.print(`${targetName(target)} edited\n`);
  return { ok: true };
}
