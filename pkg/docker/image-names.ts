/** Names of images as Docker's clients write and show them. Pure. */
import { parseReference } from '#pkg/images/reference.ts';

/** A name without what goes without saying: `docker.io/library/busybox:1` is `busybox:1`. Source: `reference.FamiliarString`. */
export function familiarName(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/)?/, '');
}

/** A name of an image and a tag or digest beside it, as one. */
export function withTag(name: string, tag: string): string {
  if (tag === '') return name;
  return tag.startsWith('sha256:') ? `${name}@${tag}` : `${name}:${tag}`;
}

/** The tag of a name. */
export function tagOf(name: string): string {
  return parseReference(name).tag ?? '';
}
