/**
 * Names of images, as people write them and whole: `busybox` is `docker.io/library/busybox:latest`. Pure.
 * Source: `distribution/reference` (normalized names), OCI distribution-spec "Pulling manifests".
 */
import { isDigest } from './digest.ts';
import { ImageStoreError } from './image-store.ts';

/** A whole name. */
export interface ImageReference {
  /** Such as `docker.io` or `127.0.0.1:5000`. */
  readonly host: string;
  /** Such as `library/busybox`. */
  readonly path: string;
  /** `latest` where neither tag nor digest is said. */
  readonly tag?: string;
  readonly digest?: string;
}

const hubHost = 'docker.io';
/** Names of the hub that were used once. */
const hubAliases: readonly string[] = ['docker.io', 'index.docker.io'];
const officialPath = 'library';
const tagDefault = 'latest';
/** Of host and path together. Source: `distribution/reference` `RepositoryNameTotalLengthMax`. */
const repositoryLengthMax = 255;

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const hostPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const identifierPattern = /^[a-f0-9]{64}$/;

/** The parts of a name. Throws `invalidName` in upstream's words for what is none. */
export function parseReference(text: string): ImageReference {
  const invalid = (why: string): ImageStoreError =>
    new ImageStoreError('invalidName', `couldn't parse image name "${text.slice(0, 300)}": ${why}`);
  if (identifierPattern.test(text)) throw invalid('it is an identifier, not a name');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const beforeDigest = at < 0 ? text : text.slice(0, at);
  const colon = beforeDigest.indexOf(':', beforeDigest.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : beforeDigest.slice(colon + 1);
  const { host, path } = splitHost(colon < 0 ? beforeDigest : beforeDigest.slice(0, colon));
  if (path !== path.toLowerCase()) throw invalid('repository name must be lowercase');
  const isWhole = hostPattern.test(host) && pathPattern.test(path) && (tag === undefined || tagPattern.test(tag));
  if (!isWhole) throw invalid('invalid reference format');
  if (digest !== undefined && !isDigest(digest)) throw invalid('invalid reference format: digests are sha256:<hex>');
  if (host.length + 1 + path.length > repositoryLengthMax)
    throw invalid(`repository name must not be more than ${repositoryLengthMax} characters`);
  if (digest !== undefined) return { host, path, ...(tag === undefined ? {} : { tag }), digest };
  return { host, path, tag: tag ?? tagDefault };
}

/** Whether a part of a path is a repository's name within a registry, such as `library/busybox`. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= repositoryLengthMax && pathPattern.test(text);
}

/** Whether a text is a tag. */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Host and path, such as `docker.io/library/busybox`. */
export function repositoryOf({ host, path }: ImageReference): string {
  return `${host}/${path}`;
}

/** The whole name: by its digest where there is one, as that says more than the tag beside it. */
export function wholeName(reference: ImageReference): string {
  const { tag, digest } = reference;
  return digest === undefined ? `${repositoryOf(reference)}:${tag ?? tagDefault}` : digestName(reference, digest);
}

/** The name of contents of a repository, by digest. */
export function digestName(reference: ImageReference, digest: string): string {
  return `${repositoryOf(reference)}@${digest}`;
}

/** The first part is a host if it looks like one; else the name is the hub's. */
function splitHost(name: string): { readonly host: string; readonly path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const host = isHost && !hubAliases.includes(first) ? first : hubHost;
  const path = isHost ? name.slice(slash + 1) : name;
  return { host, path: host === hubHost && !path.includes('/') ? `${officialPath}/${path}` : path };
}
