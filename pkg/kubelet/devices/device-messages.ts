/** Messages of device plugins, as `deviceplugin/v1beta1` has them. Pure. Source: `k8s.io/kubelet` `pkg/apis/deviceplugin/v1beta1/api.proto`. */
import { type Fields, framed } from '#pkg/grpc/message.ts';
import type { PluginParts } from '../plugins/plugin-needs.ts';

/** The version of the interface, as plugins say it. */
export const devicePluginVersion = 'v1beta1';

/** What may be asked of a plugin. */
export interface DevicePluginOptions {
  /** It is told before each start of a container. */
  readonly preStartRequired: boolean;
  /** It says which devices go well together. */
  readonly prefersDevices: boolean;
}

/** What a plugin registers as. */
export interface DeviceRegistration {
  readonly version: string;
  /** Name of its socket in the folder of device plugins. */
  readonly endpoint: string;
  /** Such as `example.com/card`. */
  readonly resource: string;
}

/** A device, as its plugin says it. */
export interface PluginDevice {
  readonly id: string;
  /** `Healthy`, or what else it says. */
  readonly health: string;
  /** Memory that it is near to. */
  readonly numaNodes: readonly number[];
}

/** What a device is where it may be given to a container. Source: `pluginapi.Healthy`. */
export const healthy = 'Healthy';

/** The message that says nothing. */
export const emptyMessage: Uint8Array = framed(() => {});

/** Of `Register`. */
export function registrationOf(message: Fields): DeviceRegistration {
  return { version: message.string(1), endpoint: message.string(2), resource: message.string(3) };
}

/** Of `GetDevicePluginOptions`. */
export function optionsOf(message: Fields): DevicePluginOptions {
  return { preStartRequired: message.flag(1), prefersDevices: message.flag(2) };
}

/** Of `ListAndWatch`: all devices that there are now. */
export function devicesOf(message: Fields): readonly PluginDevice[] {
  return message.messages(1).map((device) => ({
    id: device.string(1),
    health: device.string(2),
    numaNodes: device
      .message(3)
      .messages(1)
      .map((node) => node.number(1)),
  }));
}

/** For `Allocate`, and for `PreStartContainer` without the container around it. */
export function allocateRequest(ids: readonly string[]): Uint8Array {
  return framed((message) => message.message(1, () => message.strings(1, ids)));
}

/** For `PreStartContainer`. */
export function preStartRequest(ids: readonly string[]): Uint8Array {
  return framed((message) => message.strings(1, ids));
}

/** For `GetPreferredAllocation`: so many of those that are free. */
export function preferredRequest(wish: {
  readonly available: readonly string[];
  readonly mustInclude: readonly string[];
  readonly count: number;
}): Uint8Array {
  return framed((message) =>
    message.message(1, () => {
      message.strings(1, wish.available);
      message.strings(2, wish.mustInclude);
      message.number(3, wish.count);
    }),
  );
}

/** Of `GetPreferredAllocation`. */
export function preferredOf(message: Fields): readonly string[] {
  return message.messages(1)[0]?.strings(1) ?? [];
}

/** Of `Allocate`: the bytes about the one container that was asked for, which are kept as they are; undefined where there are none. */
export function allocationOf(message: Fields): Buffer | undefined {
  return message.all(1)[0];
}

/** What such bytes say. */
export function partsOf(allocation: Fields): PluginParts {
  return {
    env: textsOf(allocation, 1),
    mounts: allocation.messages(2).map((mount) => ({
      containerPath: mount.string(1),
      hostPath: mount.string(2),
      readOnly: mount.flag(3),
    })),
    devices: allocation.messages(3).map((device) => ({
      containerPath: device.string(1),
      hostPath: device.string(2),
      permissions: device.string(3),
    })),
    annotations: textsOf(allocation, 4),
    cdiDevices: allocation.messages(5).map((device) => device.string(1)),
  };
}

function textsOf(message: Fields, field: number): Readonly<Record<string, string>> {
  return Object.fromEntries([...message.map(field)].map(([name, value]) => [name, value.toString('utf8')]));
}
