/** Devices of the machine in a container. Pure. Source: `devices.DeviceFromPath` of runc, makedev(3). */
import type { OciDevice, OciDeviceRule } from './oci-types.ts';

/** A device node of the machine, as its file says. */
export interface HostDevice {
  readonly hostPath: string;
  readonly kind: 'b' | 'c';
  /** `st_rdev`. */
  readonly number: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const permissionBits = 0o7777;

/** The node that a container gets, under its path there. */
export function ociDevice({ kind, number, mode, uid, gid }: HostDevice, containerPath: string): OciDevice {
  return { path: containerPath, type: kind, ...deviceNumbers(number), fileMode: mode & permissionBits, uid, gid };
}

/** That a container may use it. */
export function deviceRule({ kind, number }: HostDevice, access: string): OciDeviceRule {
  return { allow: true, type: kind, ...deviceNumbers(number), access };
}

/** Major and minor number. */
export function deviceNumbers(number: number): { readonly major: number; readonly minor: number } {
  const bits = BigInt(number);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn);
  const minor = (bits & 0xffn) | ((bits >> 12n) & ~0xffn);
  return { major: Number(major), minor: Number(BigInt.asUintN(32, minor)) };
}
