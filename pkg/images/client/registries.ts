/** Real registries: which address and which login answers is found out, manifests are checked, contents asked for from where they are wanted. */
import { type Descriptor, manifestBytesMax, mediaTypes, parseManifest, parseObject } from '../content/documents.ts';
import { digestOf } from '../digest.ts';
import { Slots } from '../host/slots.ts';
import { ImageStoreError, type RegistryLogin } from '../image-store.ts';
import { type ImageReference, wholeName } from '../reference.ts';
import { readAll } from './answers.ts';
import { addressesOf, type RegistryHosts } from './hosts.ts';
import type { SendHttp } from './http.ts';
import { RegistrySession } from './registry-session.ts';
import type { LocalImage, Registries, RegistryCall, RemoteImage } from './remote-image.ts';

const { ociManifest, ociIndex, dockerManifest, dockerList } = mediaTypes;
const accept = [ociIndex, ociManifest, dockerList, dockerManifest].join(', ');

/** Contents that are pushed at the same time. */
const pushesAtOnce = 3;

/** Registries that are asked by HTTP. */
export function httpRegistries({
  send,
  hosts,
}: {
  readonly send: SendHttp;
  readonly hosts: RegistryHosts;
}): Registries {
  /** Tries logins and addresses in turn, until one does it. Of all that failed, what the first login was told is said. */
  async function first<T>(
    reference: ImageReference,
    call: RegistryCall & { readonly mayMirror: boolean },
    work: (session: RegistrySession) => Promise<T>,
  ): Promise<T> {
    const known = hosts.get(reference.host);
    const asked: RegistryHosts = call.mayMirror
      ? hosts
      : new Map([[reference.host, { mirrors: [], insecure: known?.insecure ?? false }]]);
    const addresses = addressesOf(reference.host, asked);
    const mirrors = new Set((call.mayMirror ? (known?.mirrors ?? []) : []).map(({ origin }) => origin));
    let failure: unknown;
    for (const login of [...(call.logins ?? []), undefined]) {
      const outcome = await firstAddress(addresses, (address) => {
        // A password is the registry's, not its mirrors'.
        const own: RegistryLogin | undefined = mirrors.has(address.origin) ? undefined : login;
        return work(new RegistrySession(address, { send, login: own }));
      });
      if (outcome.ok) return outcome.value;
      call.signal?.throwIfAborted();
      failure ??= outcome.error;
      if (!isAboutLogin(outcome.error)) break;
    }
    throw explained(failure, reference);
  }

  return {
    find: (reference, call) =>
      first(reference, { ...call, mayMirror: true }, (session) => findImage(reference, session, call.signal)),
    push: (reference, image, call) =>
      first(reference, { ...call, mayMirror: false }, (session) =>
        pushImage(reference, image, { session, signal: call.signal }),
      ),
  };
}

type Outcome<T> = { readonly ok: false; readonly error: unknown } | { readonly ok: true; readonly value: T };

/** An address that does not do it is followed by the next; what the last one said counts. */
async function firstAddress<T>(addresses: readonly URL[], work: (address: URL) => Promise<T>): Promise<Outcome<T>> {
  let error: unknown;
  for (const address of addresses) {
    try {
      return { ok: true, value: await work(address) };
    } catch (thrown) {
      error = thrown;
    }
  }
  return { ok: false, error };
}

/** Another login may have what this one has not. */
function isAboutLogin(error: unknown): boolean {
  return error instanceof ImageStoreError && (error.reason === 'unauthorized' || error.reason === 'notFound');
}

function explained(error: unknown, reference: ImageReference): unknown {
  if (!(error instanceof ImageStoreError)) return error;
  return new ImageStoreError(error.reason, `${wholeName(reference)}: ${error.message}`, error);
}

