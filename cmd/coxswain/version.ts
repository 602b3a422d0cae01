/** `coxswain version`, with arguments; without any, `bin.js` has answered already. */
import { helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { versionLine } from './version-line.js';
import type { World } from './world.ts';

/** Prints the versions of Coxswain, of Kubernetes and of Node; resolves to 0. Throws `UserError` for arguments. */
export async function version(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags({}, args);
  const wrong = parsed.ok ? parsed.rest.map((argument) => `unexpected argument: ${argument}`)[0] : parsed.message;
  if (wrong !== undefined) throw new UserError(`${wrong} (see "coxswain version --help")`);
  const isHelp = parsed.ok && parsed.help;
  world.write(isHelp ? helpText({}, { usage: 'coxswain version', summary: 'Print the version.' }) : versionLine());
  return 0;
}
