/** `apply view-last-applied`, `set-last-applied` and `edit-last-applied`: the note that `apply` keeps. Source: kubectl `cmd/apply/apply_*.go`. */
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { dryRunFlag, fileFlags, type KubectlContext, managerFlag, printFlags, selectorFlag } from './context.ts';
import { pathOf } from './discovery.ts';
import { editText } from './editor.ts';
import { UsageError } from './errors.ts';
import { lastApplied, lastAppliedKey, lastAppliedText, withLastApplied } from './last-applied.ts';
import { withNamespace } from './live-object.ts';
import { renderObject } from './output.ts';
import { checkDryRun, dryRunQuery, drySuffix, ResultPrinter } from './printing.ts';
import type { Commands } from './subcommand.ts';
import { getObject, parseTargets, resolveObjects, type Target, targetName, targetOptions } from './targets.ts';

const viewFlags = {
  ...fileFlags,
  output: text({ help: 'Form of the output: yaml or json.', short: 'o', fallback: 'yaml', placeholder: 'yaml|json' }),
  selector: selectorFlag,
  all: toggle({ help: 'All objects of the resource in the namespace.' }),
} satisfies FlagTable;

const setFlags = {
  ...fileFlags,
  ...printFlags,
  'dry-run': dryRunFlag,
  'create-annotation': toggle({ help: 'Make the note where there is none.' }),
} satisfies FlagTable;

const editFlags = { ...fileFlags, ...printFlags, 'field-manager': managerFlag('kubectl-client-side-apply') };

/** The commands within `apply`. */
export const applyNotes: Commands = {
  'edit-last-applied': {
    summary: 'Edit what was last applied.',
    usage: 'edit-last-applied TYPE/NAME',
    flags: editFlags,
    run: editLastApplied,
  },
  'set-last-applied': {
    summary: 'Note what the files hold as what was last applied.',
    usage: 'set-last-applied -f FILE',
    flags: setFlags,
    run: setLastApplied,
  },
  'view-last-applied': {
    summary: 'Show what was last applied.',
    usage: 'view-last-applied TYPE/NAME',
    flags: viewFlags,
    run: viewLastApplied,
  },
};

type ViewValues = FlagValues<typeof viewFlags> & { readonly namespace: string };

async function viewLastApplied(context: KubectlContext, values: ViewValues, args: readonly string[]): Promise<number> {
  if (!['json', 'yaml'].includes(values.output)) {
    throw new UsageError(
      `error: Unexpected -o output mode: ${values.output}, the flag 'output' must be one of yaml|json`,
    );
  }
  const targets = await parseTargets(context, args, targetOptions(values));
  for (const { target, object } of await resolveObjects(context, targets, { selector: values.selector })) {
    if (lastAppliedText(object) === '') throw noNote(target);
    context.print(renderObject(values.output, lastApplied(object)));
  }
  return 0;
}

function noNote(target: Target): UserError {
  return new UserError(
    `error: no last-applied-configuration annotation found on resource, to create the annotation, run the command with --create-annotation: ${target.name}`,
  );
}

type SetValues = FlagValues<typeof setFlags> & { readonly namespace: string };

async function setLastApplied(context: KubectlContext, values: SetValues): Promise<number> {
  const printer = new ResultPrinter(context, values);
  checkDryRun(values['dry-run']);
  for (const target of await parseTargets(context, [], targetOptions(values))) {
    const object = await getObject(context, target);
    if (lastAppliedText(object) === '' && !values['create-annotation']) throw noNote(target);
    const note = lastAppliedText(withLastApplied(withNamespace(target.document ?? {}, target)));
    if (note === lastAppliedText(object)) {
      context.print(`set-last-applied ${target.name}: no changes required.\n`);
      continue;
    }
    const after = values['dry-run'] === 'client' ? object : await writeNote(context, { target, note, ...values });
    printer.add(target, after, `configured${drySuffix(values['dry-run'])}`);
  }
  printer.printTogether();
  return 0;
}

async function writeNote(
  context: KubectlContext,
  { target, note, ...values }: { readonly target: Target; readonly note: string; readonly 'dry-run'?: string },
): Promise<JsonObject> {
  const { object } = await context.api.call({
    method: 'PATCH',
    path: pathOf(target.mapping, target.namespace, target.name),
    query: { fieldManager: 'kubectl-client-side-apply', dryRun: dryRunQuery(values['dry-run'] ?? 'none') },
    body: { metadata: { annotations: { [lastAppliedKey]: note } } },
    contentType: 'application/merge-patch+json',
  });
  return object;
}

type EditValues = FlagValues<typeof editFlags> & { readonly namespace: string };

async function editLastApplied(context: KubectlContext, values: EditValues, args: readonly string[]): Promise<number> {
  const targets = await parseTargets(context, args, targetOptions(values));
  const extension = values.output === 'json' ? 'json' : 'yaml';
  let code = 0;
  for (const { target, object } of await resolveObjects(context, targets, {})) {
    if (lastAppliedText(object) === '') throw noNote(target);
    const ended = await editText(context, {
      text: renderObject(extension, lastApplied(object)),
      extension,
      take: async (edited) => {
        const decoded = decodeYaml(edited, { wholeIntegers: true });
        if (!decoded.ok) return { ok: false, problem: `The edited file had a syntax error: ${decoded.error}` };
        if (!isObject(decoded.value)) return { ok: false, problem: 'The edited file is no object' };
        await writeNote(context, { target, note: lastAppliedText(withLastApplied(decoded.value)) });
        context.print(`${targetName(target)} edited\n`);
        return { ok: true };
      },
    });
    code = Math.max(code, ended);
  }
  return code;
}