async function findImage(
  reference: ImageReference,
  session: RegistrySession,
  signal: AbortSignal | undefined,
): Promise<RemoteImage> {
  const { path, digest, tag } = reference;
  const common = { repository: path, rights: 'pull', signal };
  const manifest = async (name: string): Promise<{ readonly bytes: Uint8Array; readonly type: string }> => {
    const answer = await session.ask({
      ...common,
      method: 'GET',
      path: `/v2/${path}/manifests/${name}`,
      headers: { accept },
    });
    const bytes = await readAll(answer, manifestBytesMax);
    const own = digestOf(bytes);
    const said = answer.headers['docker-content-digest'];
    if (typeof said === 'string' && said.startsWith('sha256:') && said !== own)
      throw new ImageStoreError(
        'damaged',
        `registry sent a manifest that has ${own}, not ${said.slice(0, 100)} as it says`,
      );
    return { bytes, type: answer.headers['content-type'] ?? '' };
  };
  const { bytes, type } = await manifest(digest ?? tag ?? 'latest');
  const own = digestOf(bytes);
  if (digest !== undefined && own !== digest)
    throw new ImageStoreError('damaged', `registry sent a manifest that has ${own}, not ${digest}`);
  const { kind } = parseManifest(bytes);
  return {
    target: { digest: own, size: bytes.length, mediaType: typeOf(bytes, type, kind) },
    bytes,
    manifest: async (descriptor) => (await manifest(descriptor.digest)).bytes,
    blob: (descriptor, offset) => blob(descriptor, offset, { session, common }),
  };
}

function typeOf(bytes: Uint8Array, header: string, kind: 'image' | 'index'): string {
  const { mediaType } = parseObject(bytes, 'manifest');
  if (typeof mediaType === 'string' && mediaType !== '') return mediaType;
  const said = header.split(';')[0]?.trim() ?? '';
  const fitting = kind === 'index' ? [ociIndex, dockerList] : [ociManifest, dockerManifest];
  return fitting.find((one) => one === said) ?? (kind === 'index' ? ociIndex : ociManifest);
}

/** Registries need not give parts: what comes before the offset is passed over then. */
async function blob(
  { digest }: Descriptor,
  offset: number,
  {
    session,
    common,
  }: {
    readonly session: RegistrySession;
    readonly common: { readonly repository: string; readonly rights: string; readonly signal: AbortSignal | undefined };
  },
): Promise<AsyncIterable<Uint8Array>> {
  const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const path = `/v2/${common.repository}/blobs/${digest}`;
  const answer = await session.ask({ ...common, method: 'GET', path, headers });
  const isPart = answer.status === 206;
  const start = isPart ? Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? Number.NaN) : 0;
  if (!(start <= offset)) {
    answer.close();
    throw new ImageStoreError('damaged', `registry sent a part of ${digest} that was not asked for`);
  }
  return after(answer.body, offset - start);
}

async function* after(body: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of body) {
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

async function pushImage(
  { path, tag, digest }: ImageReference,
  { manifest, blobs, open }: LocalImage,
  { session, signal }: { readonly session: RegistrySession; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const common = { repository: path, rights: 'pull,push', signal };
  const slots = new Slots(pushesAtOnce);
  const pushed = await Promise.allSettled(
    blobs.map((one) => slots.run(() => pushBlob(one, () => open(one), { session, common }))),
  );
  for (const outcome of pushed) if (outcome.status === 'rejected') throw outcome.reason;
  const name = tag ?? digest ?? manifest.digest;
  const answer = await session.ask({
    ...common,
    method: 'PUT',
    path: `/v2/${path}/manifests/${name}`,
    headers: { 'content-type': manifest.mediaType },
    body: { bytes: manifest.bytes.length, content: () => only(manifest.bytes) },
  });
  answer.close();
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function pushBlob(
  { digest, size }: Descriptor,
  open: () => AsyncIterable<Uint8Array>,
  {
    session,
    common,
  }: {
    readonly session: RegistrySession;
    readonly common: { readonly repository: string; readonly rights: string; readonly signal: AbortSignal | undefined };
  },
): Promise<void> {
  const blobs = `/v2/${common.repository}/blobs/`;
  const there = await session.ask({ ...common, method: 'HEAD', path: `${blobs}${digest}`, headers: {}, wanted: [404] });
  there.close();
  if (there.status !== 404) return;
  const begun = await session.ask({
    ...common,
    method: 'POST',
    path: `${blobs}uploads/`,
    headers: { 'content-length': '0' },
  });
  begun.close();
  const location = URL.parse(begun.headers.location ?? '', new URL(blobs, session.address).href);
  if (location === null || begun.headers.location === undefined)
    throw new ImageStoreError('failed', `registry ${session.address.host} does not say where contents are to be sent`);
  location.searchParams.set('digest', digest);
  const done = await session.ask({
    ...common,
    method: 'PUT',
    path: location.href,
    headers: { 'content-type': 'application/octet-stream' },
    body: { bytes: size, content: open },
  });
  done.close();
}
