/** Files with pictures of what was measured. */
import { writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { UserError } from '#pkg/component/user-error.ts';
import type { Picture } from '#pkg/vmm/picture.ts';
import type { World } from './world.ts';

/** Pictures by the ends of their files' names. */
const forms: Readonly<Record<string, (picture: Picture) => Promise<string | Uint8Array>>> = {
  '.svg': async (picture) => (await import('#pkg/vmm/picture.ts')).svgOf(picture),
  '.png': async (picture) => (await import('#pkg/vmm/picture-png.ts')).pngOf(picture),
};

/** A file that is asked for. */
interface PictureFile {
  /** Writes it, and says where it is. */
  write(world: World, picture: Picture): Promise<void>;
}

/** The file of that name; undefined for `''`. Throws `UserError` where no picture is made by such a name. */
export function pictureFile(name: string): PictureFile | undefined {
  if (name === '') return undefined;
  const form = forms[extname(name)];
  if (form === undefined)
    throw new UserError(
      `the picture is made as ${Object.keys(forms).join(' or ')}: ${JSON.stringify(name)} is neither`,
    );
  return {
    write: async (world, picture) => {
      writeFileSync(name, await form(picture));
      world.write(`\nThe picture is in ${name}\n`);
    },
  };
}
