/** `kustomize`. */
import { writeFileSync } from 'node:fs';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { type FlagTable, type FlagValues, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from '../context.ts';
import type { Subcommand } from '../subcommand.ts';

const flags = { output: text({ help: 'File to write to.', short: 'o', placeholder: 'file' }) } satisfies FlagTable;

/** Builds a kustomization and prints it. */
export const kustomizeCommand: Subcommand = {
  summary: 'Build a kustomization from a folder.',
  usage: 'kustomize FOLDER',
  flags,
  isLocal: true,
  run: async (context: KubectlContext, values: FlagValues<typeof flags>, args: readonly string[]) => {
    if (args.length > 1) throw new UserError('error: specify one path to kustomization.yaml');
    // The table of facts takes longer to load than most commands.
    const { buildKustomization } = await import('./build.ts');
    const objects = buildKustomization(args[0] ?? '.', (line) => context.complain(line));
    const printed = objects.map((object) => yamlText(object)).join('---\n');
    if (values.output === '') context.print(printed);
    else writeFileSync(values.output, printed);
    return 0;
  },
};
