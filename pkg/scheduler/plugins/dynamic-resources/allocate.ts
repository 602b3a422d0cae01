/**
 * Which devices claims get: the first way that satisfies all requests of all of them, found by trying devices in order and going back where a constraint fails. Pure.
 * Source: `dynamic-resource-allocation/structured` `Allocator`; KEP-4381.
 */

import { toleratesTaint } from '#pkg/api/scheduling/tolerations.ts';
import type {
  DeviceClass,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaim,
} from '#pkg/api/types/resource-v1.ts';
import { doubleOf, jsonText } from '#pkg/apimachinery/json.ts';
import { addQuantity, compareQuantity, parseQuantity, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import type { PooledDevice } from './device-pools.ts';
import { isSelected } from './device-selector.ts';

/** Devices that are tried for one pod on one node before it counts as not to be satisfied: a search without end would stop all scheduling. */
const stepsMax = 10_000;

/** A device for a request. */
export interface ChosenDevice {
  /** `name`, or `name/alternative` where there are several. */
  readonly request: string;
  readonly device: PooledDevice;
  readonly adminAccess: boolean;
  readonly wish: ExactDeviceRequest | DeviceSubRequest;
}

/** What can be chosen from. */
export interface AllocateOptions {
  /** Those that the node reaches. */
  readonly devices: readonly PooledDevice[];
  /** Ids of those that somebody has. */
  readonly taken: ReadonlySet<string>;
  /** All devices that somebody has, on whatever node: what they consume of counters is gone. */
  readonly consumers: readonly PooledDevice[];
  readonly classOf: (name: string) => DeviceClass | undefined;
}

/** One request as it is tried: what is wished for, by which name. */
interface Wish {
  readonly request: string;
  readonly base: string;
  readonly wish: ExactDeviceRequest | DeviceSubRequest;
}

/** For each claim its devices; undefined where there is no way. Throws for a class that is not there and a selector that fails. */
export function allocate(
  claims: readonly ResourceClaim[],
  options: AllocateOptions,
): readonly (readonly ChosenDevice[])[] | undefined {
  const search = new Search(options);
  const chosen: (readonly ChosenDevice[])[] = [];
  return search.claims(claims, 0, chosen) ? chosen : undefined;
}

class Search {
  readonly #options: AllocateOptions;
  readonly #taken: Set<string>;
  readonly #consumers: PooledDevice[];
  readonly #selected = new Map<string, boolean>();
  #steps = 0;

  constructor(options: AllocateOptions) {
    this.#options = options;
    this.#taken = new Set(options.taken);
    this.#consumers = [...options.consumers];
  }

  /** Claims from `at` on. */
  claims(claims: readonly ResourceClaim[], at: number, chosen: (readonly ChosenDevice[])[]): boolean {
    const claim = claims[at];
    if (claim === undefined) return true;
    const { requests, constraints = [] } = claim.spec.devices ?? {};
    const devices: ChosenDevice[] = [];
    return this.#requests(requests ?? [], 0, {
      chosen: devices,
      constraints,
      goOn: () => {
        chosen[at] = [...devices];
        return this.claims(claims, at + 1, chosen);
      },
    });
  }

  /** Requests of one claim from `at` on. */
  #requests(requests: readonly DeviceRequest[], at: number, into: Choosing): boolean {
    const request = requests[at];
    if (request === undefined) return into.goOn();
    const { name, exactly, firstAvailable = [] } = request;
    const wishes: readonly Wish[] =
      exactly === undefined
        ? firstAvailable.map((wish) => ({ request: `${name}/${wish.name}`, base: name, wish }))
        : [{ request: name, base: name, wish: exactly }];
    return wishes.some((wish) => {
      const next = { ...into, goOn: () => this.#requests(requests, at + 1, into) };
      if (wish.wish.allocationMode === 'All') return this.#all(wish, next);
      return this.#count(wish, { left: doubleOf(wish.wish.count ?? 1), from: 0 }, next);
    });
  }

  /** Every device that is meant: one that somebody has spoils it. */
  #all(wish: Wish, into: Choosing): boolean {
    const meant = this.#options.devices.filter((device) => this.#isMeant(wish, device));
    if (meant.length === 0) return false;
    const before = into.chosen.length;
    const isPossible = meant.every((device) => this.#take(wish, device, into));
    if (isPossible && into.goOn()) return true;
    while (into.chosen.length > before) this.#giveBack(into);
    return false;
  }

  /** `left` more devices, of those from `from` on. */
  #count(wish: Wish, { left, from }: { readonly left: number; readonly from: number }, into: Choosing): boolean {
    if (left === 0) return into.goOn();
    const { devices } = this.#options;
    for (let index = from; index < devices.length; index++) {
      const device = devices[index];
      if (device === undefined || !this.#isMeant(wish, device) || !this.#take(wish, device, into)) continue;
      if (this.#count(wish, { left: left - 1, from: index + 1 }, into)) return true;
      this.#giveBack(into);
    }
    return false;
  }

  #isMeant({ wish }: Wish, pooled: PooledDevice): boolean {
    const { deviceClassName, selectors = [] } = wish;
    const key = `${deviceClassName} ${JSON.stringify(selectors)} ${JSON.stringify(wish.capacity?.requests)} ${pooled.id}`;
    const known = this.#selected.get(key);
    if (known !== undefined) return known;
    const deviceClass = this.#options.classOf(deviceClassName);
    if (deviceClass === undefined) throw new Error(`device class ${deviceClassName} does not exist`);
    const { device, driver } = pooled;
    const isOne =
      hasCapacity(wish, pooled) &&
      isSelected(deviceClass.spec.selectors ?? [], device, driver) &&
      isSelected(selectors, device, driver);
    this.#selected.set(key, isOne);
    return isOne;
  }

  #take({ request, base, wish }: Wish, device: PooledDevice, into: Choosing): boolean {
    if (++this.#steps > stepsMax) return false;
    const adminAccess = 'adminAccess' in wish && wish.adminAccess === true;
    const mine = into.chosen.some((one) => one.device === device);
    if (mine || (!adminAccess && this.#taken.has(device.id)) || !isTolerated(wish, device)) return false;
    if (!adminAccess && !this.#hasCounters(device)) return false;
    const chosen: ChosenDevice = { request, device, adminAccess, wish };
    if (!into.constraints.every((constraint) => keeps(constraint, [...into.chosen, chosen], base))) return false;
    into.chosen.push(chosen);
    if (adminAccess) return true;
    this.#taken.add(device.id);
    this.#consumers.push(device);
    return true;
  }

  #giveBack({ chosen }: Choosing): void {
    const last = chosen.pop();
    if (last === undefined || last.adminAccess) return;
    this.#taken.delete(last.device.id);
    this.#consumers.splice(this.#consumers.lastIndexOf(last.device), 1);
  }

  /** Whether what a device takes of counters that it shares is left. */
  #hasCounters(wanted: PooledDevice): boolean {
    return (wanted.device.consumesCounters ?? []).every(({ counterSet, counters }) => {
      const has = wanted.counters.find(({ name }) => name === counterSet)?.counters ?? {};
      return Object.entries(counters).every(([name, { value }]) => {
        let sum = parseQuantity(value) ?? zeroQuantity;
        for (const { driver, pool, device } of this.#consumers) {
          if (driver !== wanted.driver || pool !== wanted.pool) continue;
          for (const consumed of device.consumesCounters ?? []) {
            const amount = consumed.counterSet === counterSet ? consumed.counters[name]?.value : undefined;
            if (amount !== undefined) sum = addQuantity(sum, parseQuantity(amount) ?? zeroQuantity);
          }
        }
        return compareQuantity(sum, parseQuantity(has[name]?.value ?? '0') ?? zeroQuantity) <= 0;
      });
    });
  }
}

