/** Which names an image of an archive gets in the store. */
import { ImageStoreError } from '../image-store.ts';
import { type ImageReference, parseReference } from '../reference.ts';

/** Names of an archive's image: whole ones as they are; a mere tag says nothing of where it belongs, so a name that was given stands in for it. */
export function referencesOf(
  names: readonly string[],
  fallback: ImageReference | undefined,
): readonly ImageReference[] {
  const whole = names.filter((name) => /[/:]/.test(name)).map(parseReference);
  if (whole.length > 0) return whole;
  if (fallback !== undefined) return [fallback];
  const [bare] = names;
  throw new ImageStoreError(
    'invalidName',
    bare === undefined
      ? 'image of the archive has no name: say which it is to have'
      : `image of the archive has only the tag "${bare}": say which name it is to have`,
  );
}
