/** `coxswain version`, with arguments; without any, `bin.js` has answered already. */
import { type FlagTable, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { formatted, outputFlag } from './output.ts';
import { versionLine, versions } from './version-line.js';
import type { World } from './world.ts';

const flags = { output: outputFlag } satisfies FlagTable;

/** Prints the versions of Coxswain, of Kubernetes and of Node; resolves to 0. Throws `UserError` for arguments. */
export async function version(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  const wrong = parsed.ok ? parsed.rest.map((argument) => `unexpected argument: ${argument}`)[0] : parsed.message;
  if (!parsed.ok || wrong !== undefined) throw new UserError(`${wrong} (see "coxswain version --help")`);
  const { output } = parsed.values;
  if (parsed.help) world.write(helpText(flags, { usage: 'coxswain version [flags]', summary: 'Print the version.' }));
  else world.write(output === '' ? versionLine() : await formatted(versions(), output));
  return 0;
}
