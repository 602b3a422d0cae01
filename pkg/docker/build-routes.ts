/** Endpoints of builds, by the builder of `coxswain image build`. Source: Docker Engine API 1.41, "Build an image". */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { buildImage } from '#pkg/images/build/builder.ts';
import { ignoreFile } from '#pkg/images/build/ignore.ts';
import { applyLayer } from '#pkg/images/layers/apply-layer.ts';
import { decompressed } from '#pkg/images/layers/decompress.ts';
import { parseReference } from '#pkg/images/reference.ts';
import { readInside } from '#pkg/kubelet/runtime/container/inside-root.ts';
import type { Call } from './call.ts';
import { DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import { familiarName } from './image-names.ts';
import { loginsOf, temporaryFolder } from './image-routes.ts';
import type { Route } from './route.ts';

/** The endpoints. */
export const buildRoutes: readonly Route[] = [
  { method: 'POST', path: '/build', handle: build },
  {
    method: 'POST',
    path: '/build/prune',
    handle: (call) => call.send(200, { CachesDeleted: null, SpaceReclaimed: 0 }),
  },
];

/** Parameters that would be passed over, unless they say nothing. */
const unsupported = ['remote', 'squash', 'networkmode', 'extrahosts', 'outputs'];

async function build(call: Call, engine: Engine): Promise<void> {
  refuse(call);
  const names = call.query.getAll('t').filter((name) => name !== '');
  if (names.length === 0)
    throw new DockerError(501, "Coxswain's Docker socket keeps no images without a name: say which it is to have (-t)");
  const references = names.map(parseReference);
  await using folder = await temporaryFolder();
  const context = join(folder.path, 'context');
  await mkdir(context, { mode: 0o755 });
  const place = { root: context, form: 'tree', lowers: [], calls: engine.calls } as const;
  const { signal } = call;
  await applyLayer(decompressed(call.body()), place, { signal, pause: () => engine.clock.yield() });
  const dockerfile = await readDockerfile(context, call.text('dockerfile') || 'Dockerfile');
  const lines = call.lines();
  const output = call.flag('q') ? () => {} : (text: string) => lines.write({ stream: text });
  try {
    await using store = await engine.images.forBuild();
    const image = await buildImage({
      store,
      calls: engine.calls,
      dockerfile,
      context,
      isIgnored: ignoreFile(await readInside(context, '.dockerignore')),
      references,
      arguments: argumentsOf(call.text('buildargs')),
      target: call.text('target') || undefined,
      platform: engine.platform,
      pull: async (reference) => void (await engine.images.pull(reference, { logins: loginsOf(call), signal })),
      run: engine.run,
      output,
      modified: 0,
      signal,
    });
    lines.write({ aux: { ID: image.id } });
    if (call.flag('q')) lines.write({ stream: `${image.id}\n` });
    else {
      lines.write({ stream: `Successfully built ${image.id.slice(7, 19)}\n` });
      for (const name of image.tags.filter((one) => names.some((wanted) => familiarName(one).startsWith(wanted))))
        lines.write({ stream: `Successfully tagged ${familiarName(name)}\n` });
    }
  } catch (error) {
    const message = errorText(error);
    lines.write({ errorDetail: { message }, error: message });
  }
  lines.end();
}

function refuse(call: Call): void {
  if (call.text('version') === '2')
    throw new DockerError(501, "BuildKit is not supported by Coxswain's Docker socket: set DOCKER_BUILDKIT=0");
  const asked = unsupported.find((name) => !['', '0', '[]', 'default', 'null'].includes(call.text(name)));
  if (asked !== undefined) throw new DockerError(501, `${asked} is not supported by Coxswain's Docker socket`);
  const labels = call.text('labels');
  if (!['', '{}', 'null'].includes(labels))
    throw new DockerError(501, 'labels beside the Dockerfile are not supported');
}

async function readDockerfile(context: string, name: string): Promise<string> {
  const text = await readInside(context, name);
  if (text === '') throw new DockerError(500, `Cannot locate specified Dockerfile: ${name}`);
  return text;
}

function argumentsOf(text: string): ReadonlyMap<string, string> {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return new Map(
    Object.entries(isObject(value) ? value : {}).flatMap(([name, one]) =>
      typeof one === 'string' ? [[name, one]] : [],
    ),
  );
}
