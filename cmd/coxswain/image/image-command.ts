/** What a command of `coxswain image` is: flags, what it takes besides, and what it does. Its help and its refusals are the same for all. */
import { type FlagTable, type FlagValues, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { ImageStoreError } from '#pkg/images/image-store.ts';
import type { World } from '../world.ts';

/** A command that was found by its name. */
export interface ImageCommand {
  readonly summary: string;
  /** Resolves to its exit code. Throws `UserError`, and what the system says. */
  run(world: World, args: readonly string[]): Promise<number>;
}

interface Definition<T extends FlagTable> {
  readonly name: string;
  readonly summary: string;
  /** What it takes, such as `NAME...`. */
  readonly takes: string;
  /** How many it takes. */
  readonly least: number;
  readonly most: number;
  readonly flags: T;
  readonly run: (world: World, values: FlagValues<T>, rest: readonly string[]) => Promise<number>;
}

/** Makes a command of its definition. */
export function imageCommand<T extends FlagTable>(definition: Definition<T>): ImageCommand {
  const { name, summary, takes, least, most, flags, run } = definition;
  const usage = `coxswain image ${name}${takes === '' ? '' : ` ${takes}`} [flags]`;
  const hint = `(see "coxswain image ${name} --help")`;
  return {
    summary,
    async run(world, args) {
      const parsed = parseFlags(flags, args);
      if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
      if (parsed.help) {
        world.write(helpText(flags, { usage, summary }));
        return 0;
      }
      const { rest, values } = parsed;
      if (rest.length < least) throw new UserError(`say ${takes} ${hint}`);
      if (rest.length > most) throw new UserError(`unexpected argument: ${rest[most]} ${hint}`);
      try {
        return await run(world, values, rest);
      } catch (error) {
        // It is said in one sentence already, whatever the system said.
        if (error instanceof ImageStoreError) throw new UserError(error.message, error);
        throw error;
      }
    },
  };
}

/** A number of bytes for people, in decimal units as registries have them. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}${units[unit]}`;
}

/** An id as people read it. */
export function shortId(id: string): string {
  return id.replace('sha256:', '').slice(0, 12);
}
