/** Names of images: `[registry/]path[:tag][@digest]`. Source: `distribution/reference`. */
import { RuntimeError } from './runtime.ts';

const namePattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?::[0-9]+)?(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[\w][\w.-]{0,127}$/;
const digestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;

/** The parts of a name. */
export interface ImageName {
  /** Without tag and digest. */
  readonly repository: string;
  /** `latest` when neither tag nor digest is given. */
  readonly tag: string;
  readonly digest?: string;
}

/** The parts of a name. Throws `RuntimeError` `invalidImage`, with upstream's words, for what is not one. */
export function parseImageName(image: string): ImageName {
  const [beforeDigest = '', digest] = splitAt(image, image.indexOf('@'));
  const slash = beforeDigest.lastIndexOf('/');
  const colon = beforeDigest.indexOf(':', slash + 1);
  const [repository = '', tag] = splitAt(beforeDigest, colon);
  const valid =
    namePattern.test(repository) &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || digestPattern.test(digest));
  if (!valid) {
    throw new RuntimeError(
      'invalidImage',
      `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`,
    );
  }
  return { repository, tag: tag ?? 'latest', ...(digest === undefined ? {} : { digest }) };
}

function splitAt(text: string, index: number): readonly [string, string?] {
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}
