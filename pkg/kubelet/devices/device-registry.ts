/**
 * Where device plugins register themselves: the service `Registration` at `kubelet.sock`, in the folder in which their own sockets are. What plugins of the last kubelet have
 * left there goes when it begins, by which they see that there is a new one. Upstream counterpart: kubelet `cm/devicemanager/plugin/v1beta1/server.go`.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isExtendedResource } from '#pkg/api/core/resource-names.ts';
import { aborted } from '#pkg/base/async.ts';
import { serveGrpc } from '#pkg/grpc/grpc-server.ts';
import type { PluginHandler } from '../plugins/plugin-handler.ts';
import { socketPlace } from '../plugins/socket-place.ts';
import type { DeviceManager } from './device-manager.ts';
import { devicePluginVersion, emptyMessage, registrationOf } from './device-messages.ts';
import { deviceRecordName } from './device-record.ts';

const socketName = 'kubelet.sock';

/** Takes device plugins in until `signal` is aborted. Rejects where it cannot listen. */
export async function serveDeviceRegistry(
  folder: string,
  devices: Pick<DeviceManager, 'connect'>,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (!entry.isDirectory() && entry.name !== deviceRecordName) await rm(join(folder, entry.name), { force: true });
  const place = await socketPlace(join(folder, socketName));
  const server = await serveGrpc(place.path, {
    '/v1beta1.Registration/Register': async (request) => {
      const { version, endpoint, resource } = registrationOf(request);
      check([version], resource);
      if (endpoint === '' || endpoint.includes('/'))
        throw new Error(`the socket ${JSON.stringify(endpoint)} is no name`);
      await devices.connect(resource, join(folder, endpoint));
      return emptyMessage;
    },
  });
  await aborted(signal);
  await server.close();
  await place.close();
}

/** Device plugins that register as other plugins do. Their name is the resource. */
export function devicePluginHandler(devices: Pick<DeviceManager, 'connect' | 'disconnect'>): PluginHandler {
  return {
    register: async ({ name, versions, socketPath }) => {
      check(versions, name);
      await devices.connect(name, socketPath);
    },
    deregister: ({ name, socketPath }) => devices.disconnect(name, socketPath),
  };
}

/** In upstream's words. */
function check(versions: readonly string[], resource: string): void {
  if (!versions.includes(devicePluginVersion))
    throw new Error(
      `requested API version "${versions.join(', ')}" is not supported by kubelet. Supported version is ["${devicePluginVersion}"]`,
    );
  if (!isExtendedResource(resource)) throw new Error(`the ResourceName "${resource}" is invalid`);
}