interface Choosing {
  /** What the claim has so far; changed. */
  readonly chosen: ChosenDevice[];
  readonly constraints: readonly DeviceConstraint[];
  /** Goes on with the rest; false where there is no way. */
  readonly goOn: () => boolean;
}

function isTolerated({ tolerations = [] }: ExactDeviceRequest | DeviceSubRequest, { taints }: PooledDevice): boolean {
  return taints.every(
    (taint) => taint.effect === 'None' || tolerations.some((toleration) => toleratesTaint(toleration, taint)),
  );
}

function hasCapacity({ capacity }: ExactDeviceRequest | DeviceSubRequest, { device, driver }: PooledDevice): boolean {
  return Object.entries(capacity?.requests ?? {}).every(([name, wanted]) => {
    const short = name.startsWith(`${driver}/`) ? name.slice(driver.length + 1) : name;
    const has = device.capacity?.[name] ?? device.capacity?.[short];
    const [amount, asked] = [parseQuantity(has?.value ?? ''), parseQuantity(wanted)];
    return amount !== undefined && asked !== undefined && compareQuantity(amount, asked) >= 0;
  });
}

/** Whether the devices of a claim, of which the last is new, keep a constraint that is for its request. */
function keeps(constraint: DeviceConstraint, chosen: readonly ChosenDevice[], base: string): boolean {
  const { requests = [], matchAttribute, distinctAttribute } = constraint;
  const isFor = (request: string): boolean =>
    requests.length === 0 || requests.includes(request) || requests.includes(request.split('/', 1)[0] ?? '');
  const added = chosen.at(-1);
  if (added === undefined || !(isFor(added.request) || requests.includes(base))) return true;
  const values = chosen
    .filter(({ request }) => isFor(request))
    .map(({ device }) => attributeText(device, matchAttribute ?? distinctAttribute ?? ''));
  // A device without the attribute can neither match nor differ.
  if (values.includes(undefined)) return false;
  const different = new Set(values).size;
  return matchAttribute === undefined ? different === values.length : different === 1;
}

function attributeText({ device, driver }: PooledDevice, name: string): string | undefined {
  const short = name.startsWith(`${driver}/`) ? name.slice(driver.length + 1) : name;
  const attribute = device.attributes?.[name] ?? device.attributes?.[short];
  return attribute === undefined ? undefined : jsonText(attribute);
}
